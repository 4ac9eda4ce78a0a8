"""Running other programs, and telling how it goes."""

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

RELEASE = "angarium"
SYSTEM, SHOP = "angarium-e2e", "angarium-e2e-shop"
SECOND, SECOND_SHOP = "angarium-e2e-second", "angarium-e2e-second-shop"
NODES = "angarium-e2e-nodes"  # what kills on the nodes
NAMESPACES = (SHOP, SYSTEM, SECOND_SHOP, SECOND, NODES)  # all of the test's
PATIENCE_S = 180
PATIENCE = f"{PATIENCE_S}s"


class Failed(Exception):
    """The end-to-end test failed; the message says at what."""


def say(text: str) -> None:
    """A line of the report."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


@contextmanager
def step(what: str) -> Iterator[None]:
    """Name what is done and tell how long it took."""
    began = time.monotonic()
    yield
    say(f"  ok  {time.monotonic() - began:6.1f} s  {what}")


def run(*command: str, stdin: str | None = None, timeout: float = 300, check: bool = True) -> str:
    """What the program printed; raises Failed with its words when it fails."""
    try:
        done = subprocess.run(command, input=stdin or "", capture_output=True, text=True, timeout=timeout, check=False)
    except FileNotFoundError as error:
        raise Failed(f"{command[0]} is needed and isn't there") from error
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{shlex.join(command)}: not done after {timeout:.0f} s") from error
    if check and done.returncode:
        raise Failed(f"{shlex.join(command)}: exit {done.returncode}\n{done.stdout[-4000:]}{done.stderr[-8000:]}")
    return done.stdout


def kubectl(*arguments: str, stdin: str | None = None, timeout: float = 120, check: bool = True) -> str:
    """Against the cluster of KUBECONFIG."""
    return run("kubectl", *arguments, stdin=stdin, timeout=timeout, check=check)


def get(*arguments: str) -> dict[str, Any]:
    """`kubectl get … -o json`."""
    found: dict[str, Any] = json.loads(kubectl("get", *arguments, "-o", "json"))
    return found


def build(command: Sequence[str], name: str, context: str, target: str = "") -> None:
    """An image, built and put where the cluster finds it."""
    run(*command, name, context, *(["--target", target] if target else []), timeout=1200)


def environment(name: str) -> list[str]:
    """A variable that holds a command line."""
    return shlex.split(os.environ.get(name, ""))


def expect(found: object, wanted: object, what: str) -> None:
    """Or fail, in words."""
    if found != wanted:
        raise Failed(f"{what}: expected {wanted!r}, found {found!r}")
