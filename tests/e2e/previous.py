"""The version before this one: its chart and its images, from the history of the repository."""

import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import yaml
from tests.e2e.commands import build, step
from tests.e2e.scenario import ROOT

COMMIT = "f07e374ff52b355cd952e25b22cf843ea08a56f5"  # the last of 0.1.0
TAG = COMMIT[:7]
SERVICES = ("gateway", "deliverer", "operator")


@dataclass(frozen=True)
class Previous:
    """Unpacked. Its images are tagged by the commit, so that no others of its version are meant."""

    root: Path

    @property
    def chart(self) -> str:
        """For helm."""
        return str(self.root / "helm/angarium")

    @property
    def version(self) -> str:
        """That it calls itself."""
        return str(yaml.safe_load((self.root / "helm/angarium/Chart.yaml").read_text(encoding="utf-8"))["appVersion"])

    @property
    def arguments(self) -> tuple[str, ...]:
        """For helm. Its gateways leave after a fixed time, in which a node that has too much to do may still send them
        callers; this version waits until nobody calls."""
        return ("--set", f"image.tag={TAG}", "--set", "gateway.drainDelaySeconds=15")

    def build(self, command: Sequence[str], registry: str | None) -> None:
        """All three images."""
        values = yaml.safe_load((self.root / "helm/angarium/values.yaml").read_text(encoding="utf-8"))
        registry = registry or values["image"]["registry"]
        for service in SERVICES:
            name = f"{registry}/{values[service]['image']['repository']}:{TAG}"
            with step(f"image {name}"):
                build(command, name, str(self.root), service)


def known() -> bool:
    """Whether the history reaches that far back."""
    command = ("git", "-C", str(ROOT), "cat-file", "-e", f"{COMMIT}^{{commit}}")
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@contextmanager
def unpacked() -> Iterator[Previous]:
    """In a folder that goes afterwards."""
    command = ("git", "-C", str(ROOT), "archive", COMMIT)
    archive = subprocess.run(command, capture_output=True, check=True).stdout
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=BytesIO(archive)) as tar:
            tar.extractall(folder, filter="data")
        yield Previous(Path(folder))
