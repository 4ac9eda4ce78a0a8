"""How config gets from the operator to a pod, and what a pod keeps when it can't."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import redis.asyncio
from pydantic import SecretStr
from tests.chaos.fleet import Valkey

from angarium.config import Applied, ConfigStore, ConfigTail, Presence, RecordsLost, presence, read_live
from angarium.config.tail import BLOCK_MS
from angarium.errors import StorageUnavailable
from angarium.link import Link
from angarium.records import CallbackRecord, ProductRecord
from angarium.settings import RedisSettings

SHOP = ProductRecord(namespace="shop", name="shop", id="prd_a")
BOOKS = ProductRecord(namespace="books", name="books", id="prd_b")


@pytest.fixture
async def valkey(tmp_path: Path) -> AsyncIterator[Valkey]:
    """One that may die."""
    valkey = Valkey(tmp_path)
    await valkey.start()
    yield valkey
    await valkey.kill()


class Follower:
    """A tail that runs, and what it has heard."""

    def __init__(self, tail: ConfigTail) -> None:
        self.tail = tail
        self.heard: asyncio.Queue[dict[str, object]] = asyncio.Queue()
        self._applied = asyncio.Event()
        tail.listen(self.heard.put_nowait)  # type: ignore[arg-type]  # a wider dict
        tail.on_applied(self._applied.set)

    async def until(self, revision: int) -> None:
        async with asyncio.timeout(10):
            while self.tail.revision < revision:
                self._applied.clear()
                await self._applied.wait()


@asynccontextmanager
async def following(tail: ConfigTail) -> AsyncIterator[Follower]:
    follower = Follower(tail)
    runner = asyncio.create_task(tail.run())
    try:
        async with asyncio.timeout(10):
            await tail.loaded.wait()
        yield follower
    finally:
        runner.cancel()
        await asyncio.gather(runner, return_exceptions=True)


async def test_changes_reach_a_pod_in_their_order(redis_settings: RedisSettings) -> None:
    async with Link(redis_settings) as link, following(ConfigTail(redis_settings)) as pod:
        store = ConfigStore(link)
        assert await store.adopt() == {}
        first = (await store.begin([SHOP]))[SHOP.key]
        await pod.until(first)
        assert pod.tail.records == {SHOP.key: SHOP.model_copy(update={"revision": first})}
        assert await store.publish([BOOKS], [SHOP.key]) == {BOOKS.key: first + 1, SHOP.key: first + 2}
        await pod.until(first + 2)
        assert set(pod.tail.records) == {BOOKS.key}
        assert pod.tail.applied.revision == first + 2


async def test_one_bad_record_harms_nobody_else(
    redis_settings: RedisSettings, redis_client: redis.asyncio.Redis
) -> None:
    def accept(record: object) -> None:
        if isinstance(record, ProductRecord) and record.requests_per_second == 13:
            raise ValueError("unlucky")

    async with Link(redis_settings) as link, following(ConfigTail(redis_settings, accept)) as pod:
        store = ConfigStore(link)
        last = max((await store.begin([SHOP, BOOKS])).values())
        await pod.until(last)
        await store.publish([SHOP.model_copy(update={"requests_per_second": 13})])
        await store.publish([BOOKS.model_copy(update={"requests_per_second": 7})])
        await pod.until(last + 2)
        assert pod.tail.applied.rejected == (SHOP.key,)
        kept, changed = pod.tail.records[SHOP.key], pod.tail.records[BOOKS.key]
        assert isinstance(kept, ProductRecord)
        assert isinstance(changed, ProductRecord)
        assert kept.requests_per_second is None  # the last good one
        assert changed.requests_per_second == 7
        await store.publish([SHOP])
        await pod.until(last + 3)
        assert not pod.tail.applied.rejected


async def test_a_flushed_store_changes_nothing_until_all_is_published_again(
    redis_settings: RedisSettings, redis_client: redis.asyncio.Redis
) -> None:
    async with Link(redis_settings) as link, following(ConfigTail(redis_settings)) as pod:
        store = ConfigStore(link)
        last = max((await store.begin([SHOP, BOOKS])).values())
        await pod.until(last)
        await redis_client.flushall()
        with pytest.raises(RecordsLost):
            await store.publish([SHOP])
        pod.tail.loaded.clear()
        async with asyncio.timeout(10):
            await pod.tail.loaded.wait()  # it has looked, and found nothing
        assert set(pod.tail.records) == {SHOP.key, BOOKS.key}
        first = pod.tail.epoch
        await store.begin([BOOKS])
        await pod.until(last + 1)  # revisions rise over the loss
        assert pod.tail.epoch != first
        assert set(pod.tail.records) == {BOOKS.key}


async def test_while_redis_is_away_a_pod_keeps_what_it_has(valkey: Valkey) -> None:
    redis_settings = RedisSettings(url=SecretStr(valkey.url), timeout=0.1)
    async with Link(redis_settings, timeout=BLOCK_MS / 1000 + 0.2) as link:
        last = max((await ConfigStore(link).begin([SHOP, BOOKS])).values())
        async with following(ConfigTail(redis_settings)) as pod:
            await pod.until(last)
            await valkey.kill()
            with pytest.raises(StorageUnavailable):
                await link.call("PING")  # asked after the tail did, and given longer to answer
            assert set(pod.tail.records) == {SHOP.key, BOOKS.key}


async def test_a_second_operator_goes_on_where_the_first_was(redis_settings: RedisSettings) -> None:
    async with Link(redis_settings) as link:
        first = await ConfigStore(link).begin([SHOP])
        second = ConfigStore(link)
        assert list(await second.adopt()) == [SHOP.key]
        assert await second.publish([BOOKS]) == {BOOKS.key: first[SHOP.key] + 1}


async def test_pods_say_what_they_have_applied_and_goodbye(redis_settings: RedisSettings) -> None:
    async with Link(redis_settings) as link, following(ConfigTail(redis_settings)) as pod:
        await pod.until((await ConfigStore(link).begin([SHOP]))[SHOP.key])
        presence = Presence(link, "gateway", "g-1", lambda: pod.tail.applied)
        await presence.beat()
        [seen] = await read_live(link)
        assert (seen.role, seen.name, seen.applied) == ("gateway", "g-1", pod.tail.applied)
        await presence.leave()
        assert await read_live(link) == []


def observing(link: Link, pod: str = "observer") -> Presence:
    """A deliverer that listens to the others."""
    return Presence(link, "deliverer", pod, Applied)


async def silence(observer: Presence, seconds: float = 60.0) -> None:
    """As if so long had gone by, on the observer's clock, since it saw each last beat."""
    observer._heard = {pod: (beat, seen - seconds) for pod, (beat, seen) in observer._heard.items()}
    await observer.beat()


