"""Celery on Redis, its default pool of two processes, no results, requests."""

import sys

from celery import Celery
from tests.benchmarks.peers.blocking import post
from tests.benchmarks.peers.webhook import BODY, REDIS_URL

app = Celery("peer", broker=REDIS_URL)
app.conf.task_ignore_result = True
deliver = app.task(post, name="deliver")

if __name__ == "__main__":
    for _ in range(int(sys.argv[1])):
        deliver.delay(BODY)
