"""The folder of YAML that kubectl takes too, read so that each mistake is named by file, line and field.

Documents of other kinds are left to kubectl. What is read is checked by the models that the CRDs are made from.
"""

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from angarium.resources import (
    API_VERSION,
    GROUP,
    KINDS,
    Callback,
    CallbackTest,
    Organization,
    Product,
    Provider,
    Replay,
    Topic,
)
from angarium_cli.dev.loader import ManifestLoader
from angarium_operator.planning import Key
from angarium_operator.planning.snapshot import NAMESPACE_NAME, SecretName

SUFFIXES = (".yaml", ".yml", ".json")
WORDS = {"missing": "must be set", "extra_forbidden": "there is no such field"}

Object = Product | Organization | Callback | Provider | Topic | Replay | CallbackTest
MODELS: dict[str, type[Object]] = {kind.__name__: kind for kind in KINDS}


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands; lines count from 1."""

    file: Path
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a document is not used."""

    place: Place
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.field}: {self.message}" if self.field else f"{self.place}: {self.message}"


@dataclass(frozen=True, slots=True)
class Manifest:
    """An object and where it was declared."""

    object: Object
    place: Place


@dataclass(slots=True)
class Reading:
    """All that a folder holds: what can be used, what can't, and what is none of ours but bears on it."""

    manifests: dict[Key, Manifest] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    namespaces: dict[str, dict[str, str]] = field(default_factory=dict)  # labels by name
    secrets: dict[SecretName, Mapping[str, str]] = field(default_factory=dict, repr=False)  # that aren't ours


def read_folder(folder: Path) -> Reading:
    """Read a folder, and as `kubectl apply -f` does not what is below it."""
    reading = Reading()
    for file in sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES):
        _read_file(file, reading)
    return reading


def _read_file(file: Path, reading: Reading) -> None:
    try:
        for value, node in _documents(file.read_text(encoding="utf-8")):
            _take(value, node, file, reading)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reading.problems.append(Problem(Place(file, mark.line + 1 if mark else 1), "", f"not YAML: {error.problem}"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reading.problems.append(Problem(Place(file, 1), "", f"not YAML: {str(error).splitlines()[0]}"))
    except OSError as error:
        reading.problems.append(Problem(Place(file, 1), "", f"can't be read: {error.strerror}"))


def _documents(text: str) -> Iterator[tuple[Any, yaml.Node]]:
    """Each object as plain data and as nodes, which know their lines; the items of a List one by one."""
    loader = ManifestLoader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            value = loader.construct_document(node) if node is not None else None
            if node is None or value is None:
                continue
            items = _child(node, "items")
            if isinstance(value, dict) and value.get("kind") == "List" and isinstance(items, yaml.SequenceNode):
                yield from zip(value["items"], items.value, strict=True)
            else:
                yield value, node
    finally:
        loader.dispose()


def _take(value: Any, node: yaml.Node, file: Path, reading: Reading) -> None:
    place = Place(file, node.start_mark.line + 1)
    if not isinstance(value, dict) or not isinstance(value.get("kind"), str):
        reading.problems.append(Problem(place, "kind", "must be set: this is no Kubernetes object"))
        return
    api_version, kind = str(value.get("apiVersion", "")), value["kind"]
    if api_version.partition("/")[0] != GROUP:
        _look_at(value, kind, node, place, reading)
        return
    if api_version != API_VERSION or kind not in MODELS:
        known = ", ".join(MODELS)
        reading.problems.append(Problem(place, "kind", f"{api_version} {kind} is unknown; {API_VERSION} has {known}"))
        return
    try:
        manifest = Manifest(MODELS[kind].model_validate(value), place)
    except ValidationError as error:
        reading.problems += [_problem(node, file, each) for each in error.errors(include_url=False)]
        return
    key = Key.of(manifest.object)
    if before := reading.manifests.get(key):
        reading.problems.append(Problem(place, "metadata.name", f"this object is declared at {before.place} already"))
        return
    reading.manifests[key] = manifest


def _look_at(value: dict[str, Any], kind: str, node: yaml.Node, place: Place, reading: Reading) -> None:
    """A document that is not ours: a Namespace's labels and a Secret matter, the rest is for kubectl alone."""
    metadata = value.get("metadata") if isinstance(value.get("metadata"), dict) else {}
    name, namespace = str((metadata or {}).get("name", "")), str((metadata or {}).get("namespace", "default"))
    match kind:
        case "Namespace":
            labels = (metadata or {}).get("labels") or {}
            reading.namespaces[name] = {NAMESPACE_NAME: name} | {str(k): str(v) for k, v in labels.items()}
        case "Secret":
            reading.secrets[SecretName(namespace, name)] = _secret(value, node, place.file, reading)
        case _:
            reading.skipped.append(f"{kind} at {place}")


def _secret(value: dict[str, Any], node: yaml.Node, file: Path, reading: Reading) -> dict[str, str]:
    """What a Secret holds, in the clear; what kubectl would refuse is named, without its value."""
    held: dict[str, str] = {}
    for part in ("data", "stringData"):  # the latter wins, as in the API server
        content = value.get(part) or {}
        for key, text in content.items() if isinstance(content, dict) else ():
            try:
                held[str(key)] = _text(text, encoded=part == "data")
            except ValueError as error:
                line, path = locate(node, (part, str(key)))
                reading.problems.append(Problem(Place(file, line), path, str(error)))
    return held


def _text(value: Any, *, encoded: bool) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text: put it in quotes")  # noqa: TRY004 - told as the other mistake is
    if not encoded:
        return value
    try:
        return base64.b64decode("".join(value.splitlines()), validate=True).decode(errors="replace")
    except binascii.Error:
        raise ValueError("must be base64; plain text belongs into stringData") from None


def _problem(node: yaml.Node, file: Path, error: Any) -> Problem:
    line, path = locate(node, error["loc"])
    return Problem(Place(file, line), path, WORDS.get(error["type"], error["msg"]))


def locate(node: yaml.Node, location: tuple[str | int, ...]) -> tuple[int, str]:
    """Line (from 1) and path of what a validation error speaks of; of a missing field, the line of its parent."""
    line, path = node.start_mark.line, ""
    here: yaml.Node | None = node
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
        mark = _mark(here, part)
        if mark is not None:
            line = mark.line
        here = _child(here, part)
    return line + 1, path.lstrip(".")


def _child(node: yaml.Node | None, part: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == part), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part]  # type: ignore[no-any-return]  # the stubs leave it open
    return None


def _mark(node: yaml.Node | None, part: str | int) -> yaml.Mark | None:
    if isinstance(node, yaml.MappingNode):
        return next((key.start_mark for key, _ in node.value if key.value == part), None)
    child = _child(node, part)
    return child.start_mark if child else None
