"""Waiting until the Kubernetes API serves our kinds. kopf looks for them once, as it starts, and would never see those
of CustomResourceDefinitions that come later.
"""

import asyncio
import logging

from angarium_operator.api import Api, ApiRefused
from angarium_operator.kinds import Kind

log = logging.getLogger(__name__)
EVERY = 1.0  # s


async def until_served(api: Api, kinds: tuple[Kind, ...]) -> None:
    """Returns when discovery names each kind."""
    told = ""
    while missing := await _missing(api, kinds):
        if missing != told:
            log.warning("waiting for the Kubernetes API", extra={"missing": missing})
            told = missing
        await asyncio.sleep(EVERY)


async def _missing(api: Api, kinds: tuple[Kind, ...]) -> str:
    """The first thing that is not there yet, in words."""
    for kind in kinds:
        try:
            found = await api.request("get", "GET", kind.base)
        except ApiRefused as refused:
            return (
                f"{kind.plural}: {refused}" if refused.status != 404 else f"CustomResourceDefinition of {kind.plural}"
            )
        if all(each.get("name") != kind.plural for each in found.get("resources", [])):
            return f"CustomResourceDefinition of {kind.plural}"
    return ""
