"""The customer's side under load: pods that call and one that hears, each with a ledger, read from outside."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from tests.e2e.commands import PATIENCE_S, SHOP, Failed, kubectl

CALLER_PORT, HEARER_PORT = 8482, 8481


class Accepted(NamedTuple):
    """`first`: when it was first asked for; `seconds` that the answer took which accepted it. Times are the clock's."""

    number: int
    id: str
    first: float
    seconds: float


class Failure(NamedTuple):
    """What was not accepted. `status` 0: no answer; `told`: Retry-After, or what kept the answer away."""

    at: float
    status: int
    type: str
    told: str
    seconds: float

    @property
    def kind(self) -> str:
        """In a word or two."""
        return f"{self.status} {self.type.rsplit('/', 1)[-1]}".strip() if self.status else self.told


@dataclass(frozen=True)
class Called:
    """A caller's ledger; `repeated`: numbers that were asked again once accepted, and the id that was told then."""

    begun: int
    accepted: Sequence[Accepted]
    failed: Sequence[Failure]
    repeated: Sequence[tuple[int, str]] = ()
    done: bool = True


@dataclass(frozen=True)
class Heard:
    """The receiver's. `heard`: by delivery, when first and how long after it was posted; `again`: delivery, when it was
    first answered, when it was answered again."""

    heard: dict[str, tuple[float, float]]
    again: Sequence[tuple[str, float, float]] = ()
    verified: int = 1
    forged: int = 0
    asked: int = field(default=0, compare=False)


def start_callers(image: str, **callers: Sequence[str]) -> None:
    """By name, each with its arguments: how many a second, and flags."""
    text = (Path(__file__).parent / "manifests/caller.yaml").read_text(encoding="utf-8").replace("IMAGE", image)
    for name, arguments in callers.items():
        words = json.dumps([name, *arguments]).strip("[]")
        kubectl("apply", "-n", SHOP, "-f", "-", stdin=text.replace("NAME", name).replace("ARGUMENTS", words))
    kubectl("wait", "--for=condition=Ready", *[f"pod/{name}" for name in callers], "-n", SHOP, "--timeout=60s")


def stop_callers(*callers: str) -> dict[str, Called]:
    """What was begun is insisted on until it is accepted."""
    for caller in callers:
        stop = "import os, signal; os.kill(1, signal.SIGUSR1)"
        kubectl("exec", "-n", SHOP, caller, "--", "/pods/venv/bin/python", "-c", stop)
    return {caller: _finished(caller) for caller in callers}


def _finished(caller: str) -> Called:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := called(caller)).done:
        if time.monotonic() > deadline:
            raise Failed(f"{caller} still waits for {found.begun - len(found.accepted)} to be accepted")
        time.sleep(1)
    return found


def called(caller: str) -> Called:
    """A caller's ledger as it is now."""
    told = _page(caller, CALLER_PORT)
    return Called(
        told["begun"],
        [Accepted(*each) for each in told["accepted"]],
        [Failure(*each) for each in told["failed"]],
        [(number, id_) for number, id_ in told["repeated"]],
        told["done"],
    )


def heard() -> Heard:
    """The receiver's ledger as it is now."""
    pod = kubectl("get", "pod", "-n", SHOP, "-l", "app=warehouse", "-o", "jsonpath={.items[0].metadata.name}")
    told = _page(pod, HEARER_PORT)
    return Heard(
        {id_: (at, late) for id_, (at, late) in told["heard"].items()},
        [(id_, first, then) for id_, first, then in told["again"]],
        told["verified"],
        told["forged"],
        told["asked"],
    )


def _page(pod: str, port: int) -> dict[str, Any]:
    page: dict[str, Any] = json.loads(
        kubectl("get", "--raw", f"/api/v1/namespaces/{SHOP}/pods/{pod}:{port}/proxy/ledger")
    )
    return page
