"""The customer's side: a receiver pod, and sender pods that mount the Product's Secret."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.commands import PATIENCE, PATIENCE_S, RELEASE, SHOP, SYSTEM, Failed, expect, kubectl


@dataclass(frozen=True)
class Notification:
    """What the sender pod told of one notification, and the receiver of its attempts."""

    told: dict[str, Any]
    verdicts: list[str]

    @property
    def attempts(self) -> list[tuple[int, str, str | None]]:
        """Number, outcome and reason of each attempt in the timeline."""
        entries = [entry for entry in self.told["timeline"] if entry["type"] == "attempt"]
        return [(entry["number"], entry["outcome"], entry.get("reason")) for entry in entries]


def start_receiver(image: str, *program: str) -> None:
    """The Service that the example's Callback names; `program` with its arguments: receiver.py, unless told."""
    manifest = (Path(__file__).parent / "manifests/receiver.yaml").read_text(encoding="utf-8")
    words = json.dumps([*program] or ["/pods/receiver.py"]).strip("[]")
    kubectl("apply", "-n", SHOP, "-f", "-", stdin=manifest.replace("IMAGE", image).replace("PROGRAM", words))
    kubectl("rollout", "status", "deployment/warehouse", "-n", SHOP, f"--timeout={PATIENCE}", timeout=200)
    wait_for_receiver()


def wait_for_receiver() -> None:
    """Until its Service leads to it, which is some seconds after it is ready: refused by a new receiver, deliverers
    would leave it alone for half a minute."""
    connect = f"import socket; socket.create_connection(('warehouse.{SHOP}.svc', 8481), 2)"
    deliverer = ("exec", "-n", SYSTEM, f"deployment/{RELEASE}-deliverer", "--", "python3", "-c", connect)
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            kubectl(*deliverer)
        except Failed:
            time.sleep(0.2)
        else:
            return
    raise Failed(f"deliverers don't reach the receiver within {PATIENCE}")


def send(image: str, job: str, *events: str) -> list[Notification]:
    """From a pod that mounts the Product's Secret; one Notification for each event, which must all be delivered."""
    start_sender(image, job, *events)
    told = finish_sender(job)
    heard = what_was_heard()
    found = [Notification(each, verdicts_of(each["id"], heard)) for each in told]
    for each in found:
        expect(each.told["status"], "delivered", f"the status of {each.told['id']}")
    return found


def start_sender(image: str, job: str, *arguments: str) -> None:
    """A Job with the Product's Secret."""
    text = (Path(__file__).parent / "manifests/sender.yaml").read_text(encoding="utf-8")
    manifest = text.replace("IMAGE", image).replace("NAME", job).replace("ARGUMENTS", ", ".join(arguments))
    kubectl("apply", "-n", SHOP, "-f", "-", stdin=manifest)


def finish_sender(job: str) -> list[dict[str, Any]]:
    """What it told."""
    kubectl("wait", "--for=condition=Complete", f"job/{job}", "-n", SHOP, f"--timeout={PATIENCE}", timeout=200)
    return [json.loads(line) for line in kubectl("logs", f"job/{job}", "-n", SHOP).splitlines() if line != "begun"]


def what_was_heard() -> list[dict[str, Any]]:
    """What the receiver told of each request."""
    return [json.loads(line) for line in kubectl("logs", "deployment/warehouse", "-n", SHOP).splitlines()]


def verdicts_of(notification: str, heard: list[dict[str, Any]]) -> list[str]:
    """What the receiver made of each attempt; a delivery's id holds its notification's."""
    body = notification.removeprefix("not_")
    return [line["verdict"] for line in heard if line["id"].startswith(f"dlv_{body}_")]
