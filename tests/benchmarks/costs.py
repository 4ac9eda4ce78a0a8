"""What things cost, measured: the one place that docs/scaling.md and the simulation count from.

    python -m tests.benchmarks.costs          the tables of docs/scaling.md

CPU from `make bench`, bytes and Valkey's share of take and settle from `python -m tests.benchmarks.footprint`.
"""

from dataclasses import dataclass

DAY = 86_400


@dataclass(frozen=True)
class Costs:
    """Seconds of CPU and bytes, for one notification of 1 KiB with one delivery."""

    gateway: float = 120e-6
    accept: float = 36e-6  # Valkey's
    deliverer: float = 106e-6
    look: float = 27e-6  # Valkey's, for a take that finds nothing
    bell: float = 20e-6  # Valkey's, for waking one that waits
    take: float = 22e-6  # Valkey's, for each delivery taken
    settle: float = 28e-6  # Valkey's
    round_trip: float = 0.3e-3  # on the network, both ways
    waiting_bytes: int = 1811
    finished_bytes: int = 2107
    key_bytes: int = 192
    callback_bytes: int = 233
    wire_bytes: int = (
        5200  # in and out of Redis, per notification: accept 1.6 KiB, take 1.6, settle 0.6, acknowledgements
    )

    @property
    def delivery(self) -> float:
        """Valkey's CPU for a delivery."""
        return self.take + self.settle


FULL = 0.6  # how busy a core may be planned: beyond, waiting grows quickly
NODE_MEMORY = 24e9  # bytes that a Redis master is planned to hold; as much again for a fork's copy and buffers


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


def size(rate: float, costs: Costs, *, seconds_in_flight: float = 0.2, slots: int = 512) -> Size:
    """By CPU, and for deliverers by slots; a pair of pods at least. `seconds_in_flight`: how long receivers take."""
    redis_cpu = rate * (costs.accept + costs.delivery)
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
