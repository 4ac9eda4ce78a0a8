"""Who may send, and who must hear: the gateway's view of the config, in memory and kept current change by change.

A tenant is a product or an organization. Callbacks may become known before their tenant and outlive it, so they are
kept by tenant id on their own.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from angarium.identifiers import route_id
from angarium.notifications import Target
from angarium.patterns import PatternIndex
from angarium.records import (
    AnyRecord,
    CallbackRecord,
    IssuerRecord,
    KeyRecord,
    OrganizationRecord,
    ProductRecord,
    ProviderRecord,
    TopicRecord,
)
from angarium.tokens import read_public

K = TypeVar("K")
V = TypeVar("V")
MOST_ROUTES = 64  # events of a tenant whose callbacks are remembered


@dataclass(frozen=True, slots=True)
class Tenant:
    """A product or an organization, as far as requests need it; `product` and `organization` are namespace/name."""

    id: str
    namespace: str
    product: str
    product_id: str
    organization: str | None
    requests_per_second: int | None
    backlog: int | None
    retention_s: int
    weight: int = 1
    replicated: bool = False
    suspended: bool = False

    @property
    def owner(self) -> str:
        """Whose `spec.suspend` it may be that holds it up."""
        product = f"product {self.product}"
        return f"organization {self.organization} or its {product}" if self.organization else product

    def short(self, callback: str) -> str:
        """A callback's `namespace/name` as this tenant calls it: without the namespace where it is its own."""
        return callback.removeprefix(f"{self.namespace}/")


@dataclass(frozen=True, slots=True)
class Caller:
    """A tenant, and the key it came with; `label` is who did it, as timelines show it.

    `scopes` is None for an API key, which may do everything; `subject` is whom a token was made for.
    """

    tenant: Tenant
    key: KeyRecord
    label: str
    scopes: frozenset[str] | None = None
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class TokenKey:
    """A key that tokens of a tenant are signed with."""

    record: KeyRecord
    public: Ed25519PublicKey


@dataclass(frozen=True, eq=False, slots=True)
class Trust:
    """Whose tokens are taken for a tenant; another object as soon as anything in its record changes."""

    tenant: Tenant
    keys: dict[str, TokenKey]
    jwt: IssuerRecord | None


class Subscriptions:
    """One tenant's callbacks."""

    __slots__ = ("_index", "_routes", "by_name")

    def __init__(self) -> None:
        self.by_name: dict[str, CallbackRecord] = {}  # namespace/name
        self._index: PatternIndex[Target] = PatternIndex()
        self._routes: dict[str, tuple[Target, ...]] = {}  # those that were asked for lately

    def put(self, record: CallbackRecord) -> None:
        """Add a callback that is not there; a disabled one is known but not routed to."""
        self._routes.clear()
        target = _target(record)
        self.by_name[target.name] = record
        if not record.disabled:
            for pattern in record.events:
                self._index.add(pattern, target)

    def drop(self, record: CallbackRecord) -> None:
        """Take a callback out."""
        self._routes.clear()
        target = _target(record)
        self.by_name.pop(target.name, None)
        for pattern in record.events:
            self._index.discard(pattern, target)

    def route(self, event: str) -> tuple[Target, ...]:
        """Who is to hear of an event."""
        targets = self._routes.get(event)
        if targets is None:
            if len(self._routes) >= MOST_ROUTES:  # event names are the caller's to invent
                self._routes.clear()
            targets = self._routes[event] = tuple(self._index.match(event))
        return targets


NOBODY = Subscriptions()


