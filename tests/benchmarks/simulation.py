"""Two hundred deliverers on a Redis Cluster, simulated: what one machine can't show.

    python -m tests.benchmarks.simulation --deliverers 200 --seed 7

Discrete events, fed with measured costs (costs.py). Every process and every Redis master is one core that serves one
after the other; deliverers hear bells and look at shards as Consumer does, tenants take turns as in take.lua, doubtful
callbacks share half of a pod's slots, and circuits open as in settle.lua. Tenants' load follows Zipf; some endpoints
never answer; pods die and their work is found once their beats are missed; a master fails over. `reality.py` holds it
against real processes at the size of one machine. The same seed gives the same run.
"""

import argparse
import binascii
import heapq
import json
from collections import Counter, deque
from collections.abc import Generator
from dataclasses import asdict, dataclass, field
from itertools import accumulate
from random import Random

from tests.benchmarks.costs import Costs

SLOTS = 16384  # of a Redis Cluster
LARGEST_TAKE = 64  # relay.py
BLOCK = 2.0  # s from one look at all shards to the next, whatever rings: consumer.py
SPREAD = 4  # queue.py
FOUND_DEAD = 3.5  # s after a pod's last beat: presence.py and recoverer.py
REDIS_TIMEOUT = 5.0  # s that a gateway waits before it answers 503: settings.py
OPEN, LEAST, OPENS_AT = 30.0, 10, 0.7  # the circuit: lines.lua
RETRY = 5.0  # s; the later ones are beyond what is simulated

Process = Generator[float | None, None, None]  # yields the time at which it goes on; None: somebody wakes it


@dataclass(frozen=True)
class Plan:
    """What is simulated; times in seconds."""

    deliverers: int = 200
    gateways: int = 20
    slots: int = 256
    masters: int = 22
    shards: int = 44
    placed: bool = True  # shards dealt out evenly over masters; else as the cluster hashes them
    rate: float = 100_000.0  # notifications a second, each with one delivery
    seconds: float = 6.0  # of load; then it drains
    tenants: int = 2000
    zipf: float = 0.8
    silent: float = 0.02  # share of tenants whose endpoint never answers
    timeout: float = 15.0  # of an attempt
    answers: float = 0.1  # mean time of a receiver
    in_flight: int = 5000  # most for a callback
    deaths: int = 4  # deliverers killed
    failover_at: float = 2.0  # 0: none
    failover: float = 1.5  # s until the replica serves
    backlog: int = 0  # waiting at the start
    posting: bool = True
    drain: float = 30.0  # most s after the load
    seed: int = 7


class Core:
    """Serves one after the other."""

    __slots__ = ("away_until", "busy", "free_at")

    def __init__(self) -> None:
        self.free_at = self.busy = self.away_until = 0.0

    def serve(self, now: float, cost: float) -> float:
        """When it will be done."""
        self.free_at = max(self.free_at, now) + cost
        self.busy += cost
        return self.free_at

    def fail(self, until: float) -> None:
        """Away until then; what comes waits."""
        self.free_at = self.away_until = until


@dataclass(slots=True)
class Delivery:
    tenant: int
    stored: float
    tried: int = 0


@dataclass(slots=True)
class Line:
    """What waits for a tenant's callback in a shard, and how the callback stands there."""

    waiting: deque[Delivery] = field(default_factory=deque)
    seated: bool = False
    flight: int = 0
    good: int = 0
    bad: int = 0
    failing: bool = False
    open_until: float = 0.0


