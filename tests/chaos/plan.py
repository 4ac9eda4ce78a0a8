"""What a run will do, decided before it starts: the same seed gives the same traffic and the same faults.

Faults are placed by how many notifications were accepted, not by time, so that they meet a loaded system on a machine
of any speed. What they then meet is up to the machine: a seed repeats the plan, not the interleaving.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

SHOP, RIVAL = "prd_shop", "prd_rival"
DELIVERERS, GATEWAYS = 3, 2


class Kind(StrEnum):
    """What can happen."""

    KILL_DELIVERER = "kill -9 of a deliverer"
    KILL_GATEWAY = "kill -9 of a gateway"
    KILL_VALKEY = "kill -9 of Valkey"
    KILL_ALL = "kill -9 of everything at once"
    ROLL_DELIVERER = "rollout of a deliverer"
    ROLL_GATEWAY = "rollout of a gateway"
    FREEZE = "a deliverer stands still"
    DROP_REPLIES = "replies of Valkey are dropped"
    DELAY = "Valkey is slow to reach"
    CUT = "connections to Valkey are cut"
    TEAR = "replies are torn in the middle"
    HALF_CLOSE = "connections are half-closed"
    CLOCK = "a deliverer's clock jumps"
    REDIS_CLOCK = "Redis's clock jumps"
    FULL = "Valkey is full"
    FORGET_SCRIPTS = "Valkey forgets its scripts"
    FLAP = "the flapping receiver is down"


@dataclass(frozen=True, slots=True)
class Fault:
    """`at`: notifications accepted before it; `seconds` it lasts; `slot`: which pod; `amount` is the kind's own."""

    at: int
    kind: Kind
    seconds: float = 0.0
    slot: int = 0
    amount: float = 0.0


def dice_of(whose: str, seed: int) -> random.Random:
    """Chance that can be repeated."""
    return random.Random(f"{whose} {seed}")  # noqa: S311 - it guards no secret


def faults(seed: int, notifications: int, kinds: Sequence[Kind] = tuple(Kind)) -> list[Fault]:
    """In order; each kind once where there are enough, then by chance."""
    dice = dice_of("faults", seed)
    count = min(60, max(8, notifications // 300))
    once = list(kinds)
    dice.shuffle(once)
    drawn = (once + dice.choices(kinds, k=count))[:count]
    step = 0.88 * notifications / count
    return [_fault(dice, kind, int(notifications * 0.03 + step * (i + dice.random()))) for i, kind in enumerate(drawn)]


def _fault(dice: random.Random, kind: Kind, at: int) -> Fault:
    seconds, slot = round(dice.uniform(0.2, 3.0), 1), dice.randrange(GATEWAYS if "gateway" in kind else DELIVERERS)
    match kind:
        case Kind.KILL_DELIVERER | Kind.KILL_GATEWAY | Kind.KILL_ALL:
            return Fault(at, kind, seconds, slot, amount=dice.randrange(2))  # 1: comes back under a new name
        case Kind.FREEZE:
            return Fault(at, kind, round(dice.uniform(0.5, 8.0), 1), slot)
        case Kind.DELAY:
            return Fault(at, kind, seconds, amount=round(dice.uniform(0.05, 1.5), 2))
        case Kind.CLOCK:
            return Fault(at, kind, slot=slot, amount=dice.choice((-240, -30, 30, 240)))
        case Kind.REDIS_CLOCK:
            return Fault(at, kind, amount=dice.choice((-10, 0, 20, 40)))
        case Kind.ROLL_DELIVERER | Kind.ROLL_GATEWAY:
            return Fault(at, kind, slot=slot)
        case Kind.CUT | Kind.TEAR | Kind.HALF_CLOSE | Kind.FORGET_SCRIPTS:
            return Fault(at, kind)
        case _:
            return Fault(at, kind, seconds)


def describe(fault: Fault) -> str:
    """One line of the report."""
    more = [f"slot {fault.slot}"] if "deliverer" in fault.kind or "gateway" in fault.kind else []
    more += [f"{fault.seconds:g} s"] if fault.seconds else []
    more += [f"to {fault.amount:+g} s"] if fault.kind in (Kind.CLOCK, Kind.REDIS_CLOCK) else []
    more += [f"{fault.amount:g} s late"] if fault.kind is Kind.DELAY else []
    more += ["back under a new name"] if fault.kind.startswith("kill") and fault.amount else []
    return f"{fault.kind.value}{' (' + ', '.join(more) + ')' if more else ''}"


@dataclass(frozen=True, slots=True)
class Subscription:
    """A callback of the run; `behaviour` names what its receiver does (receivers.py)."""

    name: str
    tenant: str
    events: tuple[str, ...]
    behaviour: str
    schedule: tuple[float, ...]
    timeout: float = 5.0
    suspended: bool = False


SUBSCRIPTIONS = (
    Subscription("fast", SHOP, ("order.fast", "order.both"), "fast", (0.3, *(1.0,) * 11)),
    Subscription("slow", SHOP, ("order.slow",), "slow", (0.3, *(1.0,) * 11)),
    Subscription("failing", SHOP, ("order.failing", "order.both"), "failing", (0.2, 0.5, *(1.0,) * 14)),
    Subscription("flapping", SHOP, ("order.flapping",), "flapping", (0.3, 1.0, 2.0, *(4.0,) * 25)),
    Subscription("neighbour", RIVAL, ("order.fast",), "fast", (0.3, *(1.0,) * 11)),
    Subscription("silent", RIVAL, ("order.silent",), "silent", (1.0, 2.0, 3600.0, 3600.0), timeout=1.0),
    Subscription("gone", RIVAL, ("order.gone",), "gone", (1.0,)),
    Subscription("suspended", RIVAL, ("order.suspended",), "fast", (1.0,), suspended=True),
)
SHARES = (
    (SHOP, "order.fast", 50), (SHOP, "order.both", 12), (SHOP, "order.slow", 8), (SHOP, "order.failing", 8),
    (SHOP, "order.flapping", 5), (RIVAL, "order.fast", 13), (RIVAL, "order.silent", 2), (RIVAL, "order.gone", 1),
    (RIVAL, "order.suspended", 1),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Order:
    """One notification to post; `due_in` seconds (0: at once); `twice`: its caller asks again after the answer."""

    number: int
    tenant: str
    event: str
    priority: str
    due_in: float
    twice: bool


def orders(seed: int, notifications: int) -> Iterator[Order]:
    """All of them, in order."""
    dice = dice_of("orders", seed)
    shares = [share for _, _, share in SHARES]
    for number in range(notifications):
        tenant, event, _ = dice.choices(SHARES, shares)[0]
        priority = dice.choices(("normal", "high", "low"), (8, 1, 1))[0]
        due_in = dice.choices((0.0, 2.0, 3600.0), (98, 1, 1))[0] if event == "order.fast" else 0.0
        yield Order(number, tenant, event, priority, due_in, dice.random() < 0.03)
