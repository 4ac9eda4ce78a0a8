"""One writer at a time: what a writer of an earlier term sends is refused by the store, however late it comes."""

from collections.abc import AsyncIterator

import pytest

from angarium.config import ConfigStore, RecordsLost, Superseded
from angarium.link import Link
from angarium.records import ProductRecord
from angarium.settings import RedisSettings


def record(backlog: int) -> ProductRecord:
    return ProductRecord(namespace="shop", name="shop", id="prd_1", backlog=backlog)


@pytest.fixture
async def link(redis_settings: RedisSettings) -> AsyncIterator[Link]:
    async with Link(redis_settings) as link:
        yield link


async def writer(link: Link) -> ConfigStore:
    """One that has claimed the store and taken it as it is."""
    store = ConfigStore(link)
    await store.claim()
    if not await store.adopt():
        await store.begin([record(1)])
    return store


async def test_an_earlier_writer_writes_nothing_any_more(link: Link) -> None:
    first = await writer(link)
    second = await writer(link)
    with pytest.raises(Superseded):
        await first.publish([record(2)])
    with pytest.raises(Superseded):
        await first.publish([], ["product/shop/shop"])
    assert (await second.read())["product/shop/shop"][0] == second.revision
    await second.publish([record(3)])


async def test_an_earlier_writer_does_not_begin_an_empty_store(link: Link) -> None:
    first = ConfigStore(link)
    await first.claim()
    second = ConfigStore(link)
    await second.claim()
    with pytest.raises(Superseded):
        await first.begin([record(1)])
    assert (await second.state()).epoch == ""


async def test_who_claims_again_writes_again(link: Link) -> None:
    first = await writer(link)
    await writer(link)
    await first.claim()
    await first.publish([record(2)])


async def test_a_term_that_redis_has_forgotten_is_told_by_the_next_write(link: Link) -> None:
    """A failover may lose the claim, a flush loses it for certain; the later writer's next write brings it back."""
    first, second = await writer(link), await writer(link)
    await link.call("FLUSHALL")
    with pytest.raises(RecordsLost):
        await second.publish([record(2)])
    await second.begin([record(2)])
    first.epoch = second.epoch
    with pytest.raises(Superseded):
        await first.publish([record(3)])


async def test_a_writer_without_a_term_is_not_asked_for_one(link: Link) -> None:
    """`angarium dev`, and an operator that is alone."""
    await writer(link)
    alone = ConfigStore(link)
    await alone.adopt()
    await alone.publish([record(2)])
