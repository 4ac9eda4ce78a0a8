"""kill -9 of a container on a real node.

`kubectl delete --force` sends SIGTERM first, and within a container nobody can kill its first process. So a pod that
sees the node's processes does it, on any node that lets it be.
"""

import time
from pathlib import Path
from typing import Any

from tests.e2e.commands import NODES, PATIENCE_S, Failed, get, kubectl

PYTHON = "/pods/venv/bin/python"


def start_slayers(image: str) -> None:
    """One on each node, in a namespace of their own: they may do what `restricted` forbids."""
    kubectl("create", "namespace", NODES)
    kubectl("label", "namespace", NODES, "pod-security.kubernetes.io/enforce=privileged")
    text = (Path(__file__).parent / "manifests/slayer.yaml").read_text(encoding="utf-8").replace("IMAGE", image)
    for node in get("nodes")["items"]:
        name = node["metadata"]["name"]
        kubectl("apply", "-n", NODES, "-f", "-", stdin=text.replace("NAME", slayer(name)).replace("NODE", name))
    kubectl("wait", "--for=condition=Ready", "pod", "--all", "-n", NODES, "--timeout=60s")


def slayer(node: str) -> str:
    """Its name."""
    return f"slayer-{node}"


def slay(pod: dict[str, Any]) -> None:
    """kill -9 of its container."""
    container = pod["status"]["containerStatuses"][0]["containerID"].rpartition("/")[2]
    kubectl("exec", "-n", NODES, slayer(pod["spec"]["nodeName"]), "--", PYTHON, "/pods/slay.py", container)


def risen(namespace: str, dead: dict[str, Any]) -> None:
    """Wait until the same pod is ready again, in a new container."""
    name, deaths = dead["metadata"]["name"], dead["status"]["containerStatuses"][0]["restartCount"]
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        (state,) = get("pod", name, "-n", namespace)["status"]["containerStatuses"]
        if state["restartCount"] > deaths and state["ready"]:
            return
        time.sleep(0.2)
    raise Failed(f"{name} did not come back after kill -9")
