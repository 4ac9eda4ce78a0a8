"""dramatiq on Redis, one process with 8 threads (its default), requests."""

import sys

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from tests.benchmarks.peers.blocking import post
from tests.benchmarks.peers.webhook import BODY, REDIS_URL

dramatiq.set_broker(RedisBroker(url=REDIS_URL))
deliver = dramatiq.actor(post, actor_name="deliver", max_retries=0)

if __name__ == "__main__":
    for _ in range(int(sys.argv[1])):
        deliver.send(BODY)