class Shard:
    """Rings and lines."""

    def __init__(self, number: int, master: Core) -> None:
        self.number, self.master = number, master
        self.lines: dict[int, Line] = {}
        self.ring: deque[int] = deque()
        self.ready = 0
        self.rang = False

    def put(self, delivery: Delivery, *, first: bool = False) -> None:
        line = self.lines.setdefault(delivery.tenant, Line())
        (line.waiting.appendleft if first else line.waiting.append)(delivery)
        self.ready += 1
        self.seat(delivery.tenant, line)

    def seat(self, tenant: int, line: Line) -> None:
        if line.waiting and not line.seated and not line.open_until:
            line.seated = True
            self.ring.append(tenant)

    def take(self, room: int, doubts: int, most: int) -> list[Delivery]:
        """Each tenant in turn, once round."""
        taken: list[Delivery] = []
        for left in range(len(self.ring), 0, -1):
            if len(taken) >= room:
                break
            tenant = self.ring.popleft()
            line = self.lines[tenant]
            share = -(-(room - len(taken)) // left)
            free = min(share, most - line.flight, len(line.waiting), doubts if line.failing else share)
            taken += [line.waiting.popleft() for _ in range(free)]
            line.flight += max(free, 0)
            doubts -= max(free, 0) if line.failing else 0
            line.seated = bool(line.waiting) and line.flight < most
            if line.seated:
                self.ring.append(tenant)
        self.ready -= len(taken)
        return taken


class Pod:
    """A deliverer."""

    def __init__(self, number: int, slots: int) -> None:
        self.number, self.free, self.doubts = number, slots, slots // 2
        self.core = Core()
        self.held: dict[int, tuple[Delivery, Shard]] = {}
        self.alive = True
        self.work: Process | None = None
        self.asleep = ""  # for what it waits: slot or bell
        self.all_at = -BLOCK
        self.rang: list[Shard] = []  # whose bell has woken it


class Simulation:
    """One run; `run` gives its figures."""

    def __init__(self, plan: Plan, costs: Costs | None = None) -> None:
        self.plan, self.costs = plan, costs or Costs()
        self.random = Random(plan.seed)  # noqa: S311 - it is a simulation
        self.now, self._order = 0.0, 0
        self._events: list[tuple[float, int, Process]] = []
        self.masters = [Core() for _ in range(plan.masters)]
        self.shards = [Shard(n, self.masters[self._master_of(n)]) for n in range(plan.shards)]
        self.gateways = [Core() for _ in range(plan.gateways)]
        self.pods: list[Pod] = []
        weights = [1 / (rank + 1) ** plan.zipf for rank in range(plan.tenants)]
        self._weights = list(accumulate(weights))
        self._homes = [self.random.sample(range(plan.shards), min(SPREAD, plan.shards)) for _ in range(plan.tenants)]
        self._silent = set(self.random.sample(range(plan.tenants), round(plan.silent * plan.tenants)))
        self._sent: dict[tuple[Core, Core], float] = {}  # by sender and master: when a batch last went
        self._bell: deque[Pod] = deque()  # who waits
        self._unheard: deque[Shard] = deque()  # whose bell rang while nobody waited
        self._most = max(1, plan.in_flight // min(SPREAD, plan.shards))
        self.counts: Counter[str] = Counter()
        self.waits: list[float] = []
        self.failed_over: Core | None = None
        self.drained_at = self.last_delivered = 0.0

    def _master_of(self, shard: int) -> int:
        if self.plan.placed:
            return shard % self.plan.masters
        return binascii.crc_hqx(str(shard).encode(), 0) % SLOTS * self.plan.masters // SLOTS

    def spawn(self, process: Process, at: float | None = None) -> None:
        """Let a process begin, or go on."""
        self._order += 1
        heapq.heappush(self._events, (self.now if at is None else at, self._order, process))

    def command(self, sender: Core, master: Core, cost: float) -> float:
        """When it is done. The first of what a connection sends within a round trip pays for the batch."""
        if self.now - self._sent.get((sender, master), -1.0) >= self.costs.round_trip:
            self._sent[sender, master] = self.now
            cost += self.costs.alone
        return master.serve(self.now, cost)

    # -- gateways

    def post(self) -> Process:
        """All callers: Poisson arrivals."""
        plan, number = self.plan, 0
        while self.now < plan.seconds:
            yield self.now + self.random.expovariate(plan.rate)
            number += 1
            tenant = self.random.choices(range(plan.tenants), cum_weights=self._weights)[0]
            self.spawn(self.accept(tenant, self.gateways[number % len(self.gateways)]))

    def accept(self, tenant: int, gateway: Core) -> Process:
        """One POST."""
        self.counts["posted"] += 1
        yield gateway.serve(self.now, self.costs.gateway) + self.costs.round_trip / 2
        shard = self.shards[self.random.choice(self._homes[tenant])]
        if shard.master.away_until - self.now > REDIS_TIMEOUT:
            yield self.now + REDIS_TIMEOUT
            self.counts["unavailable"] += 1
            return
        yield self.command(gateway, shard.master, self.costs.accept)
        self._accepted(tenant, shard)
        self.ring(shard)

    def _accepted(self, tenant: int, shard: Shard) -> None:
        self.counts["accepted"] += 1
        self.counts["hopeless"] += tenant in self._silent
        shard.put(Delivery(tenant, self.now))

    # -- deliverers

    def ring(self, shard: Shard) -> None:
        """Wake one that waits for something to do; who takes and leaves something rings again."""
        if not shard.ring or shard.rang:
            return
        shard.rang = True
        shard.master.serve(self.now, self.costs.bell)
        if self._bell:
            self._wake(self._bell.popleft(), [shard])
        else:
            self._unheard.append(shard)

    def _wake(self, pod: Pod, shards: list[Shard] | None = None) -> None:
        pod.asleep, pod.rang = "", shards or []
        if pod.work and pod.alive:
            self.spawn(pod.work, self.now + self.costs.round_trip / 2)

    def start(self) -> Pod:
        """A new deliverer."""
        pod = Pod(len(self.pods), self.plan.slots)
        self.pods.append(pod)
        pod.work = self.relay(pod)
        self.spawn(pod.work)
        return pod

    def relay(self, pod: Pod) -> Process:
        """Look at the shards in turn, as Relay.step and Consumer.take do."""
        first = pod.number
        while pod.alive:
            if pod.free <= 0:
                pod.asleep = "slot"
                yield None
                continue
            first, found, more = first + 1, 0, False
            rang, pod.rang = pod.rang, []
            if not rang or self.now - pod.all_at > BLOCK:
                rang, pod.all_at = self._turn(first), self.now
            for shard in rang:
                room = min(pod.free, LARGEST_TAKE - found)
                if room <= 0 or not pod.alive:
                    more = True
                    break
                if shard.master.away_until > self.now:
                    continue
                yield self.now + self.costs.round_trip / 2
                yield shard.master.serve(self.now, self.costs.look)
                self.counts["looks"] += 1
                shard.rang = False
                taken = shard.take(room, pod.doubts, self._most) if pod.alive else []
                found, more = found + len(taken), more or bool(shard.ring)
                self._begin(pod, shard, taken)
                self.ring(shard)
                yield shard.master.serve(self.now, self.costs.take * len(taken)) + self.costs.round_trip / 2
            if not more and pod.alive and not (found and len(self.shards) == 1):
                if self._unheard:
                    pod.rang = [self._unheard.popleft()]
                    continue
                pod.asleep = "bell"
                self._bell.append(pod)
                yield None

    def _turn(self, first: int) -> list[Shard]:
        first %= len(self.shards)
        return self.shards[first:] + self.shards[:first]

    def _begin(self, pod: Pod, shard: Shard, taken: list[Delivery]) -> None:
        for delivery in taken:
            doubtful = shard.lines[delivery.tenant].failing
            pod.free -= 1
            pod.doubts -= doubtful
            pod.held[id(delivery)] = delivery, shard
            self.spawn(self.attempt(pod, shard, delivery, doubtful=doubtful), self.now + self.costs.round_trip)

    def attempt(self, pod: Pod, shard: Shard, delivery: Delivery, *, doubtful: bool) -> Process:
        """One attempt, from its beginning to its settle."""
        yield pod.core.serve(self.now, self.costs.deliverer / 2)
        silent = delivery.tenant in self._silent
        if not pod.alive:
            return
        if not delivery.tried and not silent:
            self.waits.append(self.now - delivery.stored)
        delivery.tried += 1
        yield self.now + (self.plan.timeout if silent else self.random.expovariate(1 / self.plan.answers))
        if not pod.alive:
            self.counts["repeated"] += not silent  # the receiver may have got it
            return
        yield pod.core.serve(self.now, self.costs.deliverer / 2) + self.costs.round_trip / 2
        yield self.command(pod.core, shard.master, self.costs.settle)
        if not pod.alive:
            return
        del pod.held[id(delivery)]
        self._settle(shard, delivery, delivered=not silent)
        pod.free += 1
        pod.doubts += doubtful
        if pod.asleep == "slot":
            self._wake(pod)

    def _settle(self, shard: Shard, delivery: Delivery, *, delivered: bool) -> None:
        line = shard.lines[delivery.tenant]
        line.flight -= 1
        line.failing = not delivered
        if delivered:
            line.good += 1
            self.counts["delivered"] += 1
            self.last_delivered = self.now
        else:
            line.bad += 1
            self.counts["scheduled"] += 1
            self.spawn(self.retry(shard, delivery))
            tries = line.good + line.bad
            if not line.open_until and tries >= LEAST and line.bad >= OPENS_AT * tries:
                self.spawn(self.circuit(shard, delivery.tenant, line))
        shard.seat(delivery.tenant, line)
        self.ring(shard)

    def retry(self, shard: Shard, delivery: Delivery) -> Process:
        """Due later."""
        yield self.now + RETRY * (1 + 0.2 * self.random.random())
        self.counts["scheduled"] -= 1
        shard.put(delivery)
        self.ring(shard)

    def circuit(self, shard: Shard, tenant: int, line: Line) -> Process:
        """Open, so that nothing is taken for it."""
        line.open_until = self.now + OPEN
        if line.seated:
            line.seated = False
            shard.ring.remove(tenant)
        yield line.open_until
        line.open_until, line.good, line.bad = 0.0, 0, 0
        shard.seat(tenant, line)
        self.ring(shard)

    # -- what goes wrong

    def kill(self, at: float) -> Process:
        """SIGKILL of a deliverer; its work is found, and another takes its place."""
        yield at
        pod = self.random.choice([pod for pod in self.pods if pod.alive])
        pod.alive = False
        if pod in self._bell:
            self._bell.remove(pod)
        yield self.now + FOUND_DEAD
        for delivery, shard in pod.held.values():
            shard.lines[delivery.tenant].flight -= 1
            shard.put(delivery, first=True)
            self.ring(shard)
            self.counts["recovered"] += 1
        pod.held.clear()
        self.start()

    def fail_over(self) -> Process:
        """A master dies; its replica serves after a while. How long until what gathered is worked off?"""
        yield self.plan.failover_at
        master = self.failed_over = self.masters[self.random.randrange(len(self.masters))]
        own = [shard for shard in self.shards if shard.master is master]
        before = max(LARGEST_TAKE, sum(shard.ready for shard in own))
        master.fail(self.now + self.plan.failover)
        yield master.away_until
        for pod in list(self._bell):
            self._bell.remove(pod)
            self._wake(pod)
        while self.now < self.plan.seconds + self.plan.drain:
            yield self.now + 0.01
            healthy = sum(shard.ready for shard in own) - self._silent_ready(own)
            if healthy <= before and master.free_at - self.now < 0.05:
                self.drained_at = self.now
                return

    def _silent_ready(self, shards: list[Shard]) -> int:
        return sum(len(shard.lines[t].waiting) for shard in shards for t in self._silent if t in shard.lines)

    # -- the run

    def run(self) -> dict[str, float]:
        """Until everything that can be delivered is, or the time is up."""
        plan = self.plan
        for number in range(plan.backlog):
            tenant = self.random.choices(range(plan.tenants), cum_weights=self._weights)[0]
            self._accepted(tenant, self.shards[self._homes[tenant][number % len(self._homes[tenant])]])
        for _ in range(plan.deliverers):
            self.start()
        if plan.posting:
            self.spawn(self.post())
        for number in range(plan.deaths):
            self.spawn(self.kill(plan.seconds * (number + 1) / (plan.deaths + 1)))
        if plan.failover_at:
            self.spawn(self.fail_over())
        loaded: tuple[list[float], float, int] | None = None
        while self._events and self.now < plan.seconds + plan.drain:
            self.now, _, process = heapq.heappop(self._events)
            if loaded is None and self.now >= plan.seconds:
                loaded = self._busy(), self.now, self.counts["delivered"]
            until = next(process, -1.0)
            if until is not None and until >= 0:
                self.spawn(process, until)
            if self._done() and self.now >= plan.seconds * plan.posting:
                break
        return self._figures(*(loaded or (self._busy(), self.now, self.counts["delivered"])))

    def _done(self) -> bool:
        """Whether nothing is left but what never can be delivered."""
        counts = self.counts
        answered = counts["accepted"] + counts["unavailable"] == counts["posted"] + self.plan.backlog
        return answered and counts["delivered"] + counts["hopeless"] == counts["accepted"]

    def waiting(self) -> int:
        """In lines, in flight, scheduled."""
        flying = sum(line.flight for shard in self.shards for line in shard.lines.values())
        return sum(shard.ready for shard in self.shards) + flying + self.counts["scheduled"]

    def _busy(self) -> list[float]:
        return [core.busy for core in (*self.masters, *self.gateways, *(pod.core for pod in self.pods))]

    def _figures(self, busy: list[float], over: float, delivered: int) -> dict[str, float]:
        plan, waits = self.plan, sorted(self.waits) or [0.0]
        masters, gateways = busy[: plan.masters], busy[plan.masters : plan.masters + plan.gateways]
        pods = busy[plan.masters + plan.gateways :]
        end = self.failed_over.away_until if self.failed_over else 0.0
        return {
            "accepted": self.counts["accepted"],
            "delivered": self.counts["delivered"],
            "hopeless": self.counts["hopeless"],
            "waiting": self.waiting(),
            "unavailable": self.counts["unavailable"],
            "recovered": self.counts["recovered"],
            "maybe_twice": self.counts["repeated"],
            "delivered_per_s": delivered / over,
            "master_busy_mean": sum(masters) / len(masters) / over,
            "master_busy_max": max(masters) / over,
            "gateway_busy_mean": sum(gateways) / len(gateways) / over,
            "deliverer_busy_mean": sum(pods) / len(pods) / over,
            "looks_per_delivery": self.counts["looks"] / max(1, self.counts["delivered"]),
            "wait_p50_ms": waits[len(waits) // 2] * 1000,
            "wait_p99_ms": waits[len(waits) * 99 // 100] * 1000,
            "drained_after_s": max(0.0, self.drained_at - end),
            "last_delivered_s": self.last_delivered,
        }


def arguments() -> tuple[Plan, bool]:
    """A plan from the command line: each field is an option."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    for name, default in asdict(Plan()).items():
        option = f"--{name.replace('_', '-')}"
        if isinstance(default, bool):
            parser.add_argument(option, action=argparse.BooleanOptionalAction, default=default)
        else:
            parser.add_argument(option, type=type(default), default=default)
    parser.add_argument("--json", action="store_true")
    asked = vars(parser.parse_args())
    return Plan(**{name: value for name, value in asked.items() if name != "json"}), asked["json"]


def main() -> None:
    """Run it and print."""
    plan, as_json = arguments()
    figures = Simulation(plan).run()
    if as_json:
        print(json.dumps(asdict(plan) | figures))
        return
    for name, value in figures.items():
        print(f"{name:<22}{value:>14,.3f}")


if __name__ == "__main__":
    main()
