"""What the operator must be allowed to do: helm/angarium/files/operator-rules.yaml, as questions to the API server."""

from collections.abc import Iterator
from dataclasses import dataclass

from angarium.resources import GROUP
from angarium_operator.kinds import RESOURCES


@dataclass(frozen=True, slots=True)
class Permission:
    """One verb on one resource (`products/status` with its subresource)."""

    group: str
    resource: str
    verb: str
    namespaced: bool = True

    @property
    def words(self) -> str:
        """`list products.angarium.dev`."""
        return f"{self.verb} {self.resource}" + (f".{self.group}" if self.group else "")

    def attributes(self, namespace: str) -> dict[str, str]:
        """Of an access review; an empty namespace means all."""
        resource, _, subresource = self.resource.partition("/")
        attributes = {"group": self.group, "resource": resource, "subresource": subresource, "verb": self.verb}
        return attributes | ({"namespace": namespace} if self.namespaced and namespace else {})


def permissions(*, everywhere: bool = True, callbacks: bool = True) -> list[Permission]:
    """`everywhere`: it serves all namespaces; `callbacks`: callers of the API may make Callbacks."""
    return list(_all(everywhere, callbacks))


def _all(everywhere: bool, callbacks: bool) -> Iterator[Permission]:
    plurals = [kind.plural for kind in RESOURCES.values()]
    for plural in plurals:
        yield from (Permission(GROUP, plural, verb) for verb in ("list", "watch"))
        yield Permission(GROUP, f"{plural}/status", "patch")
    yield from (Permission(GROUP, plural, "delete") for plural in ("replays", "callbacktests"))
    if callbacks:
        yield from (Permission(GROUP, "callbacks", verb) for verb in ("get", "create", "patch", "delete"))
    yield from (Permission("", "secrets", verb) for verb in ("get", "list", "watch", "create", "patch"))
    yield Permission("events.k8s.io", "events", "create")
    if everywhere:
        yield from (Permission("", "namespaces", verb, namespaced=False) for verb in ("list", "watch"))
