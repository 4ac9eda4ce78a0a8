"""The way of a platform engineer: install, declare, send, see it delivered and retried, look around, take it away."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from tests.e2e.commands import NAMESPACES, PATIENCE, RELEASE, SECOND, SHOP, SYSTEM, expect, get, kubectl, run, say, step
from tests.e2e.customer import send, start_receiver
from tests.e2e.rollout import flood_a_rollout

ROOT = Path(__file__).parents[2]
CHART = str(ROOT / "helm/angarium")
CRDS = ROOT / "crds"


@dataclass(frozen=True)
class Setting:
    """What a scenario is given. `pods`: the customers' image; `build`: the command that builds images; `registry` of
    their names, instead of the chart's."""

    pods: str
    build: tuple[str, ...] = ()
    registry: str | None = None
    chaos_seconds: float = 120.0

    @property
    def arguments(self) -> tuple[str, ...]:
        """For helm."""
        return ("--set", f"image.registry={self.registry}") if self.registry else ()


# Where nobody kills Valkey: a cluster may have few volumes, and not clean them.
NO_VOLUME = ("--set", "valkey.persistence.enabled=false")


def make_namespaces(*names: str) -> None:
    """Both, or these, under the strictest Pod Security."""
    for name in names or (SYSTEM, SHOP):
        labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
        apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})


def install(*arguments: str) -> None:
    """The chart, until all its pods are ready."""
    run("helm", "install", RELEASE, CHART, "-n", SYSTEM, "--wait", "--timeout", PATIENCE, *arguments)


def uninstall() -> None:
    """The release; CRDs and seal keys stay."""
    run("helm", "uninstall", RELEASE, "-n", SYSTEM, "--wait", "--timeout", PATIENCE)


def helm_test() -> None:
    """The chart's own test: it sends itself a notification."""
    run("helm", "test", RELEASE, "-n", SYSTEM, "--timeout", PATIENCE)


def declare() -> None:
    """examples/quickstart, until the live gateways and deliverers use it."""
    for path in sorted((ROOT / "examples/quickstart").glob("*.yaml")):
        for found in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            found["metadata"]["namespace"] = SHOP
            apply(found)
    names = [
        name for kind in ("products", "callbacks") for name in kubectl("get", kind, "-n", SHOP, "-o", "name").split()
    ]
    kubectl("wait", "--for=condition=Ready", *names, "-n", SHOP, "--timeout=60s")


def apply(found: dict[str, Any]) -> None:
    """One object."""
    kubectl("apply", "-f", "-", stdin=json.dumps(found))


def check_no_tokens() -> None:
    """Gateways and deliverers can't speak to Kubernetes; neither pod nor container has a token."""
    for component in ("gateway", "deliverer"):
        pods = get("pods", "-n", SYSTEM, "-l", f"app.kubernetes.io/component={component}")["items"]
        expect(len(pods), 2, f"pods of the {component}")
        for pod in pods:
            name = pod["metadata"]["name"]
            tokens = [volume["name"] for volume in pod["spec"]["volumes"] if "projected" in volume]
            expect(tokens, [], f"volumes with tokens in {name}")
            look = "import os; print(os.path.exists('/var/run/secrets/kubernetes.io'))"
            found = kubectl("exec", "-n", SYSTEM, name, "--", "python3", "-c", look).strip()
            expect(found, "False", f"a token in {name}")


def check_metrics() -> None:
    """What the deliverers count agrees with what the timelines tell."""
    totals: dict[str, float] = {}
    for pod in get("pods", "-n", SYSTEM, "-l", "app.kubernetes.io/component=deliverer")["items"]:
        path = f"/api/v1/namespaces/{SYSTEM}/pods/{pod['metadata']['name']}:9481/proxy/metrics"
        for line in kubectl("get", "--raw", path).splitlines():
            if line.startswith("angarium_attempts_total{"):
                outcome = line.split('outcome="')[1].split('"')[0]
                totals[outcome] = totals.get(outcome, 0) + float(line.rsplit(" ", 1)[1])
    expect(totals, {"retry": 1.0, "delivered": 2.0}, "angarium_attempts_total by outcome")


