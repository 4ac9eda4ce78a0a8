"""What Secrets hold, whose they are, and whether one was edited."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from angarium import tokens
from angarium.apikeys import key_id
from angarium.identifiers import resource_id
from angarium.resources import Organization, Product, Resource
from angarium_operator.planning.actions import Announcement, OwnerReference, SecretContent
from angarium_operator.planning.snapshot import ManagedSecret, Policy, SecretName, Snapshot, secret_name
from angarium_operator.planning.verdicts import PENDING, Verdict, no

BINDING_TYPE = "servicebinding.io/angarium"
SIGNING_TYPE = "angarium.dev/signing"
DEFAULT_PORTS = {"http": "80", "https": "443"}
PASSING = frozenset({"previous-signing-key", "public-key", "certificates"})  # not always there: see who writes them
WHERE = frozenset({"uri", "host", "port", "certificates"})  # what a setting of ours changes, not a person
FOR_TOKENS = frozenset({tokens.PRIVATE_KEY, tokens.KEY_ID, tokens.ISSUER})  # a Secret may be older than they are


def binding_data(resource: Resource, product: Product, key: str, policy: Policy) -> dict[str, str]:
    """By the Service Binding specification, and what mints tokens: `jwt-issuer` is whom they act for."""
    url = urlsplit(policy.gateway_url)
    data = {
        "type": "angarium",
        "provider": "angarium",
        "uri": policy.gateway_url.rstrip("/"),
        "host": url.hostname or "",
        "port": str(url.port or DEFAULT_PORTS[url.scheme]),
        "api-key": key,
        "key-id": key_id(key) or "",
        tokens.PRIVATE_KEY: tokens.token_key(key).private,
        tokens.KEY_ID: key_id(key) or "",
        tokens.ISSUER: resource_id("org" if isinstance(resource, Organization) else "prd", resource.metadata.uid),
        "product": product.metadata.name,
    }
    if isinstance(resource, Organization):
        data["organization"] = resource.metadata.name
    if policy.gateway_ca:
        data["certificates"] = policy.gateway_ca
    return data


def owner(resource: Resource) -> OwnerReference:
    """An object as owner."""
    return OwnerReference(type(resource).__name__, resource.metadata.name, resource.metadata.uid)


def ours(snapshot: Snapshot, resource: Resource) -> ManagedSecret | None:
    """The object's Secret, if it is there and belongs to it, or to nobody any more."""
    found = snapshot.secrets.get(secret_name(resource))
    return found if found is not None and (resource.metadata.uid in found.owners or not found.owners) else None


def conflict(snapshot: Snapshot, resource: Resource, field: str, type_: str) -> Verdict | None:
    """What stands where our Secret should, or None. One that was ours and lost its owner is taken back."""
    name = secret_name(resource)
    found = snapshot.secrets.get(name)
    kind = type(resource).__name__
    if found is not None and resource.metadata.uid not in found.owners:
        if (kind, resource.metadata.name) in found.owner_names:
            return no(PENDING, f'the secret "{name.name}" of a former {kind.lower()} of this name is being deleted')
        if found.owners or (found.type != type_):
            return _taken(name, field)
    if found is None and name in snapshot.foreign:
        return _taken(name, field)
    return None


def _taken(name: SecretName, field: str) -> Verdict:
    return no(
        "SecretConflict",
        f'secret "{name.name}" exists and is not managed by angarium; rename it or set spec.{field}.secretName',
    )


def content(snapshot: Snapshot, resource: Resource, type_: str, data: dict[str, str]) -> SecretContent | None:
    """The Secret to write; None where it stands as it should."""
    name = secret_name(resource)
    found = snapshot.secrets.get(name)
    wanted = SecretContent(*name, type_, owner(resource), data, exists=found is not None)
    return None if found is not None and not _differs(found, wanted) else wanted


def _differs(found: ManagedSecret, wanted: SecretContent) -> bool:
    return (
        wanted.owner.uid not in found.owners
        or any(found.labels.get(name) != value for name, value in wanted.labels.items())
        or any(found.data.get(name) != value for name, value in wanted.data.items())
        or bool(stale(found.data, wanted.data))
    )


def stale(found: Mapping[str, str], wanted: Mapping[str, str]) -> set[str]:
    """What we once wrote and no longer do."""
    return set(PASSING & found.keys() - wanted.keys())


def repairs(found: ManagedSecret | None, wanted: SecretContent | None) -> tuple[str, ...]:
    """What a person changed of it other than the key, by name; none where nothing is to be written."""
    if found is None or wanted is None:
        return ()
    changed = {name for name, value in wanted.data.items() if found.data.get(name) != value}
    if not FOR_TOKENS & found.data.keys():
        changed -= FOR_TOKENS
    words = sorted((changed | stale(found.data, wanted.data)) - WHERE)
    words += [f"its label {name}" for name, value in wanted.labels.items() if found.labels.get(name) != value]
    return (*words, "its owner") if wanted.owner.uid not in found.owners else tuple(words)


def repaired(secret: SecretContent, words: tuple[str, ...]) -> Announcement:
    """What is said of it."""
    note = f'the secret "{secret.name}" was edited; restored: {", ".join(words)}'
    return Announcement("Warning", "SecretRepaired", note)
