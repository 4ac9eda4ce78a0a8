"""The autoscalers of the chart: there when asked for, and at work on the Deployments that are meant.

Without metrics an autoscaler still brings a Deployment up to its least number of pods, which the chart leaves to it.
"""

from tests.e2e.commands import PATIENCE, RELEASE, SYSTEM, expect, get, kubectl, step
from tests.e2e.scenario import NO_VOLUME, Setting, clean_up, install, make_namespaces

SCALED = ("gateway", "deliverer")
LEAST = 3


def walk(setting: Setting) -> None:
    """From nothing to nothing."""
    with step("helm install with autoscaling"):
        make_namespaces()
        asked = ("enabled=true", f"minReplicas={LEAST}")
        values = [f"{each}.autoscaling.{value}" for each in SCALED for value in asked]
        install(*NO_VOLUME, *setting.arguments, *[word for value in values for word in ("--set", value)])
    with step(f"the autoscalers bring both Deployments to {LEAST} pods"):
        for component in SCALED:
            check(f"{RELEASE}-{component}")
    with step("everything deleted"):
        clean_up()


def check(name: str) -> None:
    """Deployment and autoscaler have the same name."""
    target = get("hpa", name, "-n", SYSTEM)["spec"]["scaleTargetRef"]
    expect(target, {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}, f"what the autoscaler {name} scales")
    able = 'jsonpath={.status.conditions[?(@.type=="AbleToScale")].status}=True'
    kubectl("wait", f"--for={able}", f"hpa/{name}", "-n", SYSTEM, f"--timeout={PATIENCE}", timeout=200)
    ready = f"jsonpath={{.status.readyReplicas}}={LEAST}"
    kubectl("wait", f"--for={ready}", f"deployment/{name}", "-n", SYSTEM, f"--timeout={PATIENCE}", timeout=200)
