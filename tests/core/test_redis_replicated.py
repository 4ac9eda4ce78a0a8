"""Durability Replicated: a 202 that outlives the server that gave it."""

import asyncio
from pathlib import Path

import pytest
import redis.asyncio
from pydantic import SecretStr
from tests.core.redis_servers import Replicated, Server, running

from angarium.errors import NotReplicated
from angarium.identifiers import notification_id
from angarium.lineage import Change, Lineage, read_server
from angarium.lineage import Server as Met
from angarium.link import Confirm, Link
from angarium.notifications import Notification, Priority, Target
from angarium.queue import Idempotency, Intake, Queue
from angarium.settings import RedisSettings
from angarium.telemetry.metrics import REDIS_FAILOVERS


def posted() -> Notification:
    return Notification(notification_id(0), "t", "shop/shop", "e", b"{}", Priority.NORMAL, 0, (Target("c", "shop/c"),))


async def test_what_is_answered_is_on_a_replica(tmp_path: Path) -> None:
    async with Replicated(tmp_path).running() as servers, Queue(servers.settings) as queue:
        ids = [posted() for _ in range(50)]
        await asyncio.gather(*[Intake(queue).enqueue(each, replicated=True) for each in ids])
        servers.master.kill()
        replica = servers.replicas[0].client
        assert await replica.exists(*[queue.keys_of(each.id).notification(each.id) for each in ids]) == len(ids)


async def test_a_batch_pays_for_one_confirmation(tmp_path: Path) -> None:
    async with Replicated(tmp_path).running() as servers, Link(servers.settings, confirm=Confirm()) as link:
        await link.call("PING")
        await asyncio.gather(*[link.call("INCR", "n") for _ in range(200)])
        assert (await servers.master.client.info("commandstats"))["cmdstat_wait"]["calls"] <= 3


async def test_without_a_replica_nothing_is_sent_and_it_is_said_at_once(
    redis_settings: RedisSettings, redis_client: redis.asyncio.Redis
) -> None:
    async with Queue(redis_settings) as queue:
        with pytest.raises(NotReplicated, match="0 replicas in touch, not 1"):
            await Intake(queue).enqueue(posted(), replicated=True)
        assert await redis_client.dbsize() == 0
        await Intake(queue).enqueue(posted())


async def test_a_replica_that_does_not_answer_means_stored_but_not_confirmed(tmp_path: Path) -> None:
    """Who asks again with the same key is answered once it is confirmed."""
    servers = Replicated(tmp_path)
    settings = servers.settings.model_copy(update={"confirm_timeout": 0.2})
    async with servers.running(), Queue(settings) as queue:
        notification, once = posted(), Idempotency("k", "f")
        await Intake(queue).enqueue(posted(), replicated=True)
        servers.replicas[0].pause()
        with pytest.raises(NotReplicated, match="0 of 1 replicas confirmed it in 200 ms"):
            await Intake(queue).enqueue(notification, once, replicated=True)
        other = await Intake(queue).enqueue(posted())  # whose product asks for less
        assert other.id
        with pytest.raises(NotReplicated):  # it writes nothing, and yet is not confirmed
            await Intake(queue).enqueue(posted(), once, replicated=True)
        servers.replicas[0].resume()
        again = await Intake(queue).enqueue(posted(), once, replicated=True)
        assert (again.id, again.replay) == (notification.id, True)


async def test_an_error_stays_with_its_own_call(tmp_path: Path) -> None:
    async with Replicated(tmp_path).running() as servers, Link(servers.settings, confirm=Confirm()) as link:
        good: object
        bad: object
        good, bad = await asyncio.gather(link.call("SET", "a", 1), link.call("NO-SUCH"), return_exceptions=True)
        assert good == b"OK"
        assert "NO-SUCH" in str(bad)


async def test_a_restart_of_redis_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    server = Server(tmp_path, "appendonly yes", "save ''")
    before = REDIS_FAILOVERS.labels("restart")._value.get()
    settings = RedisSettings(url=SecretStr(f"redis://127.0.0.1:{server.port}/0"))
    async with running([server]), Link(settings) as link, Link(settings) as other:
        await asyncio.gather(link.call("PING"), other.call("PING"))
        server.kill()
        await server.start()
        await asyncio.gather(link.call("PING"), other.call("PING"))
        assert REDIS_FAILOVERS.labels("restart")._value.get() == before + 1
        [told] = [record for record in caplog.records if "restarted" in record.message]
        assert told.__dict__["run_id"] == (await server.client.info("server"))["run_id"]


def test_what_a_server_says_of_itself() -> None:
    info = (
        b"# Server\r\nrun_id:r1\r\n# Replication\r\nrole:master\r\nconnected_slaves:2\r\n"
        b"slave0:ip=127.0.0.1,port=1,state=online,offset=5,lag=0\r\nslave1:ip=127.0.0.1,port=2,state=wait_bgsave\r\n"
        b"master_replid:a\r\nmaster_replid2:b\r\nmaster_repl_offset:9\r\nsecond_repl_offset:7\r\n"
    )
    assert read_server("h:1", info) == Met("h:1", "r1", "a", "b", 7, 9, False, 1)


FIRST = Met("h:1", "r1", "a")


@pytest.mark.parametrize(
    ("server", "change"),
    [
        (FIRST, None),
        (Met("h:1", "r2", "b"), Change.RESTART),
        (Met("h:1", "r2", "a"), Change.RESTART),
        (Met("h:1", "r2", "b", "a"), Change.RESTART),
        (Met("h:2", "r2", "b", "a"), Change.FAILOVER),
        (Met("h:1", "r1", "b", "a"), Change.FAILOVER),
        (Met("h:2", "r2", "b", "x"), Change.REPLACED),
    ],
)
def test_how_a_server_came_to_be_another(server: Met, change: Change | None) -> None:
    lineage = Lineage(alone=True)
    assert lineage.meet(FIRST) is None
    assert lineage.meet(server) is change
    assert lineage.meet(server) is None


def test_masters_of_a_cluster_share_no_history() -> None:
    lineage = Lineage(alone=False)
    assert lineage.meet(FIRST) is None
    assert lineage.meet(Met("h:2", "r2", "b")) is None
    assert lineage.meet(Met("h:3", "r3", "c", "b")) is Change.FAILOVER
