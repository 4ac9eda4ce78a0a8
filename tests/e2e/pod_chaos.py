"""Pods suffer while 200 notifications a second flow: nothing is lost, and callers see no error but while no gateway or
no Valkey lives."""

import os
import time
from collections.abc import Callable, Iterator

from tests.e2e import audits
from tests.e2e.commands import Failed, say, step
from tests.e2e.customer import start_receiver
from tests.e2e.disturbing import DEPLOYMENTS, VALKEY, Disturbance, drain, kill, roll
from tests.e2e.load import heard, start_callers, stop_callers
from tests.e2e.pod_verdicts import SLACK, Evidence, judge, seen_during
from tests.e2e.scenario import Setting, clean_up, declare, install, make_namespaces
from tests.e2e.slaying import start_slayers

RATE = 200  # a second
REST = 3.0  # s after each disturbance; after those that starve SLACK more, so that what callers meet is of one
CALLERS = {"keeping": (str(RATE // 2),), "fresh": (str(RATE // 2), "--fresh")}
PLAN: tuple[Callable[[], Disturbance], ...] = (
    lambda: kill("gateway"),
    lambda: kill("deliverer"),
    lambda: kill("operator", every=True),
    lambda: kill(VALKEY),
    lambda: roll(*DEPLOYMENTS),
    lambda: roll(VALKEY),
    drain,
    lambda: kill("gateway", every=True),
)
KILLS = 4  # of the plan: what goes on until the time is over


def walk(setting: Setting) -> None:
    """From nothing to nothing."""
    with step("helm install, and a receiver that takes 20 to 200 ms"):
        make_namespaces()
        install(*setting.arguments)
        declare()
        start_receiver(setting.pods, "/pods/hearer.py", "0.02", "0.2")
        start_slayers(setting.pods)
    start_callers(setting.pods, **CALLERS)
    time.sleep(REST)
    began = time.monotonic()
    disturbances = list(suffer(began + setting.chaos_seconds))
    evidence = gather(disturbances, began)
    report(evidence)
    with step("everything deleted"):
        clean_up()


def suffer(until: float) -> Iterator[Disturbance]:
    """The whole plan; then one kill after the other until the time is over."""
    for disturb in PLAN:
        yield told(disturb)
    while time.monotonic() < until:
        for disturb in PLAN[:KILLS]:
            yield told(disturb)


def told(disturb: Callable[[], Disturbance]) -> Disturbance:
    """It is made, and its time told."""
    made = disturb()
    more = "" if made.held is None else f", {made.held} in flight with it"
    say(f"  ok  {made.over - made.began:6.1f} s  {made.what}{more}")
    time.sleep(REST + (SLACK if made.starves else 0))
    return made


def gather(disturbances: list[Disturbance], began: float) -> Evidence:
    """All ledgers, once nothing is under way any more."""
    callers = stop_callers(*CALLERS)
    seconds, posted = time.monotonic() - began, sum(called.begun for called in callers.values())
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    say(f"      {posted:6} notifications in {seconds:.0f} s; load average {load} on {os.cpu_count()} cores")
    with step("nothing waits any more"):
        audits.quiet()
    stand = audits.account(each.id for called in callers.values() for each in called.accepted)
    return Evidence(callers, heard(), stand, disturbances)


def report(evidence: Evidence) -> None:
    """The tables; raises Failed where a promise is broken."""
    if evidence.disturbances:
        say("\n| what the pods suffered | s until all were ready | what callers met |\n|---|---|---|")
    for made in evidence.disturbances:
        say(f"| {made.what} | {made.over - made.began:.1f} | {seen_during(evidence, made)} |")
    verdicts = judge(evidence)
    say("\n| promise | measured | |\n|---|---|---|")
    for verdict in verdicts:
        say(str(verdict))
    say("")
    if broken := [f"{verdict.text} ({verdict.measured})" for verdict in verdicts if not verdict.kept]:
        raise Failed(f"broken: {'; '.join(broken)}")
