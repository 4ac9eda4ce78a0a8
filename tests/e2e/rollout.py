"""A rolling update under load (promise 2): nothing is refused, lost, or sent twice."""

import json
from collections import Counter

from tests.e2e.commands import PATIENCE, RELEASE, SHOP, SYSTEM, Failed, expect, kubectl
from tests.e2e.customer import finish_sender, start_sender, what_was_heard

SERVICES = ("gateway", "deliverer")


def flood_a_rollout(image: str) -> int:
    """Restart all gateways and deliverers while notifications pour in; how many those were."""
    start_sender(image, "flood", "--flood")
    kubectl("wait", "--for=jsonpath={.status.ready}=1", "job/flood", "-n", SHOP, "--timeout=60s")
    pod = kubectl("get", "pod", "-n", SHOP, "-l", "job-name=flood", "-o", "name").strip()
    restart()
    kubectl("exec", "-n", SHOP, pod, "--", "python3", "-c", "import os, signal; os.kill(1, signal.SIGUSR1)")
    (told,) = finish_sender("flood")
    if told["failed"]:
        raise Failed(f"{len(told['failed'])} requests failed, first {told['failed'][0]}")
    expect(told["pending"], 0, "notifications still pending")
    compare(told["accepted"])
    return len(told["accepted"])


def restart() -> None:
    """Both services at once, until the pods that there were have drained and gone."""
    selector = f"app.kubernetes.io/instance={RELEASE},app.kubernetes.io/component in ({','.join(SERVICES)})"
    before = kubectl("get", "pods", "-n", SYSTEM, "-l", selector, "-o", "name").split()
    for service in SERVICES:
        kubectl("rollout", "restart", f"deployment/{RELEASE}-{service}", "-n", SYSTEM)
    for service in SERVICES:
        name = f"deployment/{RELEASE}-{service}"
        kubectl("rollout", "status", name, "-n", SYSTEM, f"--timeout={PATIENCE}", timeout=200)
    kubectl("wait", "--for=delete", *before, "-n", SYSTEM, "--timeout=90s")


def compare(accepted: list[str]) -> None:
    """What the gateways accepted with what the receiver heard."""
    heard = Counter(line["id"] for line in what_was_heard() if json.loads(line["body"])["type"] == "order.flooded")
    wanted = {f"dlv_{each.removeprefix('not_')}_0" for each in accepted}
    expect(sorted(wanted - set(heard))[:5], [], "deliveries that the receiver never got")
    expect([each for each, times in heard.items() if times > 1][:5], [], "deliveries that it got twice")
