"""What things cost, measured: the one place that docs/scaling.md and the simulation count from.

    python -m tests.benchmarks.costs          the tables of docs/scaling.md

`gateway` and `deliverer` are those of `make bench`, busy, on one core each. `alone` is the difference that
`python -m tests.benchmarks.lone` prints. All others are printed under their names (`accept_us` is `accept`, …) by
`python -m tests.benchmarks.footprint --count 40000`. Where 1,000 tenants have one waiting each, Valkey spends 60 µs on
take and settle together, against 48 here. Measure again on machines of your own.
"""

from dataclasses import dataclass

DAY = 86_400


@dataclass(frozen=True)
class Costs:
    """Seconds of CPU and bytes, for one notification of 1 KiB with one delivery."""

    gateway: float = 70e-6
    accept: float = 32e-6  # Valkey's
    deliverer: float = 72e-6
    look: float = 31e-6  # Valkey's, for a take that finds nothing
    alone: float = 13e-6  # Valkey's, on top for an accept or a settle that no other comes with
    bell: float = 17e-6  # Valkey's, for waking one that waits
    take: float = 24e-6  # Valkey's, for each delivery taken
    settle: float = 24e-6  # Valkey's
    round_trip: float = 0.3e-3  # on the network, both ways; assumed
    waiting_bytes: int = 1813
    finished_bytes: int = 2111
    key_bytes: int = 197
    callback_bytes: int = 233
    wire_bytes: int = 3278  # in and out of Redis, all of a notification's life; not its way to replicas

    @property
    def delivery(self) -> float:
        """Valkey's CPU for a delivery, with the looks and bells that it takes where many idle pods wait."""
        return self.take + self.settle + LOOKS * (self.look + self.bell)


LOOKS = 0.5  # for each delivery: what the simulation of 200 deliverers shows
FULL = 0.6  # how busy a core may be planned: beyond, waiting grows quickly


@dataclass(frozen=True)
class Size:
    """What carries so many deliveries a second."""

    rate: float
    gateways: int
    deliverers: int
    masters: int
    shards: int
    redis_cpu: float  # cores
    megabits: float  # through all Redis masters


def up(value: float) -> int:
    """Rounded up."""
    return int(-(-value // 1))


def size(rate: float, costs: Costs, *, seconds_in_flight: float = 0.2, slots: int = 256) -> Size:
    """By CPU, and for deliverers by slots, the chart's; a pair of pods at least.

    `seconds_in_flight`: how long receivers take.
    """
    redis_cpu = rate * (costs.accept + costs.delivery + 2 * costs.alone)
    masters = max(1, up(redis_cpu / FULL))
    gateways = max(2, up(rate * costs.gateway / FULL))
    by_slots = rate * seconds_in_flight / (slots * FULL)
    deliverers = max(2, up(max(rate * costs.deliverer / FULL, by_slots)))
    shards = 1 if masters == 1 else 2 * masters
    return Size(rate, gateways, deliverers, masters, shards, redis_cpu, rate * costs.wire_bytes * 8 / 1e6)


def memory(rate: float, costs: Costs, retention: float, backlog: float = 3600.0) -> float:
    """Bytes in Redis: what is retained (seconds), keys of a day, and a backlog of so many seconds."""
    kept = rate * retention * costs.finished_bytes
    return kept + rate * min(retention, DAY) * costs.key_bytes + rate * backlog * costs.waiting_bytes


def main() -> None:
    """The tables."""
    costs = Costs()
    print(
        "| deliveries a second | a day | gateways | deliverers | Redis masters | shards | Redis's cores busy | Mbit/s |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for rate in (1_000, 10_000, 1e9 / DAY, 100_000):
        s = size(rate, costs)
        print(
            f"| {rate:,.0f} | {rate * DAY / 1e6:,.0f} million | {s.gateways} | {s.deliverers} | {s.masters} |"
            f" {s.shards} | {s.redis_cpu:.2f} | {s.megabits:,.0f} |"
        )
    print("\n| deliveries a second | kept 1 hour | 1 day | 7 days | 30 days | an hour's backlog |")
    print("|---|---|---|---|---|---|")
    for rate in (100, 1_000, 10_000, 1e9 / DAY, 100_000):
        cells = [f"{memory(rate, costs, hours * 3600, 0) / 1e9:,.0f} GB" for hours in (1, 24, 168, 720)]
        print(f"| {rate:,.0f} | {' | '.join(cells)} | {rate * 3600 * costs.waiting_bytes / 1e9:,.1f} GB |")


if __name__ == "__main__":
    main()
