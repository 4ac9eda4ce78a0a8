"""Writes the CRDs from the models, and tells whether the written ones are fresh.

python -m angarium.resources.crds --write DIR...    python -m angarium.resources.crds --check DIR...
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from angarium.resources.callback import Callback
from angarium.resources.callbacktest import CallbackTest
from angarium.resources.meta import GROUP, VERSION, Resource, Status
from angarium.resources.organization import Organization
from angarium.resources.product import Product
from angarium.resources.provider import Provider
from angarium.resources.replay import Replay
from angarium.resources.schema import structural_schema
from angarium.resources.topic import Topic

HEADER = "# Made from core/angarium/resources by `make crds`; change it there.\n"


@dataclass(frozen=True, slots=True)
class Column:
    """What `kubectl get` shows; `wide` columns only with -o wide."""

    name: str
    path: str
    type: str = "string"
    wide: bool = False
    description: str = ""

    def as_json(self) -> dict[str, Any]:
        """The entry in additionalPrinterColumns."""
        entry: dict[str, Any] = {"name": self.name, "jsonPath": self.path, "type": self.type}
        if self.description:
            entry["description"] = self.description
        return entry | {"priority": 1} if self.wide else entry


def _of(type_: str, part: str) -> str:
    return f'.status.conditions[?(@.type=="{type_}")].{part}'


def _of_ready(part: str) -> str:
    return _of("Ready", part)


READY = Column("Ready", _of_ready("status"), description="The live gateways and deliverers use this very spec.")
AGE = Column("Age", ".metadata.creationTimestamp", "date")
WHY = (Column("Reason", _of_ready("reason"), wide=True), Column("Message", _of_ready("message"), wide=True))


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind and how people meet it in kubectl."""

    model: type[Resource]
    plural: str
    short: str
    columns: tuple[Column, ...]
    selectable: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`Callback`."""
        return self.model.__name__

    @property
    def file(self) -> str:
        """The file that holds its CRD."""
        return f"{self.plural}.{GROUP}.yaml"

    @property
    def labels(self) -> dict[str, str]:
        """Of its CRD; tools that bind services (Service Binding) find the Secret through status.binding."""
        labels = {"app.kubernetes.io/part-of": "angarium"}
        status = self.model.model_fields["status"].annotation
        binds = isinstance(status, type) and issubclass(status, Status)
        return labels | {"servicebinding.io/provisioned-service": "true"} if binds else labels


KINDS = (
    Kind(
        Product,
        "products",
        "aprod",
        (READY, Column("ID", ".status.productID"), Column("Display name", ".spec.displayName"), AGE, *WHY),
    ),
    Kind(
        Organization,
        "organizations",
        "aorg",
        (READY, Column("Product", ".spec.productRef.name"), Column("ID", ".status.organizationID"), AGE, *WHY),
        selectable=(".spec.productRef.name",),
    ),
    Kind(
        Callback,
        "callbacks",
        "acb",
        (
            READY,
            Column("Health", ".status.health"),
            Column("Backlog", ".status.backlog", "integer", description="Deliveries that wait for it."),
            Column("Last delivered", ".status.lastDeliveredTime", "date"),
            Column("URL", ".status.url"),
            AGE,
            *WHY,
        ),
        selectable=(".spec.productRef.name", ".spec.organizationRef.name", ".status.health"),
    ),
    Kind(
        Provider,
        "providers",
        "prov",
        (
            READY,
            Column("Type", ".status.type"),
            Column("Channels", ".status.channels"),
            Column("Product", ".spec.productRef.name"),
            Column("Authenticated", _of("Authenticated", "status"), description="Its credentials were accepted."),
            AGE,
            *WHY,
        ),
        selectable=(".spec.productRef.name", ".status.type"),
    ),
    Kind(
        Topic,
        "topics",
        "atop",
        (
            READY,
            Column("Path", ".spec.path"),
            Column("Product", ".spec.productRef.name"),
            Column("Examples", ".status.rendered", "integer", description="How many were rendered."),
            AGE,
            *WHY,
        ),
        selectable=(".spec.productRef.name", ".spec.path"),
    ),
    Kind(
        Replay,
        "replays",
        "areplay",
        (
            Column("Complete", _of("Complete", "status"), description="All that it is for is back in line."),
            Column("Reason", _of("Complete", "reason"), description="What it does, or what it waits for."),
            Column("Matched", ".status.matched", "integer", description="Deliveries that it is for."),
            Column("Redriven", ".status.redriven", "integer", description="How many are back in line."),
            AGE,
            Column("Dry run", ".spec.dryRun", "boolean", wide=True),
            Column("Left out", ".status.leftOut", "integer", wide=True),
            Column("Message", _of("Complete", "message"), wide=True),
        ),
        selectable=(".spec.productRef.name",),
    ),
    Kind(
        CallbackTest,
        "callbacktests",
        "acbt",
        (
            Column("Succeeded", _of("Succeeded", "status"), description="The receiver took it."),
            Column("Reason", _of("Succeeded", "reason"), description="Why not, or what it waits for."),
            Column("Callback", ".spec.callbackRef.name"),
            Column("HTTP", ".status.httpStatus", "integer", description="The status of the answer."),
            Column("ms", ".status.phases.totalMs", "integer", description="How long all of it took."),
            AGE,
            Column("Address", ".status.address", wide=True),
            Column("Message", _of("Succeeded", "message"), wide=True),
        ),
        selectable=(".spec.callbackRef.name",),
    ),
)


def crd(kind: Kind) -> dict[str, Any]:
    """The CustomResourceDefinition of a kind."""
    version: dict[str, Any] = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": _schema(kind.model)},
        "subresources": {"status": {}},
        "additionalPrinterColumns": [column.as_json() for column in kind.columns],
    }
    if kind.selectable:
        version["selectableFields"] = [{"jsonPath": path} for path in kind.selectable]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}", "labels": kind.labels},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": kind.plural,
                "singular": kind.name.lower(),
                "shortNames": [kind.short],
                "categories": ["angarium"],
            },
            "versions": [version],
        },
    }


def _schema(model: type[Resource]) -> dict[str, Any]:
    schema = structural_schema(model)
    properties = schema["properties"]
    del properties["metadata"]
    for name in ("apiVersion", "kind"):
        properties[name] = {"type": "string"}  # the server checks them itself
    schema["required"] = [name for name in schema.get("required", []) if name != "metadata"]
    if "spec" not in schema["required"]:
        properties["spec"]["default"] = {}  # so that rules comparing old and new always find a spec
    # Else tools that wait (kstatus) would take what nobody has looked at yet for something that is as it should be.
    properties["status"]["default"] = {"observedGeneration": -1}
    if not schema["required"]:
        del schema["required"]
    return schema


def documents() -> dict[str, str]:
    """File names and their YAML."""
    import yaml  # of the dev extra: only the repository writes CRDs

    return {
        kind.file: HEADER + yaml.safe_dump(crd(kind), sort_keys=True, width=120, allow_unicode=True) for kind in KINDS
    }


def write(folders: Iterable[Path]) -> None:
    """Write all files into each folder."""
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in documents().items():
            (folder / name).write_text(text)


def stale(folders: Iterable[Path]) -> list[Path]:
    """The files that are missing, differ, or belong to no kind any more."""
    wanted = {folder / name: text for folder in folders for name, text in documents().items()}
    differing = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    return differing + [p for f in {p.parent for p in wanted} for p in sorted(f.glob("*.yaml")) if p not in wanted]


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 1 names the stale files."""
    parser = argparse.ArgumentParser(prog="python -m angarium.resources.crds", description="Write or check the CRDs.")
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", nargs="+", type=Path, metavar="DIR", help="write them into each folder")
    action.add_argument("--check", nargs="+", type=Path, metavar="DIR", help="fail when a written one is stale")
    options = parser.parse_args(arguments)
    if options.write:
        write(options.write)
        return 0
    found = stale(options.check)
    for path in found:
        sys.stderr.write(f"{path} is stale: run `make crds`\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
