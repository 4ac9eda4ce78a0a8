"""The queue against a plain model: whatever happens in whatever order, nothing is lost, doubled or miscounted."""

import asyncio
import time
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest
import redis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from pydantic import SecretStr

from angarium.keys import GROUP
from angarium.notifications import LANES, DeliveryState, Notification, Priority, Target
from angarium.queue import (
    Census,
    Consumer,
    Entry,
    Idempotency,
    IdempotencyConflict,
    Intake,
    Ledger,
    Limit,
    Queue,
    Release,
    Settlement,
    Started,
    Upkeep,
)
from angarium.queue.codec import read_standing
from angarium.retries import Move
from angarium.settings import RedisSettings

T = TypeVar("T")
PODS = ("a", "b")
CALLBACKS = ("cbk_0", "cbk_1", "cbk_2")
STATES = {Move.DELIVERED: DeliveryState.DELIVERED, Move.REFUSED: DeliveryState.REFUSED, Move.DEAD: DeliveryState.DEAD}


@dataclass
class Expected:
    """What the model knows of one delivery."""

    state: DeliveryState = DeliveryState.WAITING
    attempts: int = 0
    begun: bool = False  # an attempt whose end is not known


class QueueMachine(RuleBasedStateMachine):
    """Two pods, one shard or two."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.expected: dict[tuple[str, int], Expected] = {}
        self.notifications: dict[str, Notification] = {}
        self.keys: dict[str, tuple[str, str]] = {}
        self.claimed_by: dict[str, list[Entry]] = {pod: [] for pod in PODS}
        self.begun_by: dict[str, list[Started]] = {pod: [] for pod in PODS}
        self.owner: dict[tuple[str, int], int] = {}  # delivery → fence that may settle it
        self.recovered = 0  # attempts that were begun again, or cut short
        self.plain: Any = redis.Redis.from_url(self.url)  # its replies are unions over protocols
        self.plain.flushall()

    @initialize(shards=st.sampled_from([1, 2]))
    def open(self, shards: int) -> None:
        self.queue = Queue(RedisSettings(url=SecretStr(self.url)), shards)
        self.do(self.queue.__aenter__())
        self.do(self.queue.prepare())
        self.intake, self.ledger, self.census = Intake(self.queue), Ledger(self.queue), Census(self.queue)
        self.upkeep, self.revision = Upkeep(self.queue, "a"), 0
        self.consumers = {pod: Consumer(self.queue, pod) for pod in PODS}

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        if hasattr(self, "queue"):
            self.do(self.queue.__aexit__())
        self.loop.close()
        self.plain.close()

    @rule(
        fan_out=st.sampled_from([0, 1, 2, 3]),
        priority=st.sampled_from(list(Priority)),
        key=st.none() | st.sampled_from(["k1", "k2"]),
        body=st.sampled_from(["x", "y"]),
        later=st.booleans(),
    )
    def enqueue(self, fan_out: int, priority: Priority, key: str | None, body: str, later: bool) -> None:
        now = time.time_ns() // 1_000_000
        idempotency = Idempotency(key, body) if key else None
        posted = Notification(
            self.intake.new_id("t", idempotency, now), "t", "shop/shop", "e", body.encode(), priority, now,
            tuple(Target(f"cbk_{n}", f"shop/{n}") for n in range(fan_out)), due_ms=now + 1 if later else 0,
        )  # fmt: skip
        known = self.keys.get(key or "")
        if key and known and known[1] != body:
            with pytest.raises(IdempotencyConflict):
                self.do(self.intake.enqueue(posted, idempotency))
            return
        accepted = self.do(self.intake.enqueue(posted, idempotency))
        assert accepted.replay == bool(known and key)
        if known and key:
            assert accepted.id == known[0]
            return
        self.do(self.intake.enqueue(posted, idempotency))  # a repeat after a lost reply
        self.notifications[posted.id] = posted
        self.expected |= {(posted.id, n): Expected() for n in range(fan_out)}
        if key:
            self.keys[key] = (posted.id, body)

    def began(self, pod: str, begun: list[Started]) -> None:
        for item in begun:
            key = (item.attempt.notification.id, item.entry.ticket.index)
            expected = self.expected[key]
            assert expected.state is DeliveryState.WAITING
            expected.attempts += not expected.begun
            self.recovered += expected.begun
            expected.begun = True
            assert item.attempt.number == expected.attempts
            self.owner[key] = item.fence
        entries = [item.entry for item in begun]
        self.begun_by[pod] = [s for s in self.begun_by[pod] if s.entry not in entries] + begun

    @rule(pod=st.sampled_from(PODS), free=st.sampled_from([1, 3, 20]), doubtful=st.sampled_from([0, 1, 20]))
    def take(self, pod: str, free: int, doubtful: int) -> None:
        taken = self.do(self.consumers[pod].take(free, doubtful))
        assert len(taken.started) <= free
        assert sum(item.doubtful for item in taken.started) <= doubtful
        self.began(pod, taken.started)

    @rule(pod=st.sampled_from(PODS), twice=st.booleans())
    def start(self, pod: str, twice: bool) -> None:
        """Begin again what was claimed; the second time as after a lost reply."""
        entries, self.claimed_by[pod] = self.claimed_by[pod], []
        for _ in range(1 + twice):
            self.began(pod, self.do(self.consumers[pod].start(entries)))

    @rule(callback=st.sampled_from(CALLBACKS), text=st.sampled_from(["", "0 0 0", "1 0 0", "2 1000 1", "1000000 0 0"]))
    def limit(self, callback: str, text: str) -> None:
        self.revision += 1
        for keys in self.queue.shards:
            self.do(self.upkeep.limit(keys, [Limit(callback, "t", self.revision, text)]))

    @rule(pod=st.sampled_from(PODS), move=st.sampled_from(list(Move)), twice=st.booleans())
    def settle(self, pod: str, move: Move, twice: bool) -> None:
        if not self.begun_by[pod]:
            self.promote()
            self.take(pod, 20, 20)
        begun, self.begun_by[pod] = self.begun_by[pod], []
        for item in begun:
            key = (item.attempt.notification.id, item.entry.ticket.index)
            settlement = Settlement(item, move, "r", 0.0, b'{"type":"attempt"}', "endpoint")
            owned = self.owner.get(key) == item.fence
            due = self.do(self.consumers[pod].settle(settlement))
            assert (due is not None) == owned
            if owned:
                self.expected[key].begun = False
                self.expected[key].state = STATES.get(move, DeliveryState.WAITING)
            if twice and owned:
                assert self.do(self.consumers[pod].settle(settlement)) == 0.0

    @rule(pod=st.sampled_from(PODS), to=st.sampled_from(list(Release)))
    def release(self, pod: str, to: Release) -> None:
        for entry in self.claimed_by[pod]:
            if self.do(self.consumers[pod].release(entry, to)):
                self.owner.pop((entry.ticket.notification, entry.ticket.index), None)
        self.claimed_by[pod] = []
        for item in self.begun_by[pod]:
            key = (item.attempt.notification.id, item.entry.ticket.index)
            owned = self.owner.get(key) == item.fence
            if self.do(self.consumers[pod].release(item.entry, to, fence=item.fence)):
                self.expected[key].attempts -= owned
                self.recovered += owned and to is Release.LINE
                self.expected[key].begun &= not owned
                self.owner.pop(key, None)
        self.begun_by[pod] = []

    @rule(
        dead=st.sampled_from(PODS),
        heir=st.sampled_from(PODS),
        wakes=st.sampled_from([True, True, False]),
        free=st.sampled_from([1, 100]),
    )
    def die(self, dead: str, heir: str, wakes: bool, free: int) -> None:
        """A pod dies, and another takes over; or it was only asleep and goes on with what it believes it has."""
        if not self.begun_by[dead]:
            self.take(dead, 20, 20)
        if dead == heir or not wakes:
            self.claimed_by[dead], self.begun_by[dead] = [], []
        claimed = self.do(self.consumers[heir].claim(dead, free))
        self.claimed_by[heir] = [e for e in self.claimed_by[heir] if e not in claimed] + claimed

    @rule()
    def promote(self) -> None:
        time.sleep(0.002)
        for keys in self.queue.shards:
            self.do(self.upkeep.promote(keys))

    @rule(which=st.integers(0, 5))
    def redrive(self, which: int) -> None:
        if not self.notifications:
            return
        notification = list(self.notifications.values())[which % len(self.notifications)]
        indices = list(range(len(notification.targets)))
        results = self.do(self.intake.redrive(notification, indices, b'{"type":"redrive"}'))
        for index, result in zip(indices, results, strict=True):
            expected = self.expected[notification.id, index]
            again = expected.state in {DeliveryState.REFUSED, DeliveryState.DEAD}
            assert (result == "redriven") == again
            if again:
                expected.state, expected.attempts = DeliveryState.WAITING, 0

    @invariant()
    def states_agree(self) -> None:
        if not hasattr(self, "queue"):
            return
        for id_, notification in self.notifications.items():
            stored = self.do(self.ledger.get(id_))
            assert stored is not None
            for index in range(len(notification.targets)):
                delivery, expected = stored.deliveries[index], self.expected[id_, index]
                assert delivery.state is expected.state
                assert delivery.attempts == expected.attempts

    @invariant()
    def counters_agree(self) -> None:
        if not hasattr(self, "queue"):
            return
        backlog = self.do(self.census.backlog())
        states = Counter(expected.state for expected in self.expected.values())
        counters = backlog.counters
        assert counters.get("accepted", 0) == len(self.expected)
        for state in (DeliveryState.DELIVERED, DeliveryState.REFUSED, DeliveryState.DEAD):
            assert counters.get(state.value, 0) == states[state]
        assert counters.get("recovered", 0) == self.recovered
        waiting = sum(backlog.ready.values()) + sum(backlog.in_flight.values()) + backlog.scheduled + backlog.parked
        assert waiting == states[DeliveryState.WAITING]

    @invariant()
    def each_waiting_delivery_waits_in_one_place(self) -> None:
        if not hasattr(self, "queue"):
            return
        places: list[bytes] = []
        for keys in self.queue.shards:
            for lane in keys.lanes:
                places += [fields[b"d"] for _, fields in self.plain.xrange(lane)]
            places += self.plain.zrange(keys.schedule, 0, -1)
            for line in self.plain.scan_iter(match=keys.line("*", "*").replace("{", "\\{")):
                places += self.plain.lrange(line, 0, -1)
        found = Counter(tuple(place.decode().split(" ")[:2]) for place in places)
        waiting = [(id_, str(n)) for (id_, n), e in self.expected.items() if e.state is DeliveryState.WAITING]
        assert found == Counter(waiting)

    @invariant()
    def each_line_is_empty_or_seated_or_paused(self) -> None:
        if not hasattr(self, "queue"):
            return
        for keys in self.queue.shards:
            flight: Counter[str] = Counter()
            for lane, stream in zip(LANES, keys.lanes, strict=True):
                seats = [seat.decode() for seat in self.plain.lrange(keys.ring(lane, "t"), 0, -1)]
                assert len(seats) == len(set(seats))
                assert self.plain.lrange(keys.ring(lane), 0, -1) == ([b"t"] if seats else [])
                for callback in CALLBACKS:
                    paused = self.plain.zscore(keys.paused, f"{lane} t {callback}") is not None
                    waits = self.plain.llen(keys.line(lane, callback)) > 0
                    assert (callback in seats) + paused == waits
                assert self._pending(stream) == self.plain.xlen(stream)  # each is held by somebody
                flight.update(fields[b"d"].decode().split(" ")[3] for _, fields in self.plain.xrange(stream))
            standings = self.plain.hgetall(keys.callback_standing)
            for callback in CALLBACKS:
                raw = standings.get(callback.encode())
                assert (read_standing(raw).in_flight if raw else 0) == flight[callback]

    def _pending(self, stream: str) -> int:
        return int(self.plain.xpending(stream, GROUP)["pending"]) if self.plain.exists(stream) else 0


def test_the_queue_agrees_with_its_model(redis_server: str) -> None:
    QueueMachine.url = redis_server
    run_state_machine_as_test(
        QueueMachine,
        settings=settings(
            max_examples=80,
            stateful_step_count=50,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
