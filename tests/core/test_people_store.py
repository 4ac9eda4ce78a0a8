"""Users and groups as whoever sends meets them: on one server and on a Cluster, with replies that get lost."""

from collections.abc import AsyncIterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from tests.core.redis_servers import Clustered

from angarium.cursors import InvalidCursor
from angarium.identifiers import user_id
from angarium.keys import PeopleKeys
from angarium.link import Link
from angarium.people import Groups, NoSuchGroup, People, Reference, Registry
from angarium.settings import RedisSettings

T = "prd_shop"


class Twice:
    """A Link that sends everything a second time, as it does when a connection broke before the reply came."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def call(self, *command: Any) -> Any:
        """The second reply."""
        await self._link.call(*command)
        return await self._link.call(*command)


@pytest.fixture
async def link(redis_settings: RedisSettings) -> AsyncIterator[Link]:
    """To a server of its own."""
    async with Link(redis_settings) as one:
        yield one


async def fill(link: Link, count: int, group: str) -> list[str]:
    """A group of so many; their ids."""
    registry, number = Registry(link), await Groups(link).create(T, group)
    ids: list[str] = []
    for first in range(0, count, 50):
        rows = [{"key": f"k{n}", "phone": f"+49{n:09}"} for n in range(first, min(first + 50, count))]
        ids += [saved.id for saved in await registry.save(T, rows, number)]
    return ids


async def walk(people: People, group: str | None, limit: int) -> list[str]:
    """All that the pages hold."""
    found: list[str] = []
    cursor = None
    while True:
        page = await people.page(T, group, cursor, limit)
        found += [user.id for user in page.users]
        if not (cursor := page.cursor):
            return found


async def test_a_group_expands_in_pages_each_member_once(link: Link) -> None:
    ids, people = await fill(link, 1_234, "g"), People(link)
    for limit in (1, 7, 500, 1_000):
        if limit > 1:
            assert await walk(people, "g", limit) == sorted(ids)
    assert await walk(people, None, 500) == sorted(ids)


async def test_a_page_goes_on_after_one_who_has_left(link: Link) -> None:
    ids, people = sorted(await fill(link, 10, "g")), People(link)
    page = await people.page(T, "g", limit=3)
    await Registry(link).erase(T, ids[2])
    await Groups(link).leave(T, "g", [ids[3]])
    page = await people.page(T, "g", page.cursor, limit=3)
    assert [user.id for user in page.users] == ids[4:7]


async def test_a_cursor_of_a_group_that_was_made_anew_is_none(link: Link) -> None:
    await fill(link, 3, "g")
    people, groups = People(link), Groups(link)
    cursor = (await people.page(T, "g", limit=1)).cursor
    await groups.disband(T, "g")
    with pytest.raises(NoSuchGroup):
        await people.page(T, "g", cursor)
    await groups.create(T, "g")
    with pytest.raises(NoSuchGroup):
        await people.page(T, "g", cursor)
    with pytest.raises(InvalidCursor):
        await people.page("prd_other", "g", cursor)
    with pytest.raises(NoSuchGroup):
        await people.page(T, "")


async def test_users_are_read_by_all_their_names_in_one_go(link: Link) -> None:
    row = {"key": "k", "phone": "+4930", "email": "Ann@x.org", "devices": [{"token": "t", "platform": "ios"}]}
    [saved] = await Registry(link).save(T, [row])
    people = People(link)
    texts = [saved.id, "+4930", "ann@X.ORG", "k", "+4931", "usr_" + "0" * 26, "", "token"]
    assert [user.id if user else None for user in await people.users(T, texts)] == [saved.id] * 4 + [None] * 4
    by_token = await people.user(T, Reference("token", "t"))
    assert by_token
    assert by_token.devices[0].token == "t"
    with pytest.raises(ValueError, match="1000"):
        await people.users(T, ["k"] * 1001)


async def test_nothing_of_a_person_is_in_a_repr(link: Link) -> None:
    row = {"key": "crm-7", "phone": "+4930", "email": "ann@x.org", "name": "Ann", "slack": "U1", "telegram": "@ann"}
    await Registry(link).save(T, [row | {"devices": [{"token": "secret-token", "platform": "ios"}]}])
    user = await People(link).user(T, "crm-7")
    assert user
    shown = repr(user) + repr(user.devices) + repr(Reference.of("+4930"))
    for text in (*row.values(), "secret-token"):
        assert text not in shown


async def test_a_device_that_is_gone_is_dropped_and_stays_dropped(link: Link) -> None:
    devices = [{"token": f"t{n}", "platform": "ios"} for n in range(3)]
    [saved] = await Registry(link).save(T, [{"key": "k", "devices": devices}])
    people = People(link)
    assert await people.drop_device(T, "t1")
    assert not await people.drop_device(T, "t1")
    user = await people.user(T, saved.id)
    assert user
    assert [device.token for device in user.devices] == ["t0", "t2"]
    assert await people.drop_devices(T, ["t0", "t2", "t9"]) == [True, True, False]
    assert (user := await people.user(T, saved.id))
    assert user.devices == ()


async def test_what_is_sent_twice_is_done_once_and_told_as_the_first_time(
    link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    twice: Any = Twice(link)
    registry, groups, people = Registry(twice), Groups(twice), People(link)
    number = await groups.create(T, "g")  # else GroupExists
    saved = await registry.save(T, [{"key": "a"}, {"phone": "+4930"}], number)
    assert [each.result for each in saved] == ["created", "created"]
    assert len((await people.page(T, "g")).users) == 2
    assert await registry.set_device(T, Reference("key", "a"), "t", "ios") == (saved[0].id, False)
    assert [len(user.devices) for user in (await people.page(T, None)).users if user.key] == [1]
    assert await registry.erase(T, saved[0].id) is None  # it says that there is none: there is none
    with pytest.raises(NoSuchGroup):
        await groups.disband(T, "g")
    assert await people.groups_of(T, saved[1].id) == []


async def test_a_membership_forgets_groups_that_are_gone(link: Link) -> None:
    registry, groups = Registry(link), Groups(link)
    [saved] = await registry.save(T, [{"key": "k"}])
    for n in range(30):
        await registry.save(T, [{"key": "k"}], await groups.create(T, f"g{n}"))
        if n % 3:
            await groups.disband(T, f"g{n}")
    stored = await link.call("HGET", PeopleKeys(T).memberships, saved.id)
    assert stored.strip(b",").count(b",") < 12
    assert await People(link).groups_of(T, saved.id) == sorted(f"g{n}" for n in range(0, 30, 3))


async def test_a_tenant_is_one_slot_of_a_cluster_and_its_scripts_run_there(tmp_path: Path) -> None:
    async with Clustered(tmp_path).running() as servers, Link(servers.settings) as link:
        people, registry, groups = People(link), Registry(link), Groups(link)
        for tenant in [f"prd_{n}" for n in range(6)]:
            number = await groups.create(tenant, "g")
            row = {"key": "k", "phone": "+4930", "devices": [{"token": "t", "platform": "ios"}]}
            [saved] = await registry.save(tenant, [row], number)
            assert await registry.set_device(tenant, Reference("phone", "+4930"), "t2", "ios") == (saved.id, True)
            [user] = (await people.page(tenant, "g")).users
            assert [device.token for device in user.devices] == ["t", "t2"]
            assert await people.drop_device(tenant, "t")
            assert await groups.leave(tenant, "g", [saved.id]) == 1
            assert [group.name for group in (await groups.page(tenant)).groups] == ["g"]
            assert await groups.disband(tenant, "g") == 0
            assert await registry.erase(tenant, saved.id)
        homes = {await servers.home(PeopleKeys(f"prd_{n}").users) for n in range(6)}
        assert len(homes) > 1


def test_every_script_says_what_it_takes_and_gives() -> None:
    for script in files("angarium.people").joinpath("scripts").iterdir():
        text = script.read_text(encoding="utf-8")
        if script.name != "people.lua":
            assert text.startswith("#!lua")
            assert all(f"\n-- {word} " in text for word in ("KEYS", "ARGV", "result")), script.name


def test_user_ids_sort_by_time() -> None:
    assert user_id(1) < user_id(2) < user_id(1 << 41)
