"""Whether a product may trust the issuer that it names: of one issuer, an audience belongs to one product alone.

Else whoever may write a Product could take another's tokens for its own. The older one has it; the younger is told,
and looked at again when the older one changes or goes.
"""

from datetime import UTC, datetime

from angarium.resources import Product
from angarium_operator.planning.addresses import refusal
from angarium_operator.planning.snapshot import Claim, Snapshot, claim_of
from angarium_operator.planning.verdicts import Verdict, no

LAST = datetime.max.replace(tzinfo=UTC)


def issuer_verdict(snapshot: Snapshot, product: Product) -> Verdict | None:
    """What is wrong with it, or None."""
    claim = claim_of(product)
    if product.spec.jwt is None or claim is None:
        return None
    if _taken(snapshot, product, claim):
        return no(
            "AudienceTaken",
            f'another Product takes tokens of this issuer for the audience "{claim.audience}"; choose another in'
            " spec.jwt.audience",
        )
    policy = snapshot.policy
    for url in (product.spec.jwt.issuer, product.spec.jwt.jwks_uri or ""):
        refused = refusal(url, policy.allowed, policy.denied, allow_private=policy.allow_private)
        if refused is not None:
            return no("AddressRefused", refused)
    return None


def _taken(snapshot: Snapshot, product: Product, claim: Claim) -> bool:
    others = (snapshot.objects[key] for key in snapshot.claimants(claim))
    return any(_age(other) < _age(product) for other in others if other.metadata.uid != product.metadata.uid)


def _age(resource: object) -> tuple[datetime, str]:
    if not isinstance(resource, Product):
        raise TypeError("only a Product claims an audience")
    return resource.metadata.creation_timestamp or LAST, resource.metadata.uid
