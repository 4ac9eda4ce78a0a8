"""Asking an account in the tests: everything on this machine may be dialled, and a time-out is short."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
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


@asynccontextmanager
async def listening(
    handle: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[int]:
    """A bare server; the port. Ends when all its connections have."""
    connections: set[asyncio.Task[Any] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(asyncio.current_task())
        with suppress(ConnectionError):
            await handle(reader, writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
    await asyncio.gather(*[each for each in connections if each])
