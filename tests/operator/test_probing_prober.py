"""Probes run beside everything else: one for each provider, given up when it is no longer the question."""

import asyncio

from tests.listening import listening

from angarium.egress import EgressPolicy
from angarium_operator.planning import Finding, Key, Probe
from angarium_operator.probing import Prober

MAIL, OTHER = Key("provider", "shop", "mail"), Key("provider", "shop", "other")


def probe(port: int, *, username: str = "shop") -> Probe:
    """Of a mail server here."""
    held = {"username": username, "password": "x"}
    return Probe("smtp", {"host": "127.0.0.1", "port": port, "tls": "None"}, held)


class Server:
    """Greets when it is told to."""

    def __init__(self) -> None:
        self.connected = asyncio.Queue[None]()
        self.greet = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connected.put_nowait(None)
        await self.greet.wait()
        writer.write(b"554 no\r\n")
        await reader.read()


async def test_one_at_a_time_for_each_provider_and_nobody_waits_for_another() -> None:
    found: dict[Key, list[Finding]] = {MAIL: [], OTHER: []}
    arrived = asyncio.Event()
    server = Server()

    def hear(key: Key, finding: Finding) -> None:
        found[key].append(finding)
        arrived.set()

    prober = Prober(EgressPolicy(["127.0.0.0/8"]), hear)
    async with listening(server.serve) as port:
        prober.ask(MAIL, probe(port))
        await server.connected.get()
        prober.ask(MAIL, probe(port))  # the same question: no second connection
        prober.ask(OTHER, Probe("smtp", {"host": "10.0.0.7", "port": 25, "tls": "None"}, {}))
        await arrived.wait()
        assert [each.verdict.reason for each in found[OTHER]] == ["AddressRefused"]
        assert found[MAIL] == []
        arrived.clear()
        changed = probe(port, username="another")
        prober.ask(MAIL, changed)
        await server.connected.get()
        server.greet.set()
        await arrived.wait()
        await prober.close()
    assert [each.token for each in found[MAIL]] == [changed.token]
    assert found[MAIL][0].verdict == ("Unknown", "Unavailable", "554 no")
    assert server.connected.empty()


async def test_closing_gives_up_what_runs() -> None:
    found: list[Finding] = []
    server = Server()
    prober = Prober(EgressPolicy(["127.0.0.0/8"]), lambda _, finding: found.append(finding))
    async with listening(server.serve) as port:
        prober.ask(MAIL, probe(port))
        await server.connected.get()
        await prober.close()
        server.greet.set()
    assert found == []
