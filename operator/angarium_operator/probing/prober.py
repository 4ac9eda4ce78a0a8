"""Runs probes beside everything else: one at a time for each provider, a bounded number in all, each a bounded time."""

import asyncio
import logging
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import aiohttp

from angarium.egress import EgressPolicy
from angarium.telemetry.metrics import PROBES
from angarium_operator.planning import Finding, Key, Probe
from angarium_operator.planning.verdicts import Verdict, no
from angarium_operator.probing.accounts import probe_slack, probe_telegram, probe_twilio
from angarium_operator.probing.answers import presentable, unreachable
from angarium_operator.probing.dialing import AddressRefused
from angarium_operator.probing.google import probe_fcm
from angarium_operator.probing.smtp import probe_smtp
from angarium_operator.probing.web import Web

log = logging.getLogger(__name__)
LONGEST = 10.0  # s
MOST_AT_ONCE = 64
SOON = 60.0  # s until who could not be asked is asked again
BY_WEB = {"twilio": probe_twilio, "slack": probe_slack, "telegram": probe_telegram, "fcm": probe_fcm}


class _Running(NamedTuple):
    token: str
    task: "asyncio.Task[None]"


class Prober:
    """`found` hears of each answer, in the loop that asked."""

    def __init__(self, egress: EgressPolicy, found: Callable[[Key, Finding], None], seconds: float = 600.0) -> None:
        """`seconds` between two probes of an account, give or take a fifth."""
        self._egress, self._found, self._seconds = egress, found, seconds
        self._running: dict[Key, _Running] = {}
        self._free = asyncio.Semaphore(MOST_AT_ONCE)

    def ask(self, key: Key, probe: Probe) -> None:
        """Returns at once; a probe of the same provider with other credentials is given up."""
        running = self._running.get(key)
        if running is not None:
            if running.token == probe.token:
                return
            running.task.cancel()
        task = asyncio.create_task(self._answer(key, probe))
        self._running[key] = _Running(probe.token, task)
        task.add_done_callback(lambda done: self._forget(key, done))

    async def close(self) -> None:
        """Give up what runs; more than once if need be, for wait_for of Python 3.11 may swallow it."""
        while tasks := [running.task for running in self._running.values()]:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=0.1)

    def _forget(self, key: Key, task: "asyncio.Task[None]") -> None:
        running = self._running.get(key)
        if running is not None and running.task is task:
            del self._running[key]

    async def _answer(self, key: Key, probe: Probe) -> None:
        async with self._free:
            verdict = await examine(probe, self._egress)
        PROBES.labels(probe.type, verdict.reason).inc()
        if (running := self._running.get(key)) is None or running.task is not asyncio.current_task():
            return  # given up, and not heard
        wait = min(SOON, self._seconds) if verdict.status == "Unknown" else self._seconds
        wait *= random.uniform(0.8, 1.2)  # noqa: S311 - it only spreads the load
        self._found(key, Finding(probe.token, verdict, datetime.now(UTC) + timedelta(seconds=wait)))


async def examine(probe: Probe, egress: EgressPolicy, seconds: float = LONGEST) -> Verdict:
    """Ask an account; never raises but when it is cancelled, and never tells a secret."""
    try:
        async with asyncio.timeout(seconds):
            verdict = await _ask(probe, egress, seconds)
    except AddressRefused as error:
        verdict = no("AddressRefused", str(error))
    except TimeoutError:
        verdict = unreachable(f"no answer within {seconds:g} s")
    except (aiohttp.ClientError, OSError) as error:
        verdict = unreachable(_words(error))
    except Exception as error:  # noqa: BLE001 - a fault of ours; its text may hold what was sent, so its kind must do
        log.error("a probe failed", extra={"type": probe.type, "error": type(error).__name__})  # noqa: TRY400 - likewise
        verdict = Verdict("Unknown", "ProbeFailed", f"the probe itself failed: {type(error).__name__}")
    return presentable(verdict, probe.credentials.values())


async def _ask(probe: Probe, egress: EgressPolicy, seconds: float) -> Verdict:
    if probe.type == "smtp":
        return await probe_smtp(probe, egress, seconds)
    return await BY_WEB[probe.type](probe, Web(egress))


def _words(error: Exception) -> str:
    """Of a connection that failed; aiohttp's own text may hold a URL with a token."""
    reason = getattr(error, "os_error", error)
    return getattr(reason, "strerror", None) or type(reason).__name__
