"""Whether a product may trust the issuer that it names: of one issuer, an audience belongs to one product alone.

Else whoever may write a Product could take another's tokens for its own. The older one has it; the younger is told,
and looked at again when the older one changes or goes.
"""

from angarium.resources import Product
from angarium_operator.planning.addresses import refusal
from angarium_operator.planning.claims import holder
from angarium_operator.planning.snapshot import Snapshot
from angarium_operator.planning.verdicts import Verdict, no


def issuer_verdict(snapshot: Snapshot, product: Product) -> Verdict | None:
    """What is wrong with it, or None."""
    if product.spec.jwt is None:
        return None
    if holder(snapshot, product):
        return no(
            "AudienceTaken",
            f'another Product takes tokens of this issuer for the audience "{product.spec.jwt.audience}"; choose'
            " another in spec.jwt.audience",
        )
    policy = snapshot.policy
    for url in (product.spec.jwt.issuer, product.spec.jwt.jwks_uri or ""):
        refused = refusal(url, policy.allowed, policy.denied, allow_private=policy.allow_private)
        if refused is not None:
            return no("AddressRefused", refused)
    return None
