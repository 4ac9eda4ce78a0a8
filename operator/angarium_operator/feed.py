"""From what the API server says to the snapshot: in any order, twice or late, and still right.

An object is only ever replaced by a younger version of itself; one that was deleted never comes back under its uid,
even where a list that was begun before its deletion still names it.
"""

import base64
import binascii
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from pydantic import ValidationError

from angarium.resources import (
    GROUP,
    CallbackStatus,
    CallbackTestStatus,
    ObjectMeta,
    OrganizationStatus,
    ProductStatus,
    ProviderStatus,
    ReplayStatus,
    Report,
    Resource,
    TopicStatus,
)
from angarium_operator.kinds import NAMESPACE, SECRET, Kind
from angarium_operator.planning import Broken, Key, ManagedSecret, Snapshot
from angarium_operator.planning.snapshot import SecretName

REMEMBERED = 900.0  # s that a deleted uid is remembered: longer than any list or event is late

Object = dict[str, Any]
STATUSES: dict[str, type[Report]] = {
    "product": ProductStatus,
    "organization": OrganizationStatus,
    "callback": CallbackStatus,
    "provider": ProviderStatus,
    "topic": TopicStatus,
    "replay": ReplayStatus,
    "callbacktest": CallbackTestStatus,
}


class Version(NamedTuple):
    """Which object stands in the snapshot."""

    uid: str
    number: int


class Gone(NamedTuple):
    """As of which version an object was no more, and when we heard of it."""

    number: int
    at: float


class Feed:
    """Keeps the snapshot current; `concern` hears for which objects a new plan is due."""

    def __init__(self, snapshot: Snapshot, concern: Callable[[Iterable[Key]], None]) -> None:
        self._snapshot = snapshot
        self._concern = concern
        self._versions: dict[str, dict[tuple[str, str], Version]] = {}
        self._gone: dict[str, Gone] = {}  # by uid

    def seen(self, kind: Kind, type_: str | None, raw: Object) -> None:
        """An event of a watch, or an object that was read or written."""
        metadata = raw["metadata"]
        name = (metadata.get("namespace", ""), metadata["name"])
        version = Version(metadata.get("uid", ""), int(metadata.get("resourceVersion", 0)))
        known = self._versions.setdefault(kind.name, {}).get(name)
        gone = self._gone.get(version.uid)
        if (gone is not None and version.number < gone.number) or (known and not _news(known, version, type_)):
            return
        if type_ == "DELETED":
            self._forget(kind, name, version)
            return
        if known is not None and known.uid != version.uid:
            self._forget(kind, name, Version(known.uid, version.number))
        self._versions[kind.name][name] = version
        self._take(kind, name, raw)

    def version(self, kind: Kind, namespace: str, name: str) -> str:
        """The version of an object as we know it, "" where we don't: who writes names it, and can't overwrite news."""
        known = self._versions.get(kind.name, {}).get((namespace, name))
        return str(known.number) if known is not None else ""

    def found(self, kind: Kind, raw: Object) -> None:
        """An object was read just now: it is there, though a watch of labels may have called it deleted."""
        self._gone.pop(raw["metadata"]["uid"], None)
        self.seen(kind, None, raw)

    def referred(self, name: SecretName, raw: Object | None) -> None:
        """Somebody's Secret was read, or there is none; it is not ours, so no version of it is kept."""
        self._concern(self._snapshot.put_referred(name, None if raw is None else data_of(raw)))

    def comparison(self, kind: Kind, namespace: str) -> "Comparison":
        """With a list of all there is, in a namespace or (where it is empty) in all of them."""
        return Comparison(self, kind, namespace)

    def missed(self, kind: Kind, namespace: str, present: set[tuple[str, str]], version: int) -> None:
        """These were all there were at that version: what isn't among them and is no younger is gone."""
        known = self._versions.setdefault(kind.name, {})
        for name, version_ in list(known.items()):
            if name not in present and version_.number <= version and namespace in ("", name[0]):
                self._forget(kind, name, Version(version_.uid, version))
        self._prune()

    def _prune(self) -> None:
        now = time.monotonic()
        self._gone = {uid: gone for uid, gone in self._gone.items() if now - gone.at < REMEMBERED}

    def _forget(self, kind: Kind, name: tuple[str, str], version: Version) -> None:
        self._gone[version.uid] = Gone(version.number, time.monotonic())
        self._versions[kind.name].pop(name, None)
        if kind is NAMESPACE:
            self._snapshot.namespaces.pop(name[1], None)
        elif kind is SECRET:
            self._concern(self._snapshot.remove_secret(SecretName(*name)))
        else:
            self._concern(self._snapshot.remove(Key(kind.name, *name)))

    def _take(self, kind: Kind, name: tuple[str, str], raw: Object) -> None:
        snapshot = self._snapshot
        if kind is NAMESPACE:
            self._concern(snapshot.put_namespace(name[1], raw["metadata"].get("labels") or {}))
        elif kind is SECRET:
            self._concern(snapshot.put_secret(read_secret(raw)))
        else:
            found = read_resource(kind, raw)
            key = Key(kind.name, *name)
            self._concern(snapshot.put_broken(key, found) if isinstance(found, Broken) else snapshot.put(found))