async def test_who_is_silent_is_dead_to_those_who_have_listened_for_as_long(redis_settings: RedisSettings) -> None:
    async with Link(redis_settings) as link:
        observer, lives = observing(link), observing(link, "lives")
        await observing(link, "gone").beat()
        await lives.beat()
        await observer.beat()
        assert not observer.dead
        assert observer.known == {"observer", "lives", "gone"}
        await asyncio.sleep(0.002)  # beats are told apart by their milliseconds
        await lives.beat()
        await silence(observer)
        assert observer.dead == ("gone",)
        await asyncio.sleep(0.002)
        await observing(link, "gone").beat()
        await observer.beat()
        assert not observer.dead


async def test_after_redis_was_away_silence_begins_anew(redis_settings: RedisSettings, valkey: Valkey) -> None:
    settings = redis_settings.model_copy(update={"url": SecretStr(valkey.url)})
    async with Link(settings, timeout=0.5) as link:
        await observing(link, "other").beat()
        observer = observing(link)
        await observer.beat()
        await valkey.kill()
        await observer.beat()
        await valkey.start()
        async with asyncio.timeout(10):
            while "other" not in observer.known:
                await silence(observer)
        assert not observer.steady
        assert not observer.dead


async def test_nobody_dies_while_redis_is_away(
    redis_settings: RedisSettings, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A beat waits for Redis to come back, and so does whatever would be taken over from the dead."""
    settings = redis_settings.model_copy(update={"url": SecretStr(valkey.url)})
    async with Link(settings, timeout=15) as link:
        await observing(link, "other").beat()
        observer = observing(link)
        await observer.beat()
        monkeypatch.setattr(presence, "INTERVAL", 0.0)  # as if the beat took longer, which it does
        await valkey.kill()
        hanging = asyncio.create_task(silence(observer))
        await asyncio.sleep(0)
        assert not observer.dead
        await valkey.start()
        await hanging
        assert not observer.dead


@pytest.mark.parametrize("jump_ms", [-7_200_000, 7_200_000])
async def test_a_clock_of_redis_that_jumps_kills_and_forgets_nobody(
    redis_settings: RedisSettings, redis_client: redis.asyncio.Redis, jump_ms: int
) -> None:
    async with Link(redis_settings) as link:
        observer, other = observing(link), observing(link, "other")
        await other.beat()
        await observer.beat()
        await redis_client.zincrby(
            "ang:{config}:beats", jump_ms, "deliverer other"
        )  # it beat while the clock was elsewhere
        await observer.beat()
        assert not observer.dead
        await silence(observer)
        assert observer.dead == ("other",)  # and whose last beat lies in the future is not immortal


async def test_the_dead_are_forgotten_unless_they_come_back(redis_settings: RedisSettings) -> None:
    async with Link(redis_settings) as link:
        observer = observing(link)
        for pod in ("gone", "back"):
            await observing(link, pod).beat()
        await observer.beat()
        heard = dict(observer._heard)
        await asyncio.sleep(0.002)
        await observing(link, "back").beat()
        observer._heard = {pod: (beat, seen - 4000) for pod, (beat, seen) in heard.items()}
        await observer.beat()
        assert observer.known == {"observer", "back"}
        assert [pod.name for pod in await read_live(link)] == ["back", "observer"]


async def test_a_record_never_shows_what_is_secret() -> None:
    record = CallbackRecord(
        namespace="shop", name="c", id="cbk_a", tenant="prd_a", product_id="prd_a", events=("a",), url="https://x.example",
        sealed_signing_keys="gAAAA-sealed",
    )  # fmt: skip
    assert "gAAAA" not in repr(record)


async def test_an_operator_that_remembers_nothing_goes_on_above_what_was(
    redis_settings: RedisSettings, redis_client: redis.asyncio.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Link(redis_settings) as link:
        before = (await ConfigStore(link).begin([SHOP]))[SHOP.key]
        await redis_client.flushall()
        later = time.time() + 60
        monkeypatch.setattr(time, "time", lambda: later)
        assert (await ConfigStore(link).begin([SHOP]))[SHOP.key] > before
