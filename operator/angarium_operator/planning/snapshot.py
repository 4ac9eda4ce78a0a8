"""What is known of the world, in memory: the objects, our Secrets, the published records, the data plane.

Only this module knows who depends on whom: `put`, `remove` and their kin answer with the keys of the objects for which
a new plan is due.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from ipaddress import IPv4Network, IPv6Network
from typing import NamedTuple

from angarium.identifiers import resource_id
from angarium.queue.census import CallbackHealth
from angarium.records import Record
from angarium.resources import (
    Callback,
    CallbackTest,
    Health,
    ObjectMeta,
    Organization,
    Product,
    Provider,
    Replay,
    Report,
    Resource,
    Topic,
)
from angarium.resources.topic import Integration
from angarium.sealing import Sealer
from angarium_operator.planning.dataplane import DataPlane
from angarium_operator.planning.orders import Progress
from angarium_operator.planning.packed import Packed, pack, unpack
from angarium_operator.planning.probes import Finding

NAMESPACE_NAME = "kubernetes.io/metadata.name"  # a label that each namespace bears
API_KEY_SUFFIX, SIGNING_SUFFIX, HASH_SUFFIX = "-angarium", "-signing", "-topic-hash"


class Key(NamedTuple):
    """Names an object; as text it is the key of its record: `callback/shop/warehouse`."""

    kind: str  # product, organization, callback, provider, topic, replay or callbacktest
    namespace: str
    name: str

    def __str__(self) -> str:
        return "/".join(self)

    @classmethod
    def of(cls, resource: Resource) -> "Key":
        """The key of an object."""
        return cls(type(resource).__name__.lower(), resource.metadata.namespace, resource.metadata.name)

    @classmethod
    def parse(cls, text: str) -> "Key":
        """Read a record's key."""
        kind, namespace, name = text.split("/")
        return cls(kind, namespace, name)


class SecretName(NamedTuple):
    """Names a Secret."""

    namespace: str
    name: str


class Claim(NamedTuple):
    """What one object alone may have: of an issuer, an audience; of a product, a path of topics."""

    within: str
    name: str


@dataclass(frozen=True, slots=True)
class ManagedSecret:
    """A Secret that bears our label. `owners` are the uids it belongs to; `data` is in the clear."""

    namespace: str
    name: str
    type: str
    data: Mapping[str, str] = field(repr=False)
    labels: Mapping[str, str] = field(default_factory=dict)
    owners: tuple[str, ...] = ()
    owner_names: tuple[tuple[str, str], ...] = ()  # kind and name of each owner


@dataclass(frozen=True, slots=True)
class Broken:
    """An object that is stored but can't be read, by a rule that is younger than it; `problem` in words."""

    metadata: ObjectMeta
    status: Report
    problem: str


@dataclass(frozen=True, slots=True)
class Published:
    """A record as it stands in the store; in `record` the revision is left out, for comparing.

    `since` is the revision from which on it says the same, but for keys and the like: who has applied that one uses
    this very spec.
    """

    revision: int
    since: int
    packed: bytes = field(repr=False)

    @property
    def record(self) -> Record:
        """It is opened for who looks at it."""
        return unpack(self.packed)  # type: ignore[return-value]  # `of` packs nothing else

    @classmethod
    def of(cls, revision: int, record: Record, before: "Published | None" = None) -> "Published":
        """As it stands after a publication, and before it."""
        same = before is not None and spec_of(before.record) == spec_of(record)
        return cls(revision, before.since if before is not None and same else revision, pack(record))

    def at(self, revision: int) -> "Published":
        """The same, published anew in a store that knew nothing of it."""
        return replace(self, revision=revision, since=revision)


def spec_of(record: Record) -> Record:
    """A record without what the operator adds of itself: keys, credentials, and whether the endpoint is gone."""
    ours = {
        "keys": (), "sealed_signing_keys": "", "sealed_credentials": "", "hash_sha256": "", "endpoint": "",
        "disabled": "",
    }  # fmt: skip
    return record.model_copy(update={name: value for name, value in ours.items() if name in type(record).model_fields})


