"""The services over a Redis Cluster: a master that dies, slots that move."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from tests.core.redis_servers import Clustered, Server, until
from tests.deliverer.receivers import Receiver
from tests.deliverer.world import World, callback, deliverer, settings

from angarium.config import ConfigStore
from angarium.errors import StorageRefused
from angarium.identifiers import notification_id
from angarium.keys import ConfigKeys
from angarium.link import Confirm, Link
from angarium.notifications import Notification, Priority, Status, Target
from angarium.queue import Census, Consumer, Intake, Queue
from angarium.records import CallbackRecord

SHARDS = 6


@asynccontextmanager
async def clustered_world(servers: Clustered) -> AsyncIterator[World]:
    async with Queue(servers.settings, SHARDS) as queue:
        yield World(servers.settings, queue, ConfigStore(queue.link))


async def post_to(shop: World, record: CallbackRecord, shard: int) -> Notification:
    """As for a tenant whose key leads to this shard."""
    notification = Notification(
        notification_id(shard), "prd_shop", "shop/shop", "order.paid", b"{}", Priority.NORMAL, 0,
        (Target(record.id, record.key.removeprefix("callback/")),),
    )  # fmt: skip
    await Intake(shop.queue).enqueue(notification)
    return notification


async def post_to_all(shop: World, record: CallbackRecord, shards: set[int]) -> list[Notification]:
    return [await post_to(shop, record, shard) for shard in sorted(shards)]


async def delivered(shop: World, posted: list[Notification]) -> bool:
    return all([(await shop.settled(each)).status is Status.DELIVERED for each in posted])


async def by_master(servers: Clustered, shop: World) -> dict[Server, set[int]]:
    homes: dict[Server, set[int]] = {}
    for keys in shop.queue.shards:
        homes.setdefault(await servers.home(keys.counters), set()).add(keys.shard)
    return homes


async def test_a_master_dies_and_the_others_do_not_wait_for_its_replica(tmp_path: Path) -> None:
    servers = Clustered(tmp_path, replicas=True)
    async with servers.running(), Receiver() as receiver, clustered_world(servers) as shop:
        warehouse = callback("warehouse", receiver.url)
        await shop.declare(warehouse)
        async with deliverer(settings(servers.settings, shards=SHARDS)):
            homes = await by_master(servers, shop)
            config = await servers.home(ConfigKeys().state)
            victim = next(server for server in homes if server is not config)
            heir = servers.replicas[servers.masters.index(victim)]
            assert await delivered(shop, await post_to_all(shop, warehouse, set(range(SHARDS))))
            heir.pause()
            victim.kill()
            assert await delivered(shop, await post_to_all(shop, warehouse, set(range(SHARDS)) - homes[victim]))
            assert shop.queue.link.up
            heir.resume()
            assert await delivered(shop, await post_to_all(shop, warehouse, homes[victim]))
            assert await heir.role() == "master"
            totals = await shop.counters()
            assert (totals["waiting"], totals["accepted"]) == (0, totals["delivered"])


async def test_a_shard_moves_to_another_master_while_it_is_in_use(tmp_path: Path) -> None:
    """As Valkey 9 moves slots: whole, not key by key."""
    async with Clustered(tmp_path).running() as servers, clustered_world(servers) as shop, Receiver() as receiver:
        warehouse = callback("warehouse", receiver.url)
        await shop.declare(warehouse)
        keys = shop.queue.shards[0]
        old = await servers.home(keys.counters)
        new = next(server for server in servers.masters if server is not old)
        slot = int(await old.do("CLUSTER", "KEYSLOT", keys.counters))
        posted: list[Notification] = []
        stop = asyncio.Event()

        async def post() -> None:
            while not stop.is_set():
                posted.append(await post_to(shop, warehouse, 0))

        async with deliverer(settings(servers.settings, shards=SHARDS)):
            async with asyncio.TaskGroup() as posting:
                posting.create_task(post())
                await until(lambda: at_least(posted, 50))
                await old.do("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", await id_of(new))
                await until(partial(owns, new, slot))
                count = len(posted)
                await until(lambda: at_least(posted, count + 50))
                stop.set()
            assert await delivered(shop, posted)
        assert await new.client.exists(keys.counters)


async def at_least(posted: list[Notification], count: int) -> bool:
    return len(posted) >= count


async def id_of(server: Server) -> str:
    return str((await server.do("CLUSTER", "MYID")).decode())


async def owns(server: Server, slot: int) -> bool:
    """Whether it says so itself."""
    mine = (await id_of(server)).encode()
    return any(first <= slot <= last and master[2] == mine
               for first, last, master, *_ in await server.do("CLUSTER", "SLOTS"))  # fmt: skip


async def test_an_empty_slot_is_found_where_it_went(tmp_path: Path) -> None:
    async with Clustered(tmp_path).running() as servers, Link(servers.settings) as link:
        await link.call("GET", "{0}")
        old = await servers.home("{0}")
        new = next(server for server in servers.masters if server is not old)
        id_ = await id_of(new)
        slot = int(await old.do("CLUSTER", "KEYSLOT", "{0}"))
        for server in (new, old):
            await server.do("CLUSTER", "SETSLOT", slot, "NODE", id_)
        assert await link.call("SET", "{0}", "1") == b"OK"
        assert await new.client.get("{0}") == b"1"


async def test_a_slot_on_its_way_makes_its_calls_wait_and_no_others(tmp_path: Path) -> None:
    async with Clustered(tmp_path).running() as servers, Link(servers.settings) as link:
        old = await servers.home("{0}")
        new = next(server for server in servers.masters if server is not old)
        ids = {server: await id_of(server) for server in (old, new)}
        slot = int(await old.do("CLUSTER", "KEYSLOT", "{0}"))
        await new.do("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[old])
        await old.do("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[new])
        waiting = asyncio.create_task(link.call("SET", "{0}", "1"))
        neighbours = [key for key in map(str, range(1, 30)) if await servers.home(key) is old]
        assert await link.call("SET", neighbours[0], "1") == b"OK"
        assert not waiting.done()
        for server in (new, old):
            await server.do("CLUSTER", "SETSLOT", slot, "NODE", ids[new])
        assert await waiting == b"OK"
        assert await new.client.get("{0}") == b"1"


async def test_what_has_no_key_and_what_asks_all(tmp_path: Path) -> None:
    async with Clustered(tmp_path).running() as servers, Queue(servers.settings, SHARDS) as queue:
        assert len(await queue.link.call("TIME")) == 2
        ports = [dict(line.split(":", 1) for line in info.decode().splitlines() if ":" in line)["tcp_port"]
                 for info in await queue.link.call_each("INFO", "server")]  # fmt: skip
        assert sorted(map(int, ports)) == sorted(server.port for server in servers.masters)
        assert await Census(queue).memory_ratio() == 0
        for server, limit in zip(servers.masters, (100, 50, 200), strict=True):
            await server.do("CONFIG", "SET", "maxmemory", limit << 20)
        used = int((await servers.masters[1].client.info("memory"))["used_memory"])
        assert await Census(queue).memory_ratio() == pytest.approx(used / (50 << 20), rel=0.1)


async def test_waiting_for_all_shards_ends_with_the_first_bell(tmp_path: Path) -> None:
    async with Clustered(tmp_path).running() as servers, Queue(servers.settings, SHARDS) as queue:
        consumer = Consumer(queue, "a", block=30.0)
        for keys in queue.shards:
            waiting = asyncio.create_task(consumer.wait())
            await queue.link.call("RPUSH", keys.bell, 1)
            async with asyncio.timeout(10):
                await waiting
        await consumer.stop_waiting()


async def test_a_bell_that_rings_while_nobody_waits_is_handed_on(tmp_path: Path) -> None:
    async with Clustered(tmp_path).running() as servers, Queue(servers.settings, SHARDS) as queue:
        busy, idle = Consumer(queue, "a", block=30.0), Consumer(queue, "b", block=30.0)
        first, other, *_ = queue.shards
        waiting = asyncio.create_task(busy.wait())
        await queue.link.call("RPUSH", first.bell, 1)
        await waiting  # it goes on listening to the others
        waiting = asyncio.create_task(idle.wait())
        await queue.link.call("RPUSH", other.bell, 1)
        async with asyncio.timeout(10):
            await waiting
        await asyncio.gather(busy.stop_waiting(), idle.stop_waiting())


async def test_what_a_replica_must_confirm_is_confirmed_by_its_own_master(tmp_path: Path) -> None:
    async with Clustered(tmp_path, replicas=True).running() as servers:
        async with Link(servers.settings, confirm=Confirm(timeout_ms=5000)) as link:
            await asyncio.gather(*[link.call("SET", f"{{{number}}}", number) for number in range(12)])
        for number in range(12):
            master = await servers.home(f"{{{number}}}")
            replica = servers.replicas[servers.masters.index(master)]
            await replica.do("READONLY")
            assert await replica.do("EXISTS", f"{{{number}}}") == 1


async def test_keys_of_two_slots_in_one_command_are_an_error_of_ours(tmp_path: Path) -> None:
    async with Clustered(tmp_path).running() as servers, Link(servers.settings) as link:
        with pytest.raises(StorageRefused, match="same slot"):
            await link.call("DEL", "{0}", "{1}")
