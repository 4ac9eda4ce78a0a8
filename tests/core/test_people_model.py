"""Users and groups against a plain model: whatever is written in whatever order, all indexes agree with the users."""

import asyncio
import copy
from collections.abc import Coroutine
from typing import Any, TypeVar

import orjson
import pytest
import redis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from pydantic import SecretStr

from angarium.keys import PeopleKeys
from angarium.link import Link
from angarium.people import (
    GroupExists,
    Groups,
    Limits,
    NoSuchGroup,
    People,
    Reference,
    Registry,
    Saved,
    TooManyDevices,
    TooManyGroups,
    User,
)
from angarium.settings import RedisSettings

T = TypeVar("T")
NAMING = ("key", "phone", "email")
LIMITS = Limits(users=3, devices=2, groups=3, members=3)
TENANTS = ("prd_a", "prd_a", "prd_a", "prd_b")  # as often as they are drawn
NAMES = ("g1", "g2", "g3", "g4")
TOKENS = ("t1", "t2", "t3", "t4")
Row = dict[str, Any]


@st.composite
def rows(draw: st.DrawFn) -> Row:
    """What a caller may want of a user; few values, so that they meet."""
    row: Row = {}
    for field, values in {
        "key": ("k1", "k2", "k3", None),
        "phone": ("+1", "+2", "+3", None),
        "email": ("a@x.org", "A@x.org", "b@x.org", None),
        "name": ("Ann", "Bea", None),
        "channels": (["sms"], ["push", "email"], [], None),
    }.items():
        if field == "key" or draw(st.booleans()):
            row[field] = draw(st.sampled_from(values))
    if draw(st.booleans()):
        tokens = draw(st.lists(st.sampled_from(TOKENS), max_size=draw(st.sampled_from([2, 2, 3])), unique=True))
        row["devices"] = [{"token": token, "platform": "ios"} for token in tokens]
    return row


def one_of(choices: list[T], which: int) -> T:
    """A number that hypothesis drew, as a choice among what there is now."""
    return choices[which % len(choices)]


def folded(field: str, value: str) -> str:
    return value.lower() if field == "email" else value


class Model:
    """One tenant, kept the plain way: users as dicts, no index."""

    def __init__(self) -> None:
        self.users: dict[str, Row] = {}
        self.groups: dict[str, set[str]] = {}
        self.numbers: dict[str, int] = {}

    def owner(self, field: str, value: str) -> str | None:
        """Who has it."""
        for id_, user in self.users.items():
            if field in user and folded(field, user[field]) == folded(field, value):
                return id_
        return None

    def save(self, row: Row, group: str | None, saved: Saved) -> None:
        """The store's word for what it did must be right; then the same here."""
        expected, field, why, other, id_ = self._judge(row, group)
        assert (saved.result, saved.field, saved.why, saved.other) == (expected, field, why, other)
        if expected == "refused":
            return
        assert id_ is None or saved.id == id_
        assert (saved.id in self.users) == (expected == "updated")
        user = self.users.setdefault(saved.id, {})
        for name, value in row.items():
            if name in {"id", "devices"}:
                continue
            user.pop(name, None)
            if value not in (None, []):
                user[name] = value
        if "devices" in row:
            tokens = [device["token"] for device in row["devices"] or []]
            self.lose(tokens)
            user["devices"] = tokens
        if group:
            self.groups[group].add(saved.id)

    def _judge(self, row: Row, group: str | None) -> tuple[str, str, str, str, str | None]:
        id_, rank = self._match(row)
        if "id" in row and id_ not in self.users:
            return "refused", "id", "unknown", "", None
        user = self.users.get(id_ or "", {})
        for place, field in enumerate(NAMING, 1):
            if value := row.get(field):
                other = self.owner(field, value)
                if other and other != id_:
                    return "refused", field, "taken", other, None
                if id_ and place < rank and user.get(field, value) != value:
                    return "refused", NAMING[rank - 1], "other", id_, None
        if not any((user | row).get(field) for field in NAMING):
            return "refused", "", "nameless", "", None
        if len(row.get("devices") or []) > LIMITS.devices:
            return "refused", "devices", "devices", "", None
        if group and len(self.groups[group]) >= LIMITS.members and id_ not in self.groups[group]:
            return "refused", "", "members", "", None
        if not id_ and len(self.users) >= LIMITS.users:
            return "refused", "", "full", "", None
        return "updated" if id_ else "created", "", "", "", id_

    def _match(self, row: Row) -> tuple[str | None, int]:
        if "id" in row:
            return row["id"], 0
        found = [(self.owner(field, row[field]), rank) for rank, field in enumerate(NAMING, 1) if row.get(field)]
        return next(((id_, rank) for id_, rank in found if id_), (None, 0))

    def lose(self, tokens: list[str]) -> None:
        """Whoever has these devices has them no more."""
        for user in self.users.values():
            user["devices"] = [token for token in user.get("devices", []) if token not in tokens]

    def erase(self, id_: str) -> None:
        """Forget a user."""
        del self.users[id_]
        for members in self.groups.values():
            members.discard(id_)


