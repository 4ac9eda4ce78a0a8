"""What a person wants to see when the test failed."""

from collections.abc import Sequence

from tests.e2e.commands import kubectl, say

KINDS = "products,organizations,callbacks,pods,services,statefulsets,deployments,jobs,persistentvolumeclaims"


def show(namespaces: Sequence[str]) -> None:
    """Objects, events and the end of each container's log."""
    for namespace in namespaces:
        if not kubectl("get", "namespace", namespace, "--ignore-not-found", "-o", "name"):
            continue
        _print(f"objects in {namespace}", "get", KINDS, "-n", namespace, "-o", "wide")
        _print(f"conditions in {namespace}", "describe", "products,callbacks", "-n", namespace)
        _print(f"events in {namespace}", "get", "events", "-n", namespace, "--sort-by=.lastTimestamp")
        for pod in kubectl("get", "pods", "-n", namespace, "-o", "name", check=False).split():
            _print(f"{namespace} {pod}", "logs", "-n", namespace, pod, "--all-containers", "--tail=60")
            _print(f"{namespace} {pod}, before its restart", "logs", "-n", namespace, pod, "--previous", "--tail=30")


def _print(title: str, *arguments: str) -> None:
    if text := kubectl(*arguments, check=False).strip():
        say(f"\n--- {title}\n{text}")