class Directory:
    """`apply` is a listener of ConfigTail."""

    def __init__(self) -> None:
        self._records: dict[str, AnyRecord] = {}
        self._callers: dict[str, Caller] = {}  # by the SHA-256 of their key
        self._expiring: dict[str, Caller] = {}  # those of them whose key is to end
        self._used: dict[tuple[str, str], float] = {}  # when these were last seen, by tenant and key id
        self._trusts: dict[str, Trust] = {}  # by tenant id, which is the issuer of its own tokens
        self._trusting: dict[str, dict[str, Trust]] = {}  # by the issuer's URL, then by tenant id
        self._subscriptions: dict[str, Subscriptions] = {}
        self._providers: dict[str, dict[str, ProviderRecord]] = {}  # by id of their product, then by key
        self._carriers: dict[str, ProviderRecord] = {}  # by id
        self._topics: dict[tuple[str, str], dict[str, TopicRecord]] = {}  # by product's id and path, then by key

    def trust(self, tenant: str) -> Trust | None:
        """Whose tokens are taken for a tenant."""
        return self._trusts.get(tenant)

    def trusting(self, issuer: str) -> tuple[Trust, ...]:
        """The tenants that take an issuer's tokens."""
        return tuple(self._trusting.get(issuer, {}).values())

    def issuers(self) -> Iterable[IssuerRecord]:
        """All whose tokens anybody takes."""
        return (each.jwt for trusts in self._trusting.values() for each in trusts.values() if each.jwt is not None)

    def caller(self, sha256: str) -> Caller | None:
        """Whose key has that hash."""
        return self._callers.get(sha256)

    @property
    def expiring(self) -> tuple[Caller, ...]:
        """Whose key is to end."""
        return tuple(self._expiring.values())

    def note_use(self, caller: Caller, now: float) -> None:
        """Of a key that is to end, or of a token signed beside it; `now` in epoch seconds."""
        self._used[caller.tenant.id, caller.key.id] = now

    def last_use(self, caller: Caller) -> float | None:
        """Epoch seconds; None: never here."""
        return self._used.get((caller.tenant.id, caller.key.id))

    def subscriptions(self, tenant: str) -> Subscriptions:
        """A tenant's callbacks."""
        return self._subscriptions.get(tenant, NOBODY)

    def channels(self, tenant: Tenant) -> set[str]:
        """What a tenant can send by, besides its callbacks."""
        return {
            channel for record in self._providers.get(tenant.product_id, {}).values() for channel in record.channels
        }

    def carriers(self, tenant: Tenant, target: Target) -> list[ProviderRecord]:
        """Who carries a recipient's channel, as deliverers try them: the first first; of a topic's the one it names."""
        own = [
            record for record in self._providers.get(tenant.product_id, {}).values() if target.name in record.channels
        ]
        if target.id != route_id(tenant.id, target.name):
            own = [
                each for each in own if route_id(tenant.id, target.name, f"{each.namespace}/{each.name}") == target.id
            ]
        return sorted(own, key=lambda record: (record.suspended, -record.priority, record.key))

    def provider(self, id_: str) -> ProviderRecord | None:
        """By its id."""
        return self._carriers.get(id_)

    def topic(self, product: str, path: str) -> TopicRecord | None:
        """A product's topic; while one takes over a path from another, either."""
        return next(iter(self._topics.get((product, path), {}).values()), None)

    def apply(self, changes: dict[str, AnyRecord | None]) -> None:
        """Follow changes: the new record by its key, or None where it was deleted."""
        for key in changes:
            self._forget(self._records.pop(key, None))
        for key, record in changes.items():
            if record is not None:
                self._records[key] = record
                self._learn(record)
        if self._used:
            known = {(caller.tenant.id, caller.key.id) for caller in self._expiring.values()}
            self._used = {which: at for which, at in self._used.items() if which in known}

    def _learn(self, record: AnyRecord) -> None:
        if isinstance(record, CallbackRecord):
            self._subscriptions.setdefault(record.tenant, Subscriptions()).put(record)
        elif isinstance(record, ProviderRecord):
            self._providers.setdefault(record.product_id, {})[record.key] = record
            self._carriers[record.id] = record
        elif isinstance(record, TopicRecord):
            self._topics.setdefault((record.product_id, record.path), {})[record.key] = record
        else:
            tenant = _tenant(record)
            for key in record.keys:
                self._callers[key.sha256] = caller = Caller(tenant, key, f"key {key.id}")
                if key.expires_ms is not None:
                    self._expiring[key.sha256] = caller
            self._trust(record, tenant)

    def _trust(self, record: ProductRecord | OrganizationRecord, tenant: Tenant) -> None:
        keys = {key.id: TokenKey(key, read_public(key.public_key)) for key in record.keys if key.public_key}
        issuer = record.jwt if isinstance(record, ProductRecord) else None
        self._trusts[tenant.id] = trust = Trust(tenant, keys, issuer)
        if issuer is not None:
            self._trusting.setdefault(issuer.issuer, {})[tenant.id] = trust

    def _distrust(self, tenant: str) -> None:
        trust = self._trusts.pop(tenant, None)
        if trust is not None and trust.jwt is not None:
            others = self._trusting[trust.jwt.issuer]
            del others[tenant]
            if not others:
                del self._trusting[trust.jwt.issuer]

    def _forget(self, record: AnyRecord | None) -> None:
        if record is None:
            return
        if isinstance(record, CallbackRecord):
            own = self._subscriptions[record.tenant]
            own.drop(record)
            if not own.by_name:
                del self._subscriptions[record.tenant]
            return
        if isinstance(record, ProviderRecord):
            self._carriers.pop(record.id, None)
            _drop(self._providers, record.product_id, record.key)
            return
        if isinstance(record, TopicRecord):
            _drop(self._topics, (record.product_id, record.path), record.key)
            return
        self._distrust(record.id)
        for key in record.keys:
            known = self._callers.get(key.sha256)
            if known is not None and known.tenant.id == record.id:
                del self._callers[key.sha256]
                self._expiring.pop(key.sha256, None)


def _drop(index: dict[K, dict[str, V]], at: K, key: str) -> None:
    """Take one out, and its place once that is empty."""
    del index[at][key]
    if not index[at]:
        del index[at]


def _target(record: CallbackRecord) -> Target:
    return Target(record.id, f"{record.namespace}/{record.name}")


def _tenant(record: ProductRecord | OrganizationRecord) -> Tenant:
    own = f"{record.namespace}/{record.name}"
    organization = isinstance(record, OrganizationRecord)
    return Tenant(
        id=record.id,
        namespace=record.namespace,
        product=record.product if isinstance(record, OrganizationRecord) else own,
        product_id=record.product_id if isinstance(record, OrganizationRecord) else record.id,
        organization=own if organization else None,
        requests_per_second=record.requests_per_second,
        backlog=record.backlog,
        retention_s=record.retention_s,
        weight=record.weight if isinstance(record, OrganizationRecord) else 1,
        replicated=record.replicated,
        suspended=record.suspended,
    )
