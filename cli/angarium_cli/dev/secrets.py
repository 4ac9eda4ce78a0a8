"""Secrets as files: `.angarium/secrets/<name>/<key>`, as a pod sees them that mounts one.

Beside the keys stands `.secret.json`: whose it is. A folder without one was made by a person and is never touched; a
provider may refer to it.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from angarium_cli.dev.state import private_folder, write_private
from angarium_operator.planning import ManagedSecret, SecretContent
from angarium_operator.planning.snapshot import SecretName

ABOUT = ".secret.json"


@dataclass(frozen=True, slots=True)
class Found:
    """The Secrets that are ours, and what is in somebody else's folders, by their names."""

    managed: dict[SecretName, ManagedSecret]
    foreign: dict[str, Mapping[str, str]] = field(repr=False)

    def given(self, secret: SecretName) -> Mapping[str, str] | None:
        """A Secret that a person made as a folder."""
        return self.foreign.get(f"{secret.name}.{secret.namespace}", self.foreign.get(secret.name))


class SecretFiles:
    """The folder of Secrets."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self) -> Found:
        """All that is there."""
        managed: dict[SecretName, ManagedSecret] = {}
        foreign: dict[str, Mapping[str, str]] = {}
        for folder in sorted(path for path in self.root.iterdir() if path.is_dir()):
            about = _about(folder)
            if about is None and any(folder.iterdir()):
                foreign[folder.name] = _data(folder)
            elif about is not None:
                secret = _managed(folder, about)
                managed[SecretName(secret.namespace, secret.name)] = secret
        return Found(managed, foreign)

    def write(self, content: SecretContent) -> None:
        """Write a Secret; what we wrote formerly and is no longer wanted goes."""
        folder = self.folder(content.namespace, content.name)
        private_folder(folder)
        before = _about(folder) or {}
        about = {
            "namespace": content.namespace,
            "name": content.name,
            "type": content.type,
            "labels": dict(content.labels),
            "owner": content.owner._asdict(),
            "keys": sorted(content.data),
        }
        write_private(folder / ABOUT, json.dumps(about, indent=1) + "\n")
        for name in set(before.get("keys", ())) - content.data.keys():
            (folder / name).unlink(missing_ok=True)
        for name, value in content.data.items():
            write_private(folder / name, value)

    def remove_owned_by(self, uid: str) -> None:
        """What Kubernetes' garbage collector does when an owner is gone."""
        for folder in list(self.root.iterdir()):
            about = _about(folder) if folder.is_dir() else None
            if about is not None and about["owner"]["uid"] == uid:
                shutil.rmtree(folder)

    def folder(self, namespace: str, name: str) -> Path:
        """Where a Secret is; the second of a name, in another namespace, has that in its folder's name."""
        plain, other = self.root / name, self.root / f"{name}.{namespace}"
        about = _about(plain)
        taken = about is not None and about["namespace"] != namespace
        return other if taken or _about(other) is not None else plain


def _about(folder: Path) -> dict[str, Any] | None:
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return about if isinstance(about, dict) else None


def _data(folder: Path) -> dict[str, str]:
    """Without the line end that an editor may have added."""
    return {
        path.name: path.read_text(encoding="utf-8", errors="replace").strip()
        for path in folder.iterdir()
        if path.is_file() and not path.name.startswith(".")
    }


def _managed(folder: Path, about: dict[str, Any]) -> ManagedSecret:
    owner = about["owner"]
    return ManagedSecret(
        about["namespace"],
        about["name"],
        about["type"],
        _data(folder),
        about["labels"],
        owners=(owner["uid"],),
        owner_names=((owner["kind"], owner["name"]),),
    )
