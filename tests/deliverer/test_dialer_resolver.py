"""Looking up names: once for all who ask, never in the way of others, and an old answer rather than none."""

import asyncio
import socket
import threading
from collections.abc import Sequence

import pytest
from tests.deliverer.conftest import LOCAL
from tests.deliverer.receivers import Receiver

from angarium_deliverer import resolver as resolving
from angarium_deliverer.dialer import Dialer, DialError, DialReason
from angarium_deliverer.resolver import Resolver


class Zone:
    """Answers from a table; names in `silent` get none until they are let go."""

    def __init__(self) -> None:
        self.table: dict[str, Sequence[str] | OSError] = {}
        self.asked: list[str] = []
        self.silent: dict[str, threading.Event] = {}

    def __call__(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        if host in self.silent:
            self.silent[host].wait(30)
        found = self.table[host]
        if isinstance(found, OSError):
            raise found
        return found


UNKNOWN = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
AWAY = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


@pytest.fixture
def zone() -> Zone:
    """An empty one."""
    return Zone()


async def test_an_answer_is_kept(zone: Zone) -> None:
    zone.table["a.example"] = ["192.0.2.1", "2001:db8::1"]
    resolver = Resolver(zone)
    assert resolver.fresh("a.example") is None
    assert await resolver.addresses("a.example") == ("192.0.2.1", "2001:db8::1")
    assert resolver.fresh("a.example") == await resolver.addresses("a.example")
    assert zone.asked == ["a.example"]


async def test_a_name_is_looked_up_once_for_all_who_ask(zone: Zone) -> None:
    zone.table["a.example"] = ["192.0.2.1"]
    resolver = Resolver(zone)
    assert await asyncio.gather(*[resolver.addresses("a.example") for _ in range(50)]) == [("192.0.2.1",)] * 50
    assert zone.asked == ["a.example"]


async def test_a_failure_is_told_and_kept_for_a_while(zone: Zone) -> None:
    zone.table["a.example"] = UNKNOWN
    resolver = Resolver(zone)
    for _ in range(3):
        with pytest.raises(OSError, match="not known"):
            await resolver.addresses("a.example")
    assert zone.asked == ["a.example"]


async def test_silent_name_servers_hold_up_nobody_else(zone: Zone) -> None:
    """libcurl's own resolver would be stuck here: twenty threads, all waiting."""
    dead = [f"{number}.dead.example" for number in range(100)]
    for name in dead:
        zone.silent[name] = threading.Event()
        zone.table[name] = UNKNOWN
    zone.table["alive.example"] = ["127.0.0.1"]
    async with Receiver() as receiver, Dialer(LOCAL, resolver=Resolver(zone)) as dialer:
        stuck = [
            asyncio.create_task(dialer.post(f"http://{name}/", [], b"", timeout=60, in_cluster=False)) for name in dead
        ]
        await asyncio.sleep(0)
        url = f"http://alive.example:{receiver.port}/"
        assert (await dialer.post(url, [], b"", timeout=20, in_cluster=False)).status == 204
        assert not any(task.done() for task in stuck)
        for name in dead:
            zone.silent[name].set()
        ends = await asyncio.gather(*stuck, return_exceptions=True)
    assert {end.reason for end in ends if isinstance(end, DialError)} == {DialReason.DNS_ERROR}


async def test_waiting_for_name_servers_counts_as_time(zone: Zone) -> None:
    zone.silent["a.example"] = threading.Event()
    zone.table["a.example"] = UNKNOWN
    async with Dialer(LOCAL, resolver=Resolver(zone)) as dialer:
        with pytest.raises(DialError) as failure:
            await dialer.post("http://a.example/", [], b"", timeout=0.05, in_cluster=False)
    zone.silent["a.example"].set()
    assert failure.value.reason is DialReason.DNS_ERROR
    assert failure.value.detail == "no answer about a.example in 0.05 s"


async def test_more_names_than_threads_take_their_turn(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolving, "MOST_THREADS", 2)
    names = [f"{number}.example" for number in range(20)]
    zone.table = {name: ["192.0.2.1"] for name in names}
    resolver = Resolver(zone)
    assert await asyncio.gather(*map(resolver.addresses, names)) == [("192.0.2.1",)] * 20
    assert sorted(zone.asked) == sorted(names)


async def test_the_old_answer_helps_while_name_servers_are_away(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolving, "FRESH_S", -1.0)
    zone.table["a.example"] = ["192.0.2.1"]
    resolver = Resolver(zone)
    await resolver.addresses("a.example")
    zone.table["a.example"] = AWAY
    assert await resolver.addresses("a.example") == ("192.0.2.1",)
    assert zone.asked == ["a.example"] * 2


async def test_the_old_answer_helps_while_name_servers_are_slow(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolving, "FRESH_S", -1.0)
    monkeypatch.setattr(resolving, "STALE_AFTER_S", 0.01)
    zone.table["a.example"] = ["192.0.2.1"]
    resolver = Resolver(zone)
    await resolver.addresses("a.example")
    zone.silent["a.example"] = threading.Event()
    zone.table["a.example"] = ["192.0.2.2"]
    assert await resolver.addresses("a.example") == ("192.0.2.1",)
    monkeypatch.setattr(resolving, "STALE_AFTER_S", 20)
    later = asyncio.create_task(resolver.addresses("a.example"))
    await asyncio.sleep(0)
    zone.silent["a.example"].set()
    assert await later == ("192.0.2.2",)


async def test_a_name_that_is_gone_is_gone(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolving, "FRESH_S", -1.0)
    zone.table["a.example"] = ["192.0.2.1"]
    resolver = Resolver(zone)
    await resolver.addresses("a.example")
    zone.table["a.example"] = UNKNOWN
    with pytest.raises(OSError, match="not known"):
        await resolver.addresses("a.example")


async def test_names_are_forgotten_beyond_a_bound(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolving, "MOST_NAMES", 3)
    resolver = Resolver(zone)
    for number in range(5):
        zone.table[f"{number}.example"] = ["192.0.2.1"]
        await resolver.addresses(f"{number}.example")
    assert [resolver.fresh(f"{number}.example") is None for number in range(5)] == [True, True, False, False, False]


async def test_closing_leaves_nobody_waiting(zone: Zone) -> None:
    zone.silent["a.example"] = threading.Event()
    zone.table["a.example"] = ["192.0.2.1"]
    resolver = Resolver(zone)
    waiting = asyncio.create_task(resolver.addresses("a.example"))
    await asyncio.sleep(0)
    resolver.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    zone.silent["a.example"].set()
    await asyncio.to_thread(_joined, "resolve a.example")


def _joined(name: str) -> None:
    for thread in threading.enumerate():
        if thread.name == name:
            thread.join(20)


def test_the_system_is_asked_by_default() -> None:
    assert "127.0.0.1" in resolving.look_up("localhost")