class Endpoint(NamedTuple):
    """A callback as the queue knows it, and what its status says of it."""

    id: str
    health: Health


@dataclass(frozen=True)
class Policy:
    """What the operator was told by its settings."""

    gateway_url: str
    sealer: Sealer
    resealer: Sealer  # opens only what the current key has sealed
    gateway_ca: str = ""  # PEM of the authorities that callers must trust, where they don't anyway
    allowed: tuple[IPv4Network | IPv6Network, ...] = ()
    denied: tuple[IPv4Network | IPv6Network, ...] = ()
    allow_private: bool = False
    count_every: timedelta = timedelta(seconds=60)  # least time between two writes of mere counts into a status


@dataclass
class Snapshot:
    """What a plan looks at. `stored` is False while the store can't be used: nothing is published, no key is made."""

    policy: Policy
    objects: Packed[Key, Resource] = field(default_factory=Packed)
    endpoints: dict[Key, Endpoint] = field(default_factory=dict)  # of the callbacks among them, to be looked through
    broken: dict[Key, Broken] = field(default_factory=dict)
    secrets: dict[SecretName, ManagedSecret] = field(default_factory=dict)
    foreign: set[SecretName] = field(default_factory=set)  # found where ours should be, and not ours
    referred: dict[SecretName, Mapping[str, str] | None] = field(default_factory=dict, repr=False)
    """People's Secrets that providers refer to, as last read; None: there is none. What isn't here must be read."""
    findings: dict[Key, Finding] = field(default_factory=dict)  # what providers' accounts answered last
    progress: dict[Key, Progress] = field(default_factory=dict)  # of replays and tests, as it was told last
    namespaces: dict[str, Mapping[str, str]] = field(default_factory=dict)
    published: dict[Key, Published] = field(default_factory=dict)
    stored: bool = True
    plane: DataPlane = field(default_factory=DataPlane)
    health: Mapping[str, CallbackHealth] = field(default_factory=dict)  # by callback id
    pending: dict[Key, str] = field(default_factory=dict)  # keys that are made and not yet in their Secret
    counted: dict[Key, datetime] = field(default_factory=dict)  # when counts were last written into the status
    written: dict[Key, int] = field(default_factory=dict)  # hashes of the statuses that we wrote last
    restored: set[Key] = field(default_factory=set)  # products to be told that Redis had lost all records
    _dependants: defaultdict[Key, set[Key]] = field(default_factory=lambda: defaultdict(set))
    _secret_users: defaultdict[SecretName, set[Key]] = field(default_factory=lambda: defaultdict(set))
    _secret_readers: defaultdict[SecretName, set[Key]] = field(default_factory=lambda: defaultdict(set))
    _claimants: defaultdict[Claim, set[Key]] = field(default_factory=lambda: defaultdict(set))

    def put(self, resource: Resource) -> set[Key]:
        """Take in an object, new or changed."""
        key = Key.of(resource)
        before = self.objects.get(key)
        rivals = self._rivals(before) | self._rivals(resource)
        if before is not None:
            self._unlink(key, before)
        self.broken.pop(key, None)
        self.objects[key] = resource
        if isinstance(resource, Callback):
            id_ = resource_id("cbk", resource.metadata.uid)
            self.endpoints[key] = Endpoint(id_, resource.status.health or "Unknown")
        self._link(key, resource)
        return {key} | (self._around(key) | rivals if _matters(before, resource) else set())

    def put_broken(self, key: Key, broken: Broken) -> set[Key]:
        """Take in an object that can't be read; what it was before stays in use."""
        self.broken[key] = broken
        return {key}

    def remove(self, key: Key) -> set[Key]:
        """Forget an object."""
        around = self._around(key) | self._rivals(self.objects.get(key))
        self.broken.pop(key, None)
        self.counted.pop(key, None)
        self.written.pop(key, None)
        self.restored.discard(key)
        self.pending.pop(key, None)
        self.findings.pop(key, None)
        self.endpoints.pop(key, None)
        self.progress.pop(key, None)
        if (before := self.objects.pop(key, None)) is not None:
            self._unlink(key, before)
        return {key} | around

    def put_secret(self, secret: ManagedSecret) -> set[Key]:
        """Take in a Secret of ours."""
        name = SecretName(secret.namespace, secret.name)
        self.foreign.discard(name)
        self.secrets[name] = secret
        return set(self._secret_users.get(name, ()))

    def remove_secret(self, name: SecretName) -> set[Key]:
        """Forget a Secret."""
        self.secrets.pop(name, None)
        return set(self._secret_users.get(name, ()))

    def put_referred(self, name: SecretName, data: Mapping[str, str] | None) -> set[Key]:
        """Take in a Secret that was read for whoever refers to it, or that there is none."""
        readers = self.secret_readers(name)
        if readers:  # else nobody wants it any more
            self.referred[name] = data
        return readers

    def doubt_referred(self, *names: SecretName) -> set[Key]:
        """Secrets may be other ones now: who refers to them must have them read."""
        for name in names:
            self.referred.pop(name, None)
        return {key for name in names for key in self.secret_readers(name)}

    def referred_secrets(self) -> tuple[SecretName, ...]:
        """All that somebody refers to."""
        return tuple(self._secret_readers)

    def put_finding(self, key: Key, finding: Finding) -> set[Key]:
        """Take in what an account answered."""
        if key not in self.objects:
            return set()
        self.findings[key] = finding
        return {key}

    def put_progress(self, key: Key, progress: Progress) -> set[Key]:
        """Take in how far a replay or a test is."""
        if key not in self.objects:
            return set()
        self.progress[key] = progress
        return {key}

    def put_namespace(self, name: str, labels: Mapping[str, str]) -> set[Key]:
        """Take in a namespace's labels; those of its objects that refer to another namespace are concerned."""
        if self.namespaces.get(name) == labels:
            return set()
        self.namespaces[name] = labels
        away = (users for target, users in self._dependants.items() if target.namespace != name)
        return {key for users in away for key in users if key.namespace == name}

    def labels_of(self, namespace: str) -> Mapping[str, str]:
        """The labels of a namespace; where they can't be read, the one that each bears."""
        return self.namespaces.get(namespace) or {NAMESPACE_NAME: namespace}

    def everything(self) -> Iterator[Key]:
        """All objects."""
        yield from self.objects
        yield from (key for key in self.broken if key not in self.objects)

    def secret_users(self, name: SecretName) -> set[Key]:
        """The objects that want to write this Secret."""
        return set(self._secret_users.get(name, ()))

    def secret_readers(self, name: SecretName) -> set[Key]:
        """The objects that refer to this Secret, which is somebody else's."""
        return set(self._secret_readers.get(name, ()))

    def claimants(self, claim: Claim) -> set[Key]:
        """The objects that want to have this."""
        return set(self._claimants.get(claim, ()))

    def _rivals(self, resource: Resource | None) -> set[Key]:
        claim = claim_of(resource)
        return self.claimants(claim) if claim is not None else set()

    def callbacks_of(self, owner: Key) -> Iterator[Callback]:
        """The callbacks that refer to a product or an organization itself."""
        found = (self.objects.get(key) for key in self._dependants.get(owner, ()))
        yield from (each for each in found if isinstance(each, Callback))

    def _around(self, key: Key) -> set[Key]:
        """Who depends on an object, directly or through an organization."""
        direct = set(self._dependants.get(key, ()))
        return direct.union(*(self._dependants.get(k, ()) for k in direct if k.kind == "organization"))

    def _link(self, key: Key, resource: Resource) -> None:
        for target in references(key, resource):
            self._dependants[target].add(key)
        if name := referred_secret(resource):
            self._secret_readers[name].add(key)
        if own := own_secret(resource):
            self._secret_users[own].add(key)
        if (claim := claim_of(resource)) is not None:
            self._claimants[claim].add(key)

    def _unlink(self, key: Key, resource: Resource) -> None:
        for target in references(key, resource):
            _discard(self._dependants, target, key)
        if own := own_secret(resource):
            _discard(self._secret_users, own, key)
        if name := referred_secret(resource):
            _discard(self._secret_readers, name, key)
            if name not in self._secret_readers:
                self.referred.pop(name, None)
        if (claim := claim_of(resource)) is not None:
            _discard(self._claimants, claim, key)