class PeopleMachine(RuleBasedStateMachine):
    """Two tenants, who use the same names for everything."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.plain: Any = redis.Redis.from_url(self.url)  # its replies are unions over protocols
        self.plain.flushall()
        self.link = Link(RedisSettings(url=SecretStr(self.url)))
        self.do(self.link.__aenter__())
        self.people, self.registry = People(self.link, LIMITS), Registry(self.link, LIMITS)
        self.groups = Groups(self.link, LIMITS)
        self.models = {tenant: Model() for tenant in TENANTS}

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        self.do(self.link.__aexit__())
        self.loop.close()
        self.plain.close()

    @initialize()
    def begin(self) -> None:
        for tenant in sorted(set(TENANTS)):
            for name in ("g1", "g2"):
                self.create(tenant, name)

    @rule(
        tenant=st.sampled_from(TENANTS),
        drawn=st.lists(rows(), min_size=1, max_size=4),
        whose=st.lists(st.none() | st.none() | st.integers(0, 6), min_size=4, max_size=4),
        which=st.integers(0, 4),
    )
    def save(self, tenant: str, drawn: list[Row], whose: list[int | None], which: int) -> None:
        model = self.models[tenant]
        group = one_of([*sorted(model.groups), None], which)
        asked = []
        for row, index in zip(drawn, whose, strict=False):
            ids = [*sorted(model.users), "usr_" + "0" * 26]
            asked.append(row if index is None else row | {"id": one_of(ids, index)})
        number = model.numbers[group] if group else None
        for row, saved in zip(asked, self.do(self.registry.save(tenant, copy.deepcopy(asked), number)), strict=True):
            model.save(row, group, saved)

    @rule(tenant=st.sampled_from(TENANTS), name=st.sampled_from(NAMES))
    def make(self, tenant: str, name: str) -> None:
        self.create(tenant, name)

    def create(self, tenant: str, name: str) -> None:
        model = self.models[tenant]
        work = self.groups.create(tenant, name)
        if name in model.groups:
            with pytest.raises(GroupExists):
                self.do(work)
        elif len(model.groups) >= LIMITS.groups:
            with pytest.raises(TooManyGroups):
                self.do(work)
        else:
            model.groups[name] = set()
            number = self.do(work)
            assert number not in model.numbers.values()
            model.numbers[name] = number

    @rule(tenant=st.sampled_from(TENANTS), name=st.sampled_from(NAMES), small=st.booleans())
    def disband(self, tenant: str, name: str, small: bool) -> None:
        model = self.models[tenant]
        if small and not model.groups.get(name, "-"):
            return  # else most would be deleted before anybody is in them
        if name in model.groups:
            assert self.do(self.groups.disband(tenant, name)) == len(model.groups.pop(name))
        else:
            with pytest.raises(NoSuchGroup):
                self.do(self.groups.disband(tenant, name))

    @rule(tenant=st.sampled_from(TENANTS), which=st.integers(0, 3), index=st.integers(0, 6))
    def leave(self, tenant: str, which: int, index: int) -> None:
        model = self.models[tenant]
        name = one_of([*sorted(model.groups, key=lambda name: -len(model.groups[name])), "g9"], which)
        inside = sorted(model.groups.get(name, ()))
        id_ = one_of([*inside, *sorted(set(model.users).difference(inside)), "usr_nobody"], index)
        if name not in model.groups:
            with pytest.raises(NoSuchGroup):
                self.do(self.groups.leave(tenant, name, [id_]))
            return
        assert self.do(self.groups.leave(tenant, name, [id_])) == (id_ in model.groups[name])
        model.groups[name].discard(id_)

    @rule(tenant=st.sampled_from(TENANTS), index=st.integers(0, 6))
    def erase(self, tenant: str, index: int) -> None:
        model = self.models[tenant]
        id_ = one_of([*sorted(model.users), "usr_nobody"], index)
        erased = self.do(self.registry.erase(tenant, id_))
        assert (erased is None) == (id_ not in model.users)
        if erased:
            assert list(erased.groups) == sorted(name for name, ids in model.groups.items() if id_ in ids)
            assert self.same(erased.user, model.users[id_])
            model.erase(id_)

    @rule(
        tenant=st.sampled_from(TENANTS),
        phone=st.sampled_from(["+1", "+2"]),
        token=st.sampled_from(TOKENS),
        replaces=st.sampled_from(["", *TOKENS]),
    )
    def set_device(self, tenant: str, phone: str, token: str, replaces: str) -> None:
        model = self.models[tenant]
        id_ = model.owner("phone", phone)
        work = self.registry.set_device(tenant, Reference("phone", phone), token, "web", replaces)
        if id_ is None:
            assert self.do(work) is None
            return
        mine = model.users[id_].get("devices", [])
        rest = [each for each in mine if each not in {token, replaces}]
        if len(rest) >= LIMITS.devices:
            with pytest.raises(TooManyDevices):
                self.do(work)
            return
        assert self.do(work) == (id_, token not in mine)
        model.lose([token])
        model.users[id_]["devices"] = [*rest, token]

    @rule(tenant=st.sampled_from(TENANTS), tokens=st.lists(st.sampled_from(TOKENS), min_size=1, max_size=3))
    def drop_devices(self, tenant: str, tokens: list[str]) -> None:
        model = self.models[tenant]
        known = {token for user in model.users.values() for token in user.get("devices", [])}
        expected = [token in known and token not in tokens[:place] for place, token in enumerate(tokens)]
        assert self.do(self.people.drop_devices(tenant, tokens)) == expected
        model.lose(tokens)

    @staticmethod
    def same(user: User, expected: Row) -> bool:
        told = {name: getattr(user, name) for name in (*NAMING, "name")}
        assert told == {name: expected.get(name, "") for name in told}
        assert list(user.channels) == (expected.get("channels") or [])
        assert [device.token for device in user.devices] == expected.get("devices", [])
        return True

    @invariant()
    def users_are_as_they_were_written(self) -> None:
        for tenant, model in self.models.items():
            page = self.do(self.people.page(tenant, None))
            assert [user.id for user in page.users] == sorted(model.users)
            for user in page.users:
                self.same(user, model.users[user.id])
                names = sorted(name for name, ids in model.groups.items() if user.id in ids)
                assert self.do(self.people.groups_of(tenant, user.id)) == names

    @invariant()
    def groups_are_as_they_were_written(self) -> None:
        for tenant, model in self.models.items():
            listed = self.do(self.groups.page(tenant)).groups
            assert [(group.name, group.members) for group in listed] == [
                (name, len(model.groups[name])) for name in sorted(model.groups)
            ]
            for name, ids in model.groups.items():
                page = self.do(self.people.page(tenant, name))
                assert [user.id for user in page.users] == sorted(ids)
                assert page.number == model.numbers[name]

    @invariant()
    def every_index_leads_to_who_has_it_and_there_is_nothing_else(self) -> None:
        for tenant, model in self.models.items():
            keys = PeopleKeys(tenant)
            for field in NAMING:
                expected = {folded(field, user[field]): id_ for id_, user in model.users.items() if field in user}
                assert decoded(self.plain.hgetall(keys.by(field))) == expected
            tokens = {token: id_ for id_, user in model.users.items() for token in user.get("devices", [])}
            assert decoded(self.plain.hgetall(keys.by("token"))) == tokens
            docs = {key.decode() for key in self.plain.keys(f"ang:{{{tenant}}}:user:*")}
            assert docs == {keys.user(id_) for id_ in model.users}
            for id_ in model.users:
                assert "id" not in orjson.loads(self.plain.get(keys.user(id_)))
            assert set(decoded(self.plain.hgetall(keys.memberships))) <= set(model.users)
            held = {key.decode() for key in self.plain.keys(f"ang:{{{tenant}}}:group:*")}
            assert held == {keys.members(model.numbers[name]) for name, ids in model.groups.items() if ids}


def decoded(pairs: dict[bytes, bytes]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in pairs.items()}


def test_the_store_agrees_with_its_model(redis_server: str) -> None:
    PeopleMachine.url = redis_server
    run_state_machine_as_test(
        PeopleMachine,
        settings=settings(
            max_examples=40,
            stateful_step_count=60,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
