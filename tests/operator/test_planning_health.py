"""How endpoints fare: the word, the condition, what is said once, and when one is given up for good."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.operator.worlds import NOW, World, callback, product

from angarium.identifiers import resource_id
from angarium.queue.census import CallbackHealth
from angarium.records import CallbackRecord
from angarium_operator.planning import Key
from angarium_operator.planning.records import endpoint_token
from angarium_operator.planning.snapshot import SecretName

WAREHOUSE = Key("callback", "shop", "warehouse")
WAREHOUSE_ID = resource_id("cbk", "uid-warehouse")
TOKEN = endpoint_token(callback())
HOUR = 3600.0
LAST = 'the last with "connect_timeout"'
PROBES = "only probes are sent until one succeeds"
WAY_BACK = "nothing is sent until spec.url or the annotation angarium.dev/enable-requested-at changes"


def ms(seconds: float) -> int:
    """A time in ms, so many seconds from NOW."""
    return int((NOW.timestamp() + seconds) * 1000)


def settled(product_delivery: dict[str, Any] | None = None, delivery: dict[str, Any] | None = None) -> World:
    """A shop with a callback, all Ready."""
    world = World(product(spec={"delivery": product_delivery or {}}), callback(spec={"delivery": delivery or {}}))
    world.settle()
    return world


def failing(hours: float, **more: Any) -> CallbackHealth:
    """Of an endpoint that has known nothing but failure for so long, up to now."""
    known = CallbackHealth(0, 0, ms(-hours * HOUR), ms(0), failures=50, reason="connect_timeout", endpoint=TOKEN)
    return replace(known, **more)


def know(world: World, known: CallbackHealth) -> list[str]:
    """Let the queue know this of the endpoint; the reasons of all that was said then."""
    world.snapshot.health = {WAREHOUSE_ID: known}
    return world.settle()


def record_of(world: World) -> CallbackRecord:
    """What the data plane knows."""
    record = world.snapshot.published[WAREHOUSE].record
    assert isinstance(record, CallbackRecord)
    return record


def condition(world: World) -> tuple[str, str, str]:
    """EndpointHealthy."""
    return world.verdict("callback", "warehouse", "EndpointHealthy")


@pytest.mark.parametrize(
    ("known", "health", "reason"),
    [
        (CallbackHealth(), "Unknown", "NoTraffic"),
        (CallbackHealth(delivered_ms=ms(-5)), "Healthy", "Delivering"),
        (
            CallbackHealth(delivered_ms=ms(-5), failures=1, failing_since_ms=ms(-1), failed_ms=ms(-1)),
            "Healthy",
            "Delivering",
        ),
        (CallbackHealth(failures=3, failing_since_ms=ms(-1), failed_ms=ms(0), reason="http_503"), "Failing", "Failing"),
        (
            CallbackHealth(failures=1, failing_since_ms=ms(-31), failed_ms=ms(-31), reason="timeout"),
            "Failing",
            "Failing",
        ),
        (CallbackHealth(delivered_ms=ms(-5), gone="another endpoint", gone_ms=ms(-9)), "Healthy", "Delivering"),
        (CallbackHealth(endpoint=TOKEN, delivered_ms=ms(-5), open_until_ms=ms(9)), "CircuitOpen", "CircuitOpen"),
        (CallbackHealth(endpoint=TOKEN, failures=9, open_until_ms=ms(-9)), "CircuitOpen", "CircuitOpen"),
        (failing(1, delivered_ms=ms(1)), "Healthy", "Delivering"),
        (failing(119.9), "Failing", "Failing"),
        (failing(120), "Disabled", "AutoDisabled"),
        (failing(120, open_until_ms=ms(9)), "Disabled", "AutoDisabled"),
        (failing(120, endpoint=""), "Failing", "Failing"),
        (failing(120, failed_ms=ms(-1)), "Failing", "Failing"),
        (failing(120, delivered_ms=ms(-119 * HOUR)), "Failing", "Failing"),
        (failing(120, endpoint="another"), "Unknown", "NoTraffic"),
        (CallbackHealth(endpoint="another", delivered_ms=ms(-5)), "Unknown", "NoTraffic"),
        (CallbackHealth(endpoint="another", open_until_ms=ms(9)), "Unknown", "NoTraffic"),
    ],
)
def test_health(known: CallbackHealth, health: str, reason: str) -> None:
    world = settled()
    know(world, known)
    assert world.status("callback", "warehouse").health == health
    assert condition(world)[1] == reason
    assert world.verdict("callback", "warehouse", "Ready")[0] == "True"


@pytest.mark.parametrize(
    ("delivery", "known", "words"),
    [
        (
            {},
            failing(48, recent=40, recent_failed=38, open_until_ms=ms(22)),
            f"38 of the last 40 attempts failed, {LAST}; {PROBES}; disabled after 120h of this (at 2026-11-24T12:00Z)",
        ),
        (
            {"autoDisable": {"enabled": False}},
            failing(48, open_until_ms=ms(22)),
            f"50 attempts in a row failed, {LAST}; {PROBES}",
        ),
        (
            {"autoDisable": {"after": "72h"}},
            failing(48),
            f"50 attempts in a row failed, {LAST}; disabled after 72h of this (at 2026-11-22T12:00Z)",
        ),
        (
            {},
            failing(121),
            f"nothing but failures since 2026-11-16T11:00Z, given up at 2026-11-21T12:00Z: {WAY_BACK}",
        ),
    ],
)
def test_words_say_how_long_it_may_go_on(delivery: dict[str, Any], known: CallbackHealth, words: str) -> None:
    world = settled(delivery=delivery)
    know(world, known)
    assert condition(world)[2] == words


def test_a_former_endpoints_failures_are_not_shown_and_its_deliveries_are() -> None:
    world = settled()
    world.pass_time(minutes=1)
    know(world, failing(1, endpoint="another", delivered_ms=ms(-2 * HOUR), backlog=7))
    status = world.status("callback", "warehouse")
    assert (status.backlog, status.last_failure) == (7, None)
    assert status.last_delivered_time == NOW - timedelta(hours=2)


def test_what_is_said_of_a_circuit() -> None:
    world = settled()
    assert know(world, failing(0.1)) == ["EndpointFailing"]
    opened = failing(0.1, recent=40, recent_failed=38, open_until_ms=ms(30))
    assert know(world, opened) == ["CircuitOpen"]
    world.pass_time(seconds=90)
    assert know(world, replace(opened, recent=41, recent_failed=39, failed_ms=ms(60), open_until_ms=ms(90))) == []
    assert know(world, CallbackHealth(endpoint=TOKEN, delivered_ms=ms(90))) == ["CircuitClosed"]
    assert know(world, opened) == ["CircuitOpen"]
    assert know(world, failing(0.1)) == ["CircuitClosed"]
    assert know(world, opened) == ["CircuitOpen"]
    world.change(callback(spec={"url": "https://elsewhere.example.com"}))
    assert world.settle() == ["CircuitClosed", "Programmed"]
    assert world.status("callback", "warehouse").health == "Unknown"


def test_a_circuit_that_ends_in_disabling_is_not_said_to_close() -> None:
    world = settled()
    know(world, failing(119, open_until_ms=ms(30)))
    assert know(world, failing(120, open_until_ms=ms(30))) == ["AutoDisabled"]


def test_a_moving_window_and_the_time_of_the_next_probe_rewrite_no_status() -> None:
    world = settled()
    opened = failing(0.1, recent=40, recent_failed=38, open_until_ms=ms(30))
    know(world, opened)
    world.snapshot.health = {WAREHOUSE_ID: replace(opened, open_until_ms=ms(60))}
    assert world.plan("callback", "warehouse").empty
    world.snapshot.health = {WAREHOUSE_ID: replace(opened, recent=41, recent_failed=39, failed_ms=ms(30))}
    planned = world.plan("callback", "warehouse")
    assert planned.empty
    assert planned.look_again == NOW + timedelta(seconds=60)


def test_half_of_the_time_is_told_once_with_the_end() -> None:
    world = settled()
    assert know(world, failing(59.9)) == ["EndpointFailing"]
    assert world.status("callback", "warehouse").auto_disable_time is None
    assert know(world, failing(60)) == ["AutoDisablePending"]
    assert world.status("callback", "warehouse").auto_disable_time == NOW + timedelta(hours=60)
    world.pass_time(hours=2)
    assert know(world, failing(60, failed_ms=ms(2 * HOUR))) == []
    assert know(world, CallbackHealth(endpoint=TOKEN, delivered_ms=ms(2 * HOUR))) == ["EndpointRecovered"]
    assert world.status("callback", "warehouse").auto_disable_time is None


@pytest.mark.parametrize(
    ("of_product", "own", "hours", "given_up"),
    [
        ({}, {}, 120, True),
        ({"after": "2h"}, {}, 2, True),
        ({"after": "2h"}, {"after": "3h"}, 2, False),
        ({"enabled": False}, {}, 720, False),
        ({"enabled": False}, {"enabled": True}, 120, True),
        ({"after": "2h"}, {"enabled": False}, 720, False),
        ({"enabled": False, "after": "2h"}, {"enabled": True}, 2, True),
    ],
)
def test_how_long_it_may_fail(of_product: dict[str, Any], own: dict[str, Any], hours: float, given_up: bool) -> None:
    world = settled({"autoDisable": of_product}, {"autoDisable": own})
    know(world, failing(hours))
    assert (record_of(world).disabled == "auto_disabled") is given_up


def test_what_was_given_up_stays_so_whatever_is_heard_later() -> None:
    """An attempt that was in flight may end well after the verdict."""
    world = settled()
    assert know(world, failing(120)) == ["AutoDisabled"]
    verdict = condition(world)
    assert know(world, CallbackHealth(endpoint=TOKEN, delivered_ms=ms(5))) == []
    world.change(callback(spec={"delivery": {"autoDisable": {"enabled": False}}}))
    world.settle()
    assert know(world, CallbackHealth()) == []
    assert record_of(world).disabled == "auto_disabled"
    assert condition(world) == verdict


@pytest.mark.parametrize("known", [failing(120), CallbackHealth(gone=TOKEN, gone_ms=ms(0))])
def test_it_stays_disabled_when_redis_has_lost_everything(known: CallbackHealth) -> None:
    world = settled()
    know(world, known)
    world.snapshot.published.clear()
    assert "AutoDisabled" not in know(world, CallbackHealth())
    assert record_of(world).disabled


def test_it_stays_disabled_when_the_status_could_not_be_written() -> None:
    world = settled()
    world.snapshot.health = {WAREHOUSE_ID: failing(120)}
    planned = world.plan("callback", "warehouse")
    world.carry_out(WAREHOUSE, replace(planned, status=None))
    assert know(world, CallbackHealth(endpoint=TOKEN, delivered_ms=ms(1))) == ["AutoDisabled"]
    assert record_of(world).disabled == "auto_disabled"
    assert world.status("callback", "warehouse").disabled.time == NOW


def test_another_object_of_the_name_is_not_disabled() -> None:
    world = settled()
    know(world, failing(120))
    world.snapshot.put(callback(uid="another"))
    del world.snapshot.secrets[SecretName("shop", "warehouse-signing")]
    world.settle()
    assert record_of(world).disabled == ""


@pytest.mark.parametrize("reason", ["gone", "auto_disabled"])
def test_another_endpoint_is_the_way_back(reason: str) -> None:
    def doomed(token: str) -> CallbackHealth:
        gone = CallbackHealth(endpoint=token, gone=token, gone_ms=ms(0))
        return gone if reason == "gone" else failing(120, endpoint=token)

    world = settled()
    assert know(world, doomed(TOKEN)) == ["AutoDisabled"]
    assert record_of(world).disabled == reason
    assert world.status("callback", "warehouse").disabled.reason == reason
    world.annotate("callback", "warehouse", "enable-requested-at", "1")
    assert world.settle() == ["EndpointEnabled"]
    assert record_of(world).disabled == ""
    assert world.status("callback", "warehouse").disabled is None
    assert condition(world)[:2] == ("Unknown", "NoTraffic")
    assert know(world, doomed(record_of(world).endpoint)) == ["AutoDisabled"]
    world.change(callback(spec={"url": "https://elsewhere.example.com"}))
    world.settle()
    assert record_of(world).disabled == ""


def test_an_endpoint_that_follows_a_disabled_one_is_disabled_for_itself() -> None:
    """Nobody looked in between."""
    world = settled()
    know(world, failing(120))
    world.pass_time(hours=3)
    world.annotate("callback", "warehouse", "enable-requested-at", "1")
    token = endpoint_token(callback(annotations={"angarium.dev/enable-requested-at": "1"}))
    world.snapshot.health = {
        WAREHOUSE_ID: CallbackHealth(endpoint=token, gone=token, gone_ms=ms(0), failing_since_ms=1, failures=1)
    }
    assert world.settle() == ["AutoDisabled"]
    found = world.status("callback", "warehouse").disabled
    assert (found.reason, found.endpoint, found.failing_since) == ("gone", token, None)
    assert found.time == NOW + timedelta(hours=3)


def test_nothing_is_judged_while_redis_is_away() -> None:
    world = settled()
    know(world, failing(60, open_until_ms=ms(30)))
    before = world.status("callback", "warehouse")
    world.snapshot.stored = False
    assert know(world, CallbackHealth()) == []
    assert world.status("callback", "warehouse") == before


def test_a_count_that_is_not_written_delays_no_verdict() -> None:
    world = settled()
    world.snapshot.health = {WAREHOUSE_ID: CallbackHealth(failures=1, failing_since_ms=ms(0), failed_ms=ms(0))}
    planned = world.plan("callback", "warehouse")
    assert planned.empty
    assert planned.look_again == NOW + timedelta(seconds=31)


def test_counts_alone_are_written_seldom_and_health_at_once() -> None:
    world = settled()
    know(world, CallbackHealth(delivered_ms=ms(0)))
    world.snapshot.health = {WAREHOUSE_ID: CallbackHealth(delivered_ms=ms(1), backlog=7)}
    planned = world.plan("callback", "warehouse")
    assert planned.status is None
    assert planned.look_again == NOW + timedelta(seconds=60)
    world.snapshot.health = {WAREHOUSE_ID: CallbackHealth(delivered_ms=ms(1), backlog=7, failures=3, failed_ms=ms(2))}
    assert world.settle() == ["EndpointFailing"]
    assert world.status("callback", "warehouse").backlog == 7
    assert know(world, CallbackHealth(delivered_ms=ms(3), backlog=0)) == ["EndpointRecovered"]
    know(world, CallbackHealth(delivered_ms=ms(3), backlog=9))
    assert world.status("callback", "warehouse").backlog == 0
    world.pass_time(seconds=60)
    world.settle()
    assert world.status("callback", "warehouse").backlog == 9
