"""Connections to hosts that users chose: only to addresses that the egress guard lets deliverers dial."""

import asyncio
import socket
import ssl
from typing import Any

import certifi

from angarium.egress import EgressPolicy


class AddressRefused(Exception):
    """The guard refuses all addresses of a host; says why."""


def refusal(egress: EgressPolicy, address: str) -> str | None:
    """Why an address may not be dialled, in words for whoever wrote the provider, or None."""
    said = egress.check(address)
    return said.replace("use serviceRef, or ", "") if said else None  # a provider has none


async def dial(egress: EgressPolicy, host: str, port: int) -> socket.socket:
    """A connected socket; raises AddressRefused or OSError. Addresses are tried in the resolver's order."""
    loop = asyncio.get_running_loop()
    problem: OSError | AddressRefused = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        if refused := refusal(egress, str(address[0])):
            problem = AddressRefused(refused)
            continue
        try:
            return await _connect(family, kind, protocol, address)
        except OSError as error:
            problem = error
    raise problem


async def _connect(family: int, kind: int, protocol: int, address: Any) -> socket.socket:
    connection = socket.socket(family, kind, protocol)
    try:
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, address)
    except BaseException:
        connection.close()
        raise
    return connection


def trust(certificates: str | None = None) -> ssl.SSLContext:
    """Whom to trust: these certificates in PEM, or those that the whole world does."""
    return ssl.create_default_context(cadata=certificates, cafile=None if certificates else certifi.where())