def report_memory() -> None:
    """Resident memory of each process, for the record."""
    for pod in get("pods", "-n", SYSTEM)["items"]:
        name = pod["metadata"]["name"]
        status = kubectl("exec", "-n", SYSTEM, name, "--", "cat", "/proc/1/status", check=False)
        resident = next((line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")), None)
        if resident:
            say(f"      {int(resident) / 1024:6.0f} MiB  {name}")


def check_kept() -> None:
    """After an uninstall the objects, and the Secrets that services use, are still there."""
    kubectl("get", "callback/warehouse", "product/shop", "secret/shop-angarium", "-n", SHOP)


def clean_up() -> None:
    """All that this test may have made, whatever state it is in."""
    for system in (SYSTEM, SECOND):
        gone = ("-n", system, "--wait", "--ignore-not-found", "--timeout", PATIENCE)
        run("helm", "uninstall", RELEASE, *gone, check=False)
        # A namespace with a pod that ends slowly is looked at again only after half of that pod's grace period.
        pods = ("pod", "-n", system, "-l", f"app.kubernetes.io/instance={RELEASE}")
        kubectl("wait", "--for=delete", *pods, "--timeout=70s", check=False)
    # Nobody is there now who could take a finalizer off.
    kubectl("delete", "namespace", *NAMESPACES, "--ignore-not-found", "--timeout=120s", timeout=150)
    kubectl("delete", "crd", *crds(), "--ignore-not-found", "--timeout=60s")


def crds() -> list[str]:
    """Names of the CustomResourceDefinitions."""
    return sorted(path.stem for path in CRDS.glob("*.yaml"))


def check_nothing_left() -> None:
    """Neither in the namespaces, which are gone, nor beside them."""
    kinds = kubectl("api-resources", "--namespaced=false", "--verbs=list", "-o", "name").split()
    labelled = kubectl("get", ",".join(kinds), "-l", f"app.kubernetes.io/instance={RELEASE}", "-o", "name").split()
    namespaces = kubectl("get", "namespace", *NAMESPACES, "--ignore-not-found", "-o", "name").split()
    kinds_left = [name for name in kubectl("get", "crd", "-o", "name").split() if name.endswith(".angarium.dev")]
    expect([*labelled, *namespaces, *kinds_left], [], "what is left in the cluster")


def walk(setting: Setting) -> None:
    """From nothing to nothing."""
    with step("namespaces with Pod Security restricted"):
        make_namespaces()
    with step("helm install"):
        install(*setting.arguments)
    with step("examples/quickstart is Ready"):
        declare()
    say(kubectl("get", "angarium", "-n", SHOP).rstrip())
    with step("a receiver that fails its first request"):
        start_receiver(setting.pods)
    with step("two notifications from a pod with the Product's Secret"):
        retried, smooth = send(setting.pods, "sender-1", "order.paid", "order.shipped")
    with step("the first one was retried, both were delivered and verified"):
        expect(retried.verdicts, ["overloaded", "verified"], "what the receiver made of the first")
        expect(retried.attempts, [(1, "retry", "http_503"), (2, "delivered", None)], "attempts in the timeline")
        expect(smooth.verdicts, ["verified"], "what the receiver made of the second")
    with step("gateways and deliverers have no Kubernetes token"):
        check_no_tokens()
    with step("metrics agree"):
        check_metrics()
    with step("gateways and deliverers restarted under load: nothing refused, lost or sent twice"):
        count = flood_a_rollout(setting.pods)
    say(f"      {count:6} notifications meanwhile")
    report_memory()
    with step("helm test"):
        helm_test()
    with step("helm uninstall leaves objects and Secrets"):
        uninstall()
        check_kept()
    with step("helm install again, without a volume: records are published anew"):
        install(*NO_VOLUME, *setting.arguments)
    with step("a notification with the same Secret is delivered and verified"):
        (again,) = send(setting.pods, "sender-2", "order.paid")
        expect(again.verdicts, ["verified"], "what the receiver made of it")
    with step("everything deleted; the operator first, and no namespace hangs"):
        clean_up()
    with step("nothing is left"):
        check_nothing_left()
