"""Ten deliverers become one under load: what they had is handed over; nothing is lost and nothing heard twice."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from tests.e2e import audits
from tests.e2e.commands import PATIENCE, RELEASE, SHOP, SYSTEM, Failed, expect, kubectl, say, step
from tests.e2e.customer import start_receiver
from tests.e2e.disturbing import pods_of
from tests.e2e.load import Heard, heard, start_callers, stop_callers
from tests.e2e.pod_chaos import report
from tests.e2e.pod_verdicts import Evidence
from tests.e2e.scenario import NO_VOLUME, Setting, clean_up, declare, install, make_namespaces

RATE = 200  # a second
CALLER = "steady"
MANY = 10
WHILE = 20.0  # s of load before and after
DEPLOYMENT = f"deployment/{RELEASE}-deliverer"


@dataclass
class Marks:
    """When something happened, by the clock, in order."""

    made: list[tuple[str, float]] = field(default_factory=list)

    def add(self, name: str) -> None:
        """What begins now."""
        self.made.append((name, time.time()))


def walk(setting: Setting) -> None:
    """From nothing to nothing."""
    with step(f"helm install with {MANY} deliverers, and a receiver that takes 0.1 to 0.5 s"):
        make_namespaces()
        install(*NO_VOLUME, *setting.arguments)
        scale(MANY)
        declare()
        kubectl(
            "patch", "callback/warehouse", "-n", SHOP, "--type=merge",
            "-p", '{"spec":{"delivery":{"maxInFlight":1000}}}',
        )  # fmt: skip
        start_receiver(setting.pods, "/pods/hearer.py", "0.1", "0.5")
    marks = Marks()
    start_callers(setting.pods, **{CALLER: (str(RATE),)})
    marks.add(f"{MANY} deliverers")
    time.sleep(WHILE)
    marks.add(f"{MANY} become 1")
    with step(f"from {MANY} deliverers to one"):
        leaving = shrink()
    marks.add("1 deliverer")
    say(f"      {leaving:6} deliveries in flight with the nine when they were asked to go")
    time.sleep(WHILE)
    marks.add("end")
    callers = stop_callers(CALLER)
    audits.quiet()
    stand = audits.account(each.id for each in callers[CALLER].accepted)
    evidence = Evidence(callers, heard(), stand, ())
    show(marks.made, evidence.heard)
    report(evidence)
    with step("everything deleted"):
        clean_up()


def scale(count: int) -> None:
    """As an autoscaler does it."""
    kubectl("scale", DEPLOYMENT, f"--replicas={count}", "-n", SYSTEM)
    kubectl("rollout", "status", DEPLOYMENT, "-n", SYSTEM, f"--timeout={PATIENCE}", timeout=200)


def shrink() -> int:
    """Down to one, until the others are gone; how many deliveries they had in flight just before."""
    before = {pod["metadata"]["name"] for pod in pods_of("deliverer")}
    expect(len(before), MANY, "deliverers")
    held = audits.held(before)
    kubectl("scale", DEPLOYMENT, "--replicas=1", "-n", SYSTEM)
    (stays,) = _chosen(before)
    kubectl("wait", "--for=delete", *[f"pod/{name}" for name in before - {stays}], "-n", SYSTEM, "--timeout=90s")
    return len(held)


def _chosen(before: set[str]) -> set[str]:
    """Who stays."""
    while len(left := {pod["metadata"]["name"] for pod in pods_of("deliverer")} & before) > 1:
        time.sleep(0.1)
    return left


def show(marks: Sequence[tuple[str, float]], ledger: Heard) -> None:
    """How long deliveries took from their being posted to their being heard, by when they were heard;
    raises Failed where nothing was."""
    say("\n| | deliveries | p50 ms | p99 ms | longest ms |\n|---|---|---|---|---|")
    for (name, began), (_, over) in pairwise(marks):
        took = sorted(late for at, late in ledger.heard.values() if began <= at < over)
        if not took:
            raise Failed(f"{name}: nothing was heard in {over - began:.1f} s")
        columns = [f"{quantile(took, share) * 1000:.0f}" for share in (0.5, 0.99, 1)]
        say(f"| {name} | {len(took):,} | {' | '.join(columns)} |")


def quantile(values: Sequence[float], share: float) -> float:
    """Of sorted values."""
    return values[min(len(values) - 1, int(share * len(values)))]