def claim_of(resource: Resource | None) -> Claim | None:
    """Whose tokens a product wants to take, beside those of its own; or where a topic wants to be posted to."""
    match resource:
        case Product(spec=spec) if spec.jwt is not None:
            return Claim(spec.jwt.issuer, spec.jwt.audience)
        case Topic(spec=spec):
            return Claim(str(references(Key.of(resource), resource)[0]), spec.path)
        case _:
            return None


def _discard(
    index: defaultdict[Key, set[Key]] | defaultdict[SecretName, set[Key]] | defaultdict[Claim, set[Key]],
    at: Key | SecretName | Claim,
    key: Key,
) -> None:
    found = index[at]  # type: ignore[index]  # each index is asked for its own kind of key
    found.discard(key)
    if not found:
        del index[at]  # type: ignore[arg-type]  # likewise


def references(key: Key, resource: Resource) -> tuple[Key, ...]:
    """What an object refers to."""
    match resource:
        case Organization(spec=spec) | Provider(spec=spec):
            return (Key("product", spec.product_ref.namespace or key.namespace, spec.product_ref.name),)
        case Callback(spec=spec) if spec.product_ref is not None:
            return (Key("product", spec.product_ref.namespace or key.namespace, spec.product_ref.name),)
        case Callback(spec=spec) if spec.organization_ref is not None:
            return (Key("organization", key.namespace, spec.organization_ref.name),)
        case Replay(spec=spec):
            product = Key("product", spec.product_ref.namespace or key.namespace, spec.product_ref.name)
            chosen = [Key("callback", each.namespace or key.namespace, each.name) for each in spec.select.callback_refs]
            return (product, *chosen)
        case CallbackTest(spec=spec):
            return (Key("callback", key.namespace, spec.callback_ref.name),)
        case Topic(spec=spec):
            product = Key("product", spec.product_ref.namespace or key.namespace, spec.product_ref.name)
            return (product, *(integration_key(key, each) for each in spec.integrations))
        case _:
            return ()


