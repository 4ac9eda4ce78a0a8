"""Decisions on a Lease: whose it is, from when on it may be taken, and for how long its holder may write."""

import asyncio
import math
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from angarium.sealing import generate_seal_key
from angarium_operator.election import Durations, Lease, Sight, given_up, manifest, read, seen, taken
from angarium_operator.mandate import Mandate
from angarium_operator.settings import OperatorSettings

HELD = Lease("a_1", 10, "2026-01-01T00:00:00.000000Z", "2026-01-01T00:00:02.000000Z", 3, "41")


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


@pytest.mark.parametrize("renewed", ["1999-01-01T00:00:00.000000Z", "2999-01-01T00:00:00.000000Z"])
def test_a_lease_lives_from_when_it_was_seen_to_change_whatever_time_it_bears(renewed: str) -> None:
    lease = Lease("a_1", 10, renewed, renewed, 0, "1")
    assert seen(None, lease, 100.0).free_at == 110.0


def test_who_only_touches_the_metadata_does_not_renew() -> None:
    before = Sight(HELD, 100.0)
    touched = replace(HELD, version="42")
    assert seen(before, touched, 109.0) == Sight(touched, 100.0)
    renewed = taken(HELD, "a_1", Durations(), datetime(2026, 1, 1, 0, 0, 4, tzinfo=UTC))
    assert seen(before, renewed, 109.0).free_at == 119.0


def test_a_lease_that_was_given_up_is_free() -> None:
    assert seen(None, given_up(HELD), 100.0).free_at == 100.0
    spec = manifest(given_up(HELD), "system", "angarium")["spec"]
    assert "holderIdentity" not in spec
    assert spec["leaseTransitions"] == 3


def test_taking_and_renewing() -> None:
    wall = datetime(2026, 1, 1, 0, 0, 4, tzinfo=UTC)
    renewed = taken(HELD, "a_1", Durations(), wall)
    assert renewed == Lease("a_1", 10, HELD.acquired, "2026-01-01T00:00:04.000000Z", 3, "41")
    other = taken(HELD, "b_1", Durations(), wall)
    assert (other.acquired, other.transitions) == ("2026-01-01T00:00:04.000000Z", 4)
    assert taken(Lease(), "b_1", Durations(), wall).transitions == 0


def test_what_is_written_is_what_is_read() -> None:
    found = manifest(HELD, "system", "angarium")
    assert read(found) == HELD
    assert read({"metadata": {"resourceVersion": "7"}}) == Lease(version="7")


async def test_a_mandate_runs_out_by_the_clock_alone() -> None:
    clock = Clock()
    mandate = Mandate(clock)
    assert mandate.rest() == 0
    mandate.extend(106.0, 110.0)
    assert mandate.begun.is_set()
    assert mandate.rest() == 10.0
    clock.time = 105.9
    assert mandate.rest() == pytest.approx(4.1)  # what begins at the last moment has the difference
    clock.time = 106.0
    assert mandate.rest() == 0
    await mandate.over()
    assert not mandate.begun.is_set()


async def test_a_mandate_that_is_ended_wakes_who_waits() -> None:
    mandate = Mandate(Clock())
    mandate.extend(math.inf, math.inf)
    waiting = asyncio.create_task(mandate.over())
    await asyncio.sleep(0)
    assert not waiting.done()
    mandate.end()
    await waiting
    assert mandate.rest() == 0


async def test_a_mandate_that_was_laid_down_is_not_taken_up_again() -> None:
    mandate = Mandate(Clock())
    mandate.extend(106.0, 110.0)
    mandate.close()
    mandate.extend(106.0, 110.0)
    assert mandate.rest() == 0
    assert not mandate.begun.is_set()


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"operator_lease": "angarium"}, "operator_lease_namespace"),
        ({"operator_lease_seconds": 6}, "operator_lease_deadline"),
        ({"operator_lease_deadline": 3, "operator_lease_retry": 2}, "operator_lease_retry"),
    ],
)
def test_settings_that_could_not_work_are_refused(given: dict[str, object], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        OperatorSettings.model_validate({"seal_keys": generate_seal_key()} | given)
    assert [error["loc"] for error in caught.value.errors()] == [(field,)]
