"""Asking an account in the tests: everything on this machine may be dialled, and a time-out is short."""

from typing import Any

from angarium.egress import EgressPolicy
from angarium_operator.planning import Probe
from angarium_operator.planning.verdicts import Verdict
from angarium_operator.probing import examine

HERE = EgressPolicy(["127.0.0.0/8", "::1/128"])


async def ask(
    type_: str,
    settings: dict[str, Any],
    held: dict[str, str],
    egress: EgressPolicy = HERE,
    *,
    within: float = 10.0,
) -> Verdict:
    """What the account answers to what the Secret holds."""
    return await examine(Probe(type_, settings, held), egress, within)
