"""Whether names resolve here, and may be dialled."""

import asyncio
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from angarium.egress import EgressPolicy
from angarium.records import AnyRecord, CallbackRecord

SECONDS = 3.0
MOST = 50  # receivers that are looked up


@dataclass(frozen=True, slots=True)
class HostFacts:
    """`callback`: one that leads there; `refusal`: why the guard does not let deliverers dial it."""

    name: str
    callback: str = ""
    in_cluster: bool = False
    addresses: tuple[str, ...] = ()
    error: str = ""
    refusal: str = ""


async def look_up(url: str) -> HostFacts | None:
    """The host of a URL; None where there is none."""
    host = urlsplit(url).hostname
    return await _resolved(HostFacts(host), None) if host else None


async def look_up_receivers(records: Iterable[AnyRecord], policy: EgressPolicy | None) -> list[HostFacts]:
    """Those of callbacks, each once; judged by the guard where there is one."""
    hosts: dict[str, HostFacts] = {}
    for record in records:
        if isinstance(record, CallbackRecord) and not record.disabled and (host := urlsplit(record.url).hostname):
            hosts.setdefault(host, HostFacts(host, f"{record.namespace}/{record.name}", record.in_cluster))
    chosen = list(hosts.values())[:MOST]
    return list(await asyncio.gather(*[_resolved(each, policy) for each in chosen]))


async def _resolved(host: HostFacts, policy: EgressPolicy | None) -> HostFacts:
    loop = asyncio.get_running_loop()
    error, found = "", []
    try:
        async with asyncio.timeout(SECONDS):
            found = await loop.getaddrinfo(host.name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as failure:
        error = str(failure)
    except TimeoutError:
        error = f"no answer in {SECONDS:.0f} s"
    addresses = tuple(dict.fromkeys(str(each[4][0]) for each in found))
    refusals = [policy.check(address, in_cluster=host.in_cluster) for address in addresses] if policy else []
    refusal = refusals[0] or "" if refusals and all(refusals) else ""
    return HostFacts(host.name, host.callback, host.in_cluster, addresses, error, refusal)