def integration_key(key: Key, integration: Integration) -> Key:
    """The provider or callback that an integration of a topic refers to."""
    kind, named = (
        ("provider", integration.provider_ref) if integration.provider_ref else ("callback", integration.callback_ref)
    )
    if named is None:
        raise TypeError(f"{integration.name} refers to nothing")
    return Key(kind, named.namespace or key.namespace, named.name)


def referred_secret(resource: Resource) -> SecretName | None:
    """The Secret of somebody's that an object refers to: where a provider's credentials come from."""
    reference = resource.spec.secret_ref if isinstance(resource, Provider) else None
    return SecretName(resource.metadata.namespace, reference.name) if reference else None


def own_secret(resource: Resource) -> SecretName | None:
    """The Secret that the operator makes for an object, where it makes one."""
    if isinstance(resource, Provider | Replay | CallbackTest) or (
        isinstance(resource, Topic) and not resource.spec.hash_required
    ):
        return None
    return secret_name(resource)


def secret_name(resource: Resource) -> SecretName:
    """The Secret that an object's key goes to, or a topic's hash."""
    name, namespace = resource.metadata.name, resource.metadata.namespace
    match resource:
        case Product(spec=spec) | Organization(spec=spec):
            return SecretName(namespace, spec.credentials.secret_name or name + API_KEY_SUFFIX)
        case Callback(spec=spec):
            return SecretName(namespace, spec.signing.secret_name or name + SIGNING_SUFFIX)
        case Topic(spec=spec) if spec.topic_hash is not None:
            return SecretName(namespace, spec.topic_hash.secret_name or name + HASH_SUFFIX)
        case _:
            raise TypeError(f"{type(resource).__name__} has no Secret")


def _matters(before: Resource | None, after: Resource) -> bool:
    """Whether those who refer to an object must look again: not for a change of its status."""
    if before is None:
        return True
    old, new = before.metadata, after.metadata
    return (old.uid, old.generation, old.deletion_timestamp) != (new.uid, new.generation, new.deletion_timestamp)