class Comparison:
    """Takes a list page by page, so that no more than a page of it is ever in memory; it counts only when it ends."""

    def __init__(self, feed: Feed, kind: Kind, namespace: str) -> None:
        self._feed, self._kind, self._namespace = feed, kind, namespace
        self._present: set[tuple[str, str]] = set()
        self._version = 0

    def page(self, items: Iterable[Object], version: int) -> None:
        """Some of what there was at that version."""
        for raw in items:
            self._present.add((raw["metadata"].get("namespace", ""), raw["metadata"]["name"]))
            self._feed.seen(self._kind, None, raw)
        self._version = version

    def end(self) -> None:
        """That was all."""
        self._feed.missed(self._kind, self._namespace, self._present, self._version)


def _news(known: Version, version: Version, type_: str | None) -> bool:
    """Whether an event says something that isn't known; a deletion may bear the version of the last change."""
    if type_ == "DELETED":
        return version.uid == known.uid
    return version.number > known.number


def read_resource(kind: Kind, raw: Object) -> Resource | Broken:
    """One of our objects, without what we never look at."""
    if kind.model is None:
        raise TypeError(f"{kind.name} has no model")
    metadata = dict(raw["metadata"])
    for field in ("annotations", "labels"):
        metadata[field] = {
            name: value for name, value in (metadata.get(field) or {}).items() if name.startswith(f"{GROUP}/")
        }
    try:
        # What we don't know is of a newer CRD, which is upgraded before we are replaced; mistakes the API server finds.
        return kind.model.model_validate(raw | {"metadata": metadata}, extra="ignore")
    except ValidationError as error:
        return Broken(ObjectMeta.model_validate(metadata), _read_status(kind, raw), _problem(error))


def _read_status(kind: Kind, raw: Object) -> Report:
    model = STATUSES[kind.name]
    try:
        return model.model_validate(raw.get("status") or {})
    except ValidationError:
        return model()


def _problem(error: ValidationError) -> str:
    found = error.errors(include_input=False, include_url=False)
    return "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in found[:3])


def read_secret(raw: Object) -> ManagedSecret:
    """A Secret, in the clear."""
    metadata = raw["metadata"]
    owners = metadata.get("ownerReferences") or []
    return ManagedSecret(
        metadata["namespace"],
        metadata["name"],
        raw.get("type", "Opaque"),
        data_of(raw),
        metadata.get("labels") or {},
        tuple(owner["uid"] for owner in owners),
        tuple((owner["kind"], owner["name"]) for owner in owners),
    )


def data_of(raw: Object) -> dict[str, str]:
    """What a Secret holds, in the clear."""
    return {name: _decoded(value) for name, value in (raw.get("data") or {}).items()}


def _decoded(value: str) -> str:
    try:
        return base64.b64decode(value).decode(errors="replace")
    except binascii.Error:
        return ""
