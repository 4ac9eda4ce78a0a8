"""What is done to the pods, and how long it lasted: each returns a Disturbance once all is ready again."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.e2e import audits
from tests.e2e.commands import PATIENCE, PATIENCE_S, RELEASE, SYSTEM, Failed, get, kubectl
from tests.e2e.slaying import risen, slay

DEPLOYMENTS = ("gateway", "deliverer", "operator")
VALKEY = "valkey"


@dataclass
class Disturbance:
    """From `began` to `over` by the clock: until what it concerned was ready again.

    `cuts`: connections of callers may break; `starves`: no Valkey lives meanwhile; `held`: what the deliverers had in
    flight that it killed; None where it killed none.
    """

    what: str
    began: float = field(default_factory=time.time)
    over: float = 0.0
    cuts: bool = False
    starves: bool = False
    held: int | None = None


@contextmanager
def disturbance(what: str, *, cuts: bool = False, starves: bool = False) -> Iterator[Disturbance]:
    """Measured around the body."""
    made = Disturbance(what, cuts=cuts, starves=starves)
    yield made
    made.over = time.time()


def pods_of(component: str) -> list[dict[str, Any]]:
    """Those of one component that are not on their way out."""
    found: list[dict[str, Any]] = get("pods", "-n", SYSTEM, "-l", _selector(component))["items"]
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


def _selector(component: str) -> str:
    return f"app.kubernetes.io/instance={RELEASE},app.kubernetes.io/component={component}"


def kill(component: str, *, every: bool = False) -> Disturbance:
    """kill -9 of one pod, or of all at once, until they are back."""
    victims = pods_of(component)[: None if every else 1]
    name = f"{'every' if every else 'a'} {component}"
    with disturbance(f"kill -9 of {name}", cuts=component == "gateway", starves=component == VALKEY) as made:
        for pod in victims:
            slay(pod)
        if component == "deliverer":
            made.held = len(audits.held(pod["metadata"]["name"] for pod in victims))
        for pod in victims:
            risen(SYSTEM, pod)
    return made


def roll(*components: str) -> Disturbance:
    """A rolling update of these at once, until the pods that there were are gone."""
    names = [f"{'statefulset' if each == VALKEY else 'deployment'}/{RELEASE}-{each}" for each in components]
    before = [pod["metadata"]["name"] for each in components for pod in pods_of(each)]
    with disturbance(f"rollout of {', '.join(components)}", starves=VALKEY in components) as made:
        for name in names:
            kubectl("rollout", "restart", name, "-n", SYSTEM)
        for name in names:
            kubectl("rollout", "status", name, "-n", SYSTEM, f"--timeout={PATIENCE}", timeout=200)
        if gone := [f"pod/{name}" for name in before if name != audits.VALKEY]:
            kubectl("wait", "--for=delete", *gone, "-n", SYSTEM, "--timeout=90s")
    return made


def drain() -> Disturbance:
    """Every pod of the release is evicted, as `kubectl drain` does it: again and again where a budget forbids it yet.

    The node stays open for the pods that come instead: it may be the only one.
    """
    left = [pod["metadata"]["name"] for component in (*DEPLOYMENTS, VALKEY) for pod in pods_of(component)]
    old = {pod["metadata"]["uid"] for component in (*DEPLOYMENTS, VALKEY) for pod in pods_of(component)}
    deadline = time.monotonic() + PATIENCE_S
    with disturbance(f"eviction of all {len(left)} pods", starves=True) as made:
        while left:
            left = [name for name in left if not evict(name)]
            if left and time.monotonic() > deadline:
                raise Failed(f"not evicted within {PATIENCE}: {', '.join(left)}")
            time.sleep(0.5)
        until_ready(old)
    return made


def evict(name: str) -> bool:
    """Whether it may go; False where the budget says not yet (429)."""
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": SYSTEM}}
    path = f"/api/v1/namespaces/{SYSTEM}/pods/{name}/eviction"
    try:
        kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(body))
    except Failed as error:
        if "disruption budget" in str(error) or "TooManyRequests" in str(error):
            return False
        raise
    return True


def until_ready(gone: set[str]) -> None:
    """Until as many as are wanted are ready, none of these among them."""
    deadline = time.monotonic() + PATIENCE_S
    wanted = _wanted()
    while time.monotonic() < deadline:
        pods = [pod for component in wanted for pod in pods_of(component) if ready(pod)]
        if len(pods) == sum(wanted.values()) and not gone & {pod["metadata"]["uid"] for pod in pods}:
            return
        time.sleep(0.5)
    raise Failed(f"the pods that came instead were not ready within {PATIENCE}")


def _wanted() -> dict[str, int]:
    sets = [(each, f"deployment/{RELEASE}-{each}") for each in DEPLOYMENTS]
    return {
        each: get(name, "-n", SYSTEM)["spec"]["replicas"]
        for each, name in [*sets, (VALKEY, f"statefulset/{RELEASE}-{VALKEY}")]
    }


def ready(pod: dict[str, Any]) -> bool:
    """Whether it takes traffic."""
    conditions: Sequence[dict[str, str]] = pod["status"].get("conditions", ())
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
