"""The kinds that the operator reads, and where the Kubernetes API serves them."""

from dataclasses import dataclass, replace

from angarium.resources import (
    GROUP,
    VERSION,
    Callback,
    CallbackTest,
    Organization,
    Product,
    Provider,
    Replay,
    Resource,
    Topic,
)
from angarium_operator.planning.actions import ANGARIUM, MANAGED_BY


@dataclass(frozen=True, slots=True)
class Kind:
    """`name` is ours; `model` is None for what isn't ours."""

    name: str
    group: str
    version: str
    plural: str
    model: type[Resource] | None = None
    namespaced: bool = True
    selector: str = ""  # of labels

    @property
    def title(self) -> str:
        """As manifests write it, of ours: `CallbackTest`."""
        return self.model.__name__ if self.model else self.name.capitalize()

    @property
    def plain(self) -> "Kind":
        """All of the kind, whatever its labels."""
        return replace(self, selector="")

    @property
    def api_version(self) -> str:
        """As manifests write it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def base(self) -> str:
        """The first part of its paths."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    def path(self, namespace: str = "", name: str = "") -> str:
        """Of one object, of a namespace's, or of all."""
        parts = [self.base]
        if namespace and self.namespaced:
            parts.append(f"namespaces/{namespace}")
        return "/".join([*parts, self.plural, *([name] if name else [])])


PRODUCT = Kind("product", GROUP, VERSION, "products", Product)
ORGANIZATION = Kind("organization", GROUP, VERSION, "organizations", Organization)
CALLBACK = Kind("callback", GROUP, VERSION, "callbacks", Callback)
PROVIDER = Kind("provider", GROUP, VERSION, "providers", Provider)
TOPIC = Kind("topic", GROUP, VERSION, "topics", Topic)
REPLAY = Kind("replay", GROUP, VERSION, "replays", Replay)
CALLBACK_TEST = Kind("callbacktest", GROUP, VERSION, "callbacktests", CallbackTest)
SECRET = Kind("secret", "", "v1", "secrets", selector=f"{MANAGED_BY}={ANGARIUM}")
LEASE = Kind("lease", "coordination.k8s.io", "v1", "leases")
NAMESPACE = Kind("namespace", "", "v1", "namespaces", namespaced=False)
OURS = (PRODUCT, ORGANIZATION, CALLBACK, PROVIDER, TOPIC, REPLAY, CALLBACK_TEST)
RESOURCES = {kind.name: kind for kind in OURS}


def watched_kinds(*, everywhere: bool) -> tuple[Kind, ...]:
    """What is watched; namespaces only by an operator that serves them all."""
    kinds = (*OURS, SECRET)
    return (NAMESPACE, *kinds) if everywhere else kinds
