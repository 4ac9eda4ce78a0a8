"""How long a gateway that goes waits for silence, by a clock of the test's own."""

import asyncio
from collections.abc import Iterator

import pytest

from angarium_gateway.silence import Silence


class Clock:
    """Seconds that pass while somebody sleeps; calls come at their times."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *calls: float) -> None:
        self.now = 0.0
        self.silence = Silence(lambda: self.now)
        self._calls: Iterator[float] = iter(calls)
        self._next = next(self._calls, None)
        monkeypatch.setattr(asyncio, "sleep", self._sleep)

    async def _sleep(self, seconds: float) -> None:
        until = self.now + seconds
        while self._next is not None and self._next <= until:
            self.now = self._next
            self.silence.broken()
            self._next = next(self._calls, None)
        self.now = until


@pytest.mark.parametrize(
    ("calls", "most", "expected"),
    [
        ((), 60.0, 5.0),
        ((1.0, 2.0, 4.0), 60.0, 9.0),
        ((4.9, 9.8, 14.7), 60.0, 19.7),
        ((1.0, 7.0), 60.0, 6.0),
        ((2.0, 4.0, 6.0, 8.0), 7.0, 7.0),
        ((2.0, 4.0), 0.0, 5.0),  # no limit was told: as long as there must be
    ],
)
async def test_it_waits_for_quiet_but_not_for_ever(
    monkeypatch: pytest.MonkeyPatch, calls: tuple[float, ...], most: float, expected: float
) -> None:
    clock = Clock(monkeypatch, *calls)
    assert await clock.silence.lasts(5.0, most) == pytest.approx(expected)
    assert clock.now == pytest.approx(expected)
