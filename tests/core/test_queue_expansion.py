"""Expanding groups against a plain model: whoever dies in whatever step, each member is in one part, and counts agree.

A step is read, decided and stored; pods stop between these, go on later with what they knew, and repeat what they did
not hear the answer of, while members come and go.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Coroutine
from typing import Any, TypeVar

import redis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from pydantic import SecretStr

from angarium.identifiers import part_id, route_id
from angarium.keys import GROUP
from angarium.link import Link
from angarium.notifications import GROUP as TO_GROUP
from angarium.notifications import DeliveryState, Notification, Priority, Recipients, Status, Target
from angarium.people import Groups, People, Registry, targets_of
from angarium.queue import (
    BacklogFull,
    Census,
    Consumer,
    Expander,
    Intake,
    Ledger,
    Progress,
    Queue,
    Report,
    Reports,
    Roster,
    Settlement,
    Told,
    Upkeep,
)
from angarium.retries import Move
from angarium.settings import RedisSettings

T = TypeVar("T")
TENANT = "prd_a"
PODS = ("a", "b")
NAMES = tuple(f"u{number}" for number in range(5))
BY_STATUS = {Status.DELIVERED: "delivered", Status.REFUSED: "refused"}
MEMBERS = st.sets(st.sampled_from(NAMES), min_size=2)
Step = tuple[int, Progress, Progress, list[tuple[Target, bool]]]


class ExpansionMachine(RuleBasedStateMachine):
    """One notification for one group or two; two pods that both believe it is theirs."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.plain: Any = redis.Redis.from_url(self.url)  # its replies are unions over protocols
        self.plain.flushall()
        self.members: dict[str, set[str]] = {"g0": set(), "g1": set()}
        self.always: dict[str, set[str]] = {}  # in the group since the beginning
        self.known: dict[tuple[str, int], Progress] = {}  # how far a pod believes that a group is
        self.decided: dict[str, Step] = {}  # what a pod is about to store
        self.last: dict[str, Step] = {}  # what it stored last
        self.ids: dict[str, str] = {}

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    @initialize(first=MEMBERS, second=st.none() | MEMBERS)
    def open(self, first: set[str], second: set[str] | None) -> None:
        where = RedisSettings(url=SecretStr(self.url))
        self.queue, self.link = Queue(where), Link(where)
        self.do(self.queue.__aenter__())
        self.do(self.link.__aenter__())
        self.do(self.queue.prepare())
        self.people, self.registry = People(self.link), Registry(self.link)
        self.expander, self.ledger, self.roster = Expander(self.queue), Ledger(self.queue), Roster(self.queue)
        self.reports = Reports(self.queue)
        self.consumer, self.census, self.intake = Consumer(self.queue, "c"), Census(self.queue), Intake(self.queue)
        self.numbers = {name: self.do(Groups(self.link).create(TENANT, name)) for name in self.members}
        for saved, name in zip(self.do(self.registry.save(TENANT, [row(name) for name in NAMES])), NAMES, strict=True):
            self.ids[name] = saved.id
        self.several = second is not None
        for group, names in (("g0", first), ("g1", second or set())):
            for name in names:
                self.enter(group, name)
        self.always = {group: set(names) for group, names in self.members.items()}
        now = time.time_ns() // 1_000_000
        route = route_id(TENANT, TO_GROUP)
        self.posted = Notification(
            self.intake.new_id(TENANT, None, now), TENANT, "shop/shop", "message", b'{"email":{}}', Priority.NORMAL,
            now,
            tuple(Target(route, TO_GROUP, group) for group in ("g0", "g1")[: 1 + self.several]),
        )  # fmt: skip
        self.do(self.intake.enqueue(self.posted))
        self.owners = {each.entry.ticket.index: each for each in self.begun()}
        self.taken: list[Any] = []

    def begun(self) -> list[Any]:
        started: list[Any] = []
        while more := self.do(self.consumer.take(100)).started:
            started += more
        return started

    def teardown(self) -> None:
        if hasattr(self, "queue"):
            self.do(self.link.__aexit__())
            self.do(self.queue.__aexit__())
        self.loop.close()
        self.plain.close()

    @rule(group=st.sampled_from(["g0", "g1"]), name=st.sampled_from(NAMES))
    def enter(self, group: str, name: str) -> None:
        self.do(self.registry.save(TENANT, [{"key": name}], self.numbers[group]))
        self.members[group].add(name)

    @rule(group=st.sampled_from(["g0", "g1"]), name=st.sampled_from(NAMES))
    def leave(self, group: str, name: str) -> None:
        self.do(Groups(self.link).leave(TENANT, group, [self.ids[name]]))
        self.members[group].discard(name)
        self.always[group].discard(name)

    @rule(pod=st.sampled_from(PODS), index=st.sampled_from([0, 0, 1]))
    def look(self, pod: str, index: int) -> None:
        self.known[pod, index] = self.do(self.expander.progress(self.posted, index))

    @rule(pod=st.sampled_from(PODS), index=st.sampled_from([0, 0, 1]), limit=st.integers(1, 4))
    def decide(self, pod: str, index: int, limit: int) -> None:
        at = self.known.get((pod, index), Progress())
        if at.done or index > self.several:
            return
        page = self.do(self.people.page(TENANT, f"g{index}", at.cursor or None, limit))
        targets = [(each, self.several) for user in page.users for each in targets_of(TENANT, user, {"email"})]
        self.decided[pod] = index, at, at.then(page.cursor), targets

    @rule(pod=st.sampled_from(PODS), quota=st.sampled_from([None, None, 3]))
    def store(self, pod: str, quota: int | None) -> None:
        if pod not in self.decided:
            return
        index, at, then, targets = self.last[pod] = self.decided[pod]
        try:
            self.known[pod, index] = self.do(self.expander.add(self.posted, index, (at, then), targets, quota))
        except BacklogFull:
            assert quota
        else:
            del self.decided[pod]

    @rule(pod=st.sampled_from(PODS))
    def repeat(self, pod: str) -> None:
        if pod in self.last:
            index, at, then, targets = self.last[pod]
            if (
                self.do(self.expander.progress(self.posted, index)) != at
            ):  # else it was not stored: the quota was used up
                self.do(self.expander.add(self.posted, index, (at, then), targets, None))

    @rule(
        move=st.sampled_from([Move.DELIVERED, Move.DELIVERED, Move.REFUSED, Move.DEAD, Move.RETRY]),
        which=st.integers(0, 99),
    )
    def settle(self, move: Move, which: int) -> None:
        self.taken += [] if self.taken else self.begun()
        if self.taken:
            started = self.taken.pop(which % len(self.taken))
            assert started.attempt.notification.body == self.posted.body
            reason = "" if move is Move.DELIVERED else "no"
            assert self.do(self.consumer.settle(Settlement(started, move, reason))) is not None

    @rule(move=st.sampled_from([Move.DELIVERED, Move.REFUSED]), which=st.integers(0, 99))
    def report(self, move: Move, which: int) -> None:
        """It is sent, and its carrier tells of it before it is asked."""
        self.taken += [] if self.taken else self.begun()
        if self.taken:
            started = self.taken.pop(which % len(self.taken))
            assert self.do(self.consumer.settle(Settlement(started, Move.SENT, "sent", 3600.0, reference="prv_1 SM1")))
            told = Told(move, "no", b'{"type":"reported"}', "prv_1 SM1", "prv_1 ?")
            report = Report(delivery=started.attempt.delivery, provider="prv_1", query="", body="", signature="")
            assert self.do(self.reports.note(report)) == "kept"
            [heard] = self.do(self.reports.hear(self.queue.shards[0], 10))
            assert self.do(self.reports.settle(heard, started.attempt.notification, told)) == "settled"

    @rule(index=st.sampled_from([0, 1]))
    def finish(self, index: int) -> None:
        if index in self.owners and self.do(self.expander.progress(self.posted, index)).done:
            assert self.do(self.consumer.settle(Settlement(self.owners.pop(index), Move.DELIVERED))) is not None

    @rule()
    def promote(self) -> None:
        self.do(Upkeep(self.queue, "c").promote(self.queue.shards[0]))

    @rule(which=st.integers(0, 99))
    def redrive(self, which: int) -> None:
        failing = self.do(self.roster.failing(self.posted))
        if failing:
            part = self.do(self.ledger.get(failing[which % len(failing)]))
            assert part is not None
            ended = (DeliveryState.REFUSED, DeliveryState.DEAD)
            indices = [n for n, each in enumerate(part.deliveries) if each.state in ended]
            assert set(self.do(self.intake.redrive(part.notification, indices[:1], b"{}"))) == {"redriven"}

    def reached(self) -> list[Any]:
        return [each for _, each in self.listed(None)]

    def listed(self, status: Status | None) -> list[Any]:
        found: list[Any] = []
        cursor = None
        while True:
            page = self.do(self.roster.page(self.posted, status, 3, cursor))
            found += page.items
            if not (cursor := page.cursor):
                return found

    @invariant()
    def nobody_is_reached_twice_and_nobody_who_stays_is_left_out(self) -> None:
        reached = Counter(each.target.to for each in self.reached())
        assert not reached or max(reached.values()) == 1
        for index, group in enumerate(("g0", "g1")[: 1 + self.several]):
            if self.do(self.expander.progress(self.posted, index)).done:
                assert {address(name) for name in self.always[group]} <= set(reached)

    @invariant()
    def what_is_summed_up_is_what_there_is(self) -> None:
        stored = self.do(self.ledger.get(self.posted.id))
        assert stored is not None
        everybody = self.listed(None)
        for index, delivery in enumerate(stored.deliveries):
            parts = {part_id(self.posted.id, index, number) for number in range(20)}
            states = Counter(each.state for part, each in everybody if part in parts)
            assert delivery.recipients == Recipients(
                states.total(),
                states[DeliveryState.DELIVERED],
                states[DeliveryState.REFUSED],
                states[DeliveryState.DEAD],
            )
        waiting = sum(each.state is DeliveryState.WAITING for _, each in everybody) + len(self.owners)
        key = self.queue.keys_of(self.posted.id)
        assert int(self.plain.hget(key.notification(self.posted.id), "open")) == waiting
        assert (self.plain.zscore(key.expiry, f"{self.posted.id} {TENANT}") is not None) == (waiting == 0)
        assert (stored.status is Status.PENDING) == (waiting > 0)
        refused = [each for _, each in everybody if each.status is Status.REFUSED]
        assert [each for _, each in self.listed(Status.REFUSED)] == refused
        assert bool(refused) == (self.plain.zscore(key.failed(TENANT), self.posted.id) is not None)

    @invariant()
    def accepted_is_ended_or_waiting(self) -> None:
        backlog = self.do(self.census.backlog())
        waiting = sum(backlog.ready.values()) + sum(backlog.in_flight.values()) + backlog.scheduled + backlog.parked
        counted = [backlog.counters.get(name, 0) for name in ("accepted", "delivered", "refused", "dead")]
        assert counted[0] == sum(counted[1:]) + waiting
        assert int(self.plain.hget(self.queue.shards[0].backlog, TENANT) or 0) == waiting
        assert self.plain.xpending(self.queue.shards[0].lanes[2], GROUP)["pending"] == len(self.taken) + len(
            self.owners
        )


def row(name: str) -> dict[str, Any]:
    return {"key": name, "email": address(name)}


def address(name: str) -> str:
    return f"{name}@example.com"


def test_expansion_agrees_with_its_model(redis_server: str) -> None:
    ExpansionMachine.url = redis_server
    run_state_machine_as_test(
        ExpansionMachine,
        settings=settings(
            max_examples=60,
            stateful_step_count=50,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
