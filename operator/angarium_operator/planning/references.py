"""Following references: to a Product that admits the namespace, or to an Organization of the same one."""

from typing import NamedTuple

from angarium.resources import Callback, Organization, Product, Replay, Resource, Topic
from angarium_operator.planning.snapshot import Key, Snapshot, references
from angarium_operator.planning.verdicts import Verdict, no, yes

RESOLVED = yes("ResolvedRefs", "all references lead to something")


class Resolved(NamedTuple):
    """What an object refers to; `product` is None where the verdict isn't good."""

    verdict: Verdict
    product: Product | None = None
    organization: Organization | None = None


def resolve(snapshot: Snapshot, key: Key, resource: Resource) -> Resolved:
    """Follow an object's references as far as they lead."""
    match resource:
        case Product():
            return Resolved(RESOLVED, resource)
        case Callback(spec=spec) if spec.organization_ref is not None:
            (target,) = references(key, resource)
            organization = _present(snapshot, target)
            if not isinstance(organization, Organization):
                return Resolved(_missing(target))
            return resolve(snapshot, target, organization)._replace(organization=organization)
        case Topic() | Replay():
            return _product(snapshot, key, references(key, resource)[0])
        case _:
            (target,) = references(key, resource)
            return _product(snapshot, key, target)


def _product(snapshot: Snapshot, key: Key, target: Key) -> Resolved:
    product = _present(snapshot, target)
    if not isinstance(product, Product):
        return Resolved(_missing(target))
    admitted = product.spec.allowed_namespaces.admits(
        target.namespace, key.namespace, snapshot.labels_of(key.namespace)
    )
    if not admitted:
        return Resolved(
            no(
                "NamespaceNotAllowed",
                f'product "{target.name}" in namespace "{target.namespace}" does not admit namespace'
                f' "{key.namespace}" in its spec.allowedNamespaces',
            )
        )
    return Resolved(RESOLVED, product)


def _present(snapshot: Snapshot, key: Key) -> Resource | None:
    found = snapshot.objects.get(key)
    return found if found is not None and found.metadata.deletion_timestamp is None else None


def _missing(target: Key) -> Verdict:
    return no(
        f"{target.kind.capitalize()}NotFound",
        f'{target.kind} "{target.name}" does not exist in namespace "{target.namespace}"',
    )
