"""Edits on their way through Redis: each is done once at most, in time or never, and secrets are sealed."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.redis_servers import Clustered

from angarium.edits import Edit, EditsFull, EditStore, Envelope, EnvelopeError, Reply, seal_for
from angarium.edits import store as module
from angarium.edits.store import OpenEdit
from angarium.keys import ConfigKeys
from angarium.link import Link
from angarium.settings import RedisSettings

LIFE = 30.0


def edit(id_: str = "one", **more: Any) -> Edit:
    fields: dict[str, Any] = {"action": "create", "tenant": "prd_shop", "owner": "product/shop/shop"}
    return Edit(**{"id": id_, "namespace": "shop", "name": "orders"} | fields | more)


@pytest.fixture
async def link(redis_settings: RedisSettings) -> AsyncIterator[Link]:
    async with Link(redis_settings) as one:
        yield one


@pytest.fixture
async def store(link: Link) -> EditStore:
    return EditStore(link)


async def only(store: EditStore) -> OpenEdit:
    [opened] = await store.wait()
    return opened


async def test_an_edit_is_read_until_it_is_answered(store: EditStore) -> None:
    asked = edit(members={"events": ["a.b"]}, by="key abc", keyed=True)
    assert await store.ask(asked, "f", LIFE) == (False, None)
    first = await only(store)
    assert (first.edit, first.void) == (asked, False)
    assert await only(store) == first  # the operator was killed
    assert await store.reply("one") is None
    await store.answer(first, Reply(detail="done"))
    assert await store.reply("one") == Reply(detail="done")
    assert await store.ask(asked, "f", LIFE) == (False, Reply(detail="done"))
    await store.answer(first, Reply(detail="done"))  # its connection broke, and it says so again
    assert await store.reply("one") == Reply(detail="done")


async def test_who_asks_waits_no_longer_than_it_takes(store: EditStore) -> None:
    waiting = asyncio.create_task(store.wait())
    await store.ask(edit(), "f", LIFE)
    assert [opened.edit for opened in await waiting] == [edit()]


async def test_the_same_id_for_another_edit_is_told(store: EditStore) -> None:
    await store.ask(edit(), "f", LIFE)
    assert (await store.ask(edit(), "g", LIFE)).mismatch
    assert await store.ask(edit(), "f", LIFE) == (False, None)
    await store.answer(await only(store), Reply())
    assert (await store.ask(edit(), "g", LIFE)).mismatch


async def test_a_refusal_is_not_the_answer_to_who_asks_again(store: EditStore) -> None:
    await store.ask(edit(keyed=True), "f", LIFE)
    await store.answer(await only(store), Reply(refused="quota", detail="full"))
    assert await store.reply("one") == Reply(refused="quota", detail="full")
    assert await store.ask(edit(keyed=True), "other now", LIFE) == (False, None)
    assert len(await store.wait()) == 1


async def test_how_long_a_reply_is_kept(store: EditStore, link: Link) -> None:
    for id_, keyed, refused, seconds in (
        ("a", True, None, module.REMEMBERED_S),
        ("b", False, None, module.TOLD_S),
        ("c", True, "quota", module.TOLD_S),
    ):
        await store.ask(edit(id_, keyed=keyed), "f", LIFE)
        await store.answer(await only(store), Reply(refused=refused))
        ttl = await link.call("PTTL", ConfigKeys().edit_reply(id_))
        assert seconds * 1000 - 60_000 < ttl <= seconds * 1000


async def test_what_nobody_began_in_time_is_void_and_may_be_asked_again(store: EditStore) -> None:
    await store.ask(edit(), "f", 0.001)
    while not (opened := await only(store)).void:
        pass
    assert await store.ask(edit(), "f", LIFE) == (False, None)
    await store.drop(opened)
    assert not (await only(store)).void


async def test_no_more_than_so_many_are_open(store: EditStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_OPEN", 2)
    await store.ask(edit("a"), "f", LIFE)
    await store.ask(edit("b"), "f", LIFE)
    with pytest.raises(EditsFull):
        await store.ask(edit("c"), "f", LIFE)
    assert await store.ask(edit("a"), "f", LIFE) == (False, None)


async def test_an_edit_that_cannot_be_read_is_void(store: EditStore, link: Link) -> None:
    await link.call("XADD", ConfigKeys().edits, "*", "e", '{"action": "conquer"}', "f", "x", "l", "30000")
    opened = await only(store)
    assert opened.void
    await store.drop(opened)
    await store.ask(edit(), "f", LIFE)
    assert (await only(store)).edit == edit()


async def test_over_a_cluster(tmp_path: Path) -> None:
    servers = Clustered(tmp_path)
    async with servers.running(), Link(servers.settings) as link:
        store = EditStore(link)
        await store.ask(edit(), "f", LIFE)
        opened = await only(store)
        await store.answer(opened, Reply(detail="done"))
        assert await store.reply("one") == Reply(detail="done")


@given(st.binary(max_size=300))
def test_an_envelope_is_opened_by_its_owner_alone(plain: bytes) -> None:
    one, other = Envelope(), Envelope()
    sealed = seal_for(one.address, plain)
    assert one.open(sealed) == plain
    with pytest.raises(EnvelopeError):
        other.open(sealed)


@pytest.mark.parametrize("address", ["", "x", "AAAA", "ä", "A" * 43 + "=", "=" * 44])
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(EnvelopeError):
        seal_for(address, b"secret")


@given(st.text(max_size=80))
def test_what_was_never_sealed(text: str) -> None:
    with pytest.raises(EnvelopeError):
        Envelope().open(text)
