"""Who may have more of a pod's slots, whatever comes and ends in whatever order."""

from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from angarium.keys import ShardKeys
from angarium.notifications import Attempt, Notification, Priority, Target
from angarium.queue import Entry, Started
from angarium.queue.codec import Ticket
from angarium_deliverer.slots import Slots

KEYS = ShardKeys(0)
NO_TASK = cast("Any", None)  # these decisions look at none


class Pod:
    """Slots, and what is held in them."""

    def __init__(self, count: int) -> None:
        self.count, self.number = count, 0
        self.slots = Slots(count)
        self.held: list[Started] = []

    def hold(self, tenant: str, *, doubtful: bool = False) -> None:
        self.number += 1
        ticket = Ticket("", "ntf", self.number, tenant, "cbk", "normal")
        posted = Notification("ntf", tenant, "shop/shop", "e", b"", Priority.NORMAL, 0, (Target("cbk", "shop/cbk"),))
        attempt = Attempt("dlv", posted, posted.targets[0], 1, 0)
        started = Started(Entry(KEYS, 3, f"{self.number}-0", ticket), attempt, 1, doubtful)
        self.slots.hold(started, NO_TASK)
        self.held.append(started)

    def let_go(self, which: int) -> None:
        if self.held:
            self.slots.let_go(self.held.pop(which % len(self.held)))

    def flood(self, tenant: str) -> bool:
        """One take by who has more waiting than there is room for; whether it got something."""
        if self.slots.free <= 0 or tenant in self.slots.crowding():
            return False
        for _ in range(self.slots.portion):
            self.hold(tenant)
        return True


@given(count=st.integers(8, 1024), floods=st.integers(1, 4))
def test_however_many_flood_some_slots_stay_free(count: int, floods: int) -> None:
    """One in k + 1 or a little fewer: a take is a portion of what is free, so that none gets far beyond its share."""
    pod = Pod(count)
    while sum(pod.flood(f"t{n}") for n in range(floods)):
        pass
    assert pod.slots.free >= count // (2 * (floods + 1))


steps = st.lists(st.tuples(st.sampled_from(["a", "b", "c", "end"]), st.integers(0, 1000)), max_size=60)


@given(count=st.integers(2, 128), events=steps)
def test_nobody_gets_more_while_holding_more_than_are_free(count: int, events: list[tuple[str, int]]) -> None:
    pod = Pod(count)
    for event, which in events:
        if event == "end":
            pod.let_go(which)
        else:
            pod.flood(event)
        tenants = [item.entry.ticket.tenant for item in pod.held]
        over = {tenant for tenant in tenants if tenants.count(tenant) > pod.slots.free}
        assert set(pod.slots.crowding()) == over
        assert pod.slots.free == count - len(pod.held) >= 0


@given(count=st.integers(1, 200), marks=st.lists(st.booleans(), max_size=200))
def test_who_failed_or_never_answered_shares_half(count: int, marks: list[bool]) -> None:
    pod = Pod(count)
    for doubtful in marks:
        if pod.slots.free > 0 and (not doubtful or pod.slots.doubtful_left):
            pod.hold("a", doubtful=doubtful)
    held = sum(item.doubtful for item in pod.held)
    assert held <= count // 2
    assert pod.slots.doubtful_left == count // 2 - held
    while pod.held:
        pod.let_go(0)
    assert pod.slots.doubtful_left == count // 2


def test_claimed_entries_may_take_more_than_there_are() -> None:
    pod = Pod(4)
    for _ in range(6):
        pod.hold("a", doubtful=True)
    assert pod.slots.free == -2
    assert pod.slots.doubtful_left == 0
    assert pod.slots.crowding() == ["a"]


@given(count=st.integers(1, 4096), held=st.integers(0, 4096))
def test_a_portion_is_never_nothing_and_never_more_than_is_free(count: int, held: int) -> None:
    pod = Pod(count)
    for _ in range(min(held, count - 1)):
        pod.hold("a")
    assert 1 <= pod.slots.portion <= min(64, pod.slots.free)
