"""What a cluster's API server would hold: the objects with uid, generation and status, over restarts.

uids come from kind, namespace and name, so ids and with them all that waits in Redis stay the same wherever and
whenever the folder is read. While a file is bad nothing is removed, and what was good last stays in use.
"""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from angarium.edits import API, MADE_BY
from angarium.resources import Callback, CallbackTest, Organization, Provider, Replay, Report, Topic
from angarium_cli.dev.manifests import MODELS, Manifest, Object, Problem, Reading
from angarium_cli.dev.state import write_private
from angarium_cli.errors import Exit, Failure
from angarium_operator.planning import Key

UIDS = uuid.UUID("5e8f0c1e-6b0a-4f57-9d53-2b7f2f6d3a41")  # any constant will do, as long as it stays
CANT_MOVE = "{} can't move to another product; create a new one"
SECRET_STAYS = "can't change once set, since workloads mount that Secret; create a new object"  # noqa: S105 - words

RUN_ONCE = "can't change, as it may have been done; create another one"
STAYS: dict[type[Object], tuple[tuple[str, ...], str]] = {
    Organization: (("product_ref",), CANT_MOVE.format("an organization")),
    Callback: (("product_ref", "organization_ref"), CANT_MOVE.format("a callback")),
    Provider: (("product_ref",), CANT_MOVE.format("a provider")),
    Topic: (("product_ref",), CANT_MOVE.format("a topic")),
    Replay: (("product_ref", "select", "dry_run", "webhook_id"), RUN_ONCE),
    CallbackTest: (("callback_ref", "deadline"), RUN_ONCE),
}
PARENTS: dict[type[Object], str] = {Callback: "signing", Topic: "topicHash"}  # of secretName in the spec


@dataclass(slots=True)
class Changes:
    """What became of a reading."""

    put: list[Object] = field(default_factory=list)
    removed: list[Key] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


class Objects:
    """`source` is the folder they are declared in; another folder's objects would all be taken for deleted ones."""

    def __init__(self, path: Path, source: str) -> None:
        self._path, self._source = path, source
        self.by_key: dict[Key, Object] = {}
        self.lost: list[str] = []  # what could not be read back
        self._load()

    def take(self, reading: Reading, now: datetime) -> Changes:
        """Make what was read the state; on problems, what is bad stays as it was."""
        changes = Changes(problems=list(reading.problems))
        for key, manifest in reading.manifests.items():
            self._declare(key, manifest, now, changes)
        if not changes.problems:
            changes.removed = [
                key for key, each in self.by_key.items() if key not in reading.manifests and not is_api_made(each)
            ]
            for key in changes.removed:
                del self.by_key[key]
        if changes.put or changes.removed:
            self.save()
        return changes

    def put(self, declared: Object, now: datetime) -> Object:
        """What the API server does on a POST or PATCH: keep it, with what a server adds."""
        key = Key.of(declared)
        stored = self.by_key[key] = _stored(key, declared, self.by_key.get(key), now)
        self.save()
        return stored

    def remove(self, key: Key) -> None:
        """What it does on a DELETE."""
        del self.by_key[key]
        self.save()

    def set_status(self, key: Key, status: dict[str, Any]) -> Object:
        """What `PATCH …/status` does; `save` is up to the caller, after the last of several."""
        before = self.by_key[key]
        after = before.model_copy(update={"status": type(before.status).model_validate(status)})
        self.by_key[key] = after
        return after

    def save(self) -> None:
        """Write all of it."""
        objects = [each.model_dump(mode="json", by_alias=True, exclude_none=True) for each in self.by_key.values()]
        text = json.dumps({"source": self._source, "objects": objects}, indent=1, ensure_ascii=False)
        write_private(self._path, text + "\n")

    def _declare(self, key: Key, manifest: Manifest, now: datetime, changes: Changes) -> None:
        before, declared = self.by_key.get(key), manifest.object
        if before is not None and (moved := list(_moved(before, declared))):
            changes.problems += [Problem(manifest.place, where, why) for where, why in moved]
            return
        after = _stored(key, declared, before, now)
        if after != before:
            self.by_key[key] = after
            changes.put.append(after)

    def _load(self) -> None:
        if not self._path.exists():
            return
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
            source, objects = kept["source"], kept["objects"]
        except (ValueError, KeyError, TypeError):
            self.lost.append(f"{self._path} can't be read; starting from the folder alone")
            return
        if source != self._source:
            raise Failure(
                f"{self._path.parent} keeps the state of {source}, not of {self._source}: choose another folder with"
                f" --state, or remove {self._path.parent} with all its data and keys",
                Exit.USAGE,
            )
        for document in objects:
            self._restore(document)

    def _restore(self, document: Any) -> None:
        try:
            restored = MODELS[document["kind"]].model_validate(document)
        except (ValidationError, KeyError, TypeError):
            self.lost.append(f"an object in {self._path} can't be read; starting from its declaration alone")
        else:
            self.by_key[Key.of(restored)] = restored


def is_api_made(resource: Object) -> bool:
    """Whether it was made through the API: then it stands in no file, and lives on here."""
    return resource.metadata.labels.get(MADE_BY) == API


def _stored(key: Key, declared: Object, before: Object | None, now: datetime) -> Object:
    """The declared object with what a server adds to it."""
    status: Report
    if before is None:
        generation, created, status = 1, now.replace(microsecond=0), type(declared.status)()
    else:
        generation = before.metadata.generation + (before.spec != declared.spec)
        created, status = before.metadata.creation_timestamp or now, before.status
    given = {"uid": str(uuid.uuid5(UIDS, str(key))), "generation": generation, "creation_timestamp": created}
    metadata = declared.metadata.model_copy(
        update=given | {"resource_version": "", "deletion_timestamp": None}  # of a cluster it was copied from
    )
    return declared.model_copy(update={"metadata": metadata, "status": status})


def _moved(before: Object, after: Object) -> Iterator[tuple[str, str]]:
    """The rules that an API server judges by the object as it was (`oldSelf` in the CRDs)."""
    names, why = STAYS.get(type(before), ((), ""))
    for name in names:
        if getattr(before.spec, name) != getattr(after.spec, name):
            yield f"spec.{type(before.spec).model_fields[name].alias}", why
    chosen = _secret_name(before)
    if chosen is not None and chosen != _secret_name(after):
        yield f"spec.{PARENTS.get(type(before), 'credentials')}.secretName", SECRET_STAYS


def _secret_name(resource: Object) -> str | None:
    """The name that was chosen for a Secret of ours."""
    if isinstance(resource, Provider | Replay | CallbackTest):
        return None
    if isinstance(resource, Topic):
        return resource.spec.topic_hash.secret_name if resource.spec.topic_hash else None
    if isinstance(resource, Callback):
        return resource.spec.signing.secret_name
    return resource.spec.credentials.secret_name
