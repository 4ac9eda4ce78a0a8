"""Which cluster the test runs on, and how images get there."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.commands import Failed, build, environment, run, say, step

KIND = "angarium-e2e"
COMMAND = "ANGARIUM_E2E_IMAGE_COMMAND"
NO_COMMAND = (
    f"KUBECONFIG is set, and so must be {COMMAND}: a program that is called with NAME:TAG CONTEXT [--target TARGET], "
    "builds that image and puts it where the cluster's nodes find it"
)
NO_CLUSTER = "no cluster: set KUBECONFIG, or start Docker (a new kind cluster is made then)"


@contextmanager
def cluster() -> Iterator[Sequence[str]]:
    """The command that builds images for the cluster of KUBECONFIG, which may be a new one of kind's."""
    if os.environ.get("KUBECONFIG"):
        if not environment(COMMAND):
            raise Failed(NO_COMMAND)
        yield environment(COMMAND)
        return
    try:
        run("docker", "info")
    except Failed as error:
        raise Failed(NO_CLUSTER) from error
    with tempfile.TemporaryDirectory() as folder, _kind(Path(folder) / "kubeconfig"):
        yield environment(COMMAND) or [str(Path(__file__).with_name("image-for-kind")), KIND]


@contextmanager
def _kind(kubeconfig: Path) -> Iterator[None]:
    os.environ["KUBECONFIG"] = str(kubeconfig)
    try:
        with step(f"a new kind cluster {KIND}"):
            run("kind", "create", "cluster", "--name", KIND, "--wait", "120s", timeout=600)
        yield
    finally:
        run("kind", "delete", "cluster", "--name", KIND, check=False)
        del os.environ["KUBECONFIG"]


def build_images(command: Sequence[str], images: dict[str, str], pods: str) -> None:
    """The three services' images (by target), and the customer's."""
    root = str(Path(__file__).parents[2])
    for target, name in images.items():
        with step(f"image {name}"):
            build(command, name, root, target)
    with step(f"image {pods}"):
        build(command, pods, str(Path(__file__).parent / "pods"))


def require_empty(namespaces: Sequence[str]) -> None:
    """The test deletes what it made, and so it must not begin where something of that name is."""
    there = run("kubectl", "get", "namespace", *namespaces, "--ignore-not-found", "-o", "name").split()
    there += [line for line in run("kubectl", "get", "crd", "-o", "name").split() if line.endswith(".angarium.dev")]
    if there:
        raise Failed(f"the cluster isn't empty of Angarium: delete {' '.join(there)} first")
    say(f"cluster {run('kubectl', 'config', 'current-context').strip()}")
