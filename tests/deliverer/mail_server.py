"""A real SMTP server (aiosmtpd) in one mood after another, on this loop."""

import asyncio
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

USERNAME, PASSWORD = "shop", "sesame"


@dataclass
class Mailbox:
    """What it answers, and what it got: (MAIL options, RCPT options, recipient, content)."""

    rcpt: str = "250 OK"
    refused: dict[str, str] = field(default_factory=dict)  # by recipient
    data: str = "250 queued as 77"
    silent: bool = False
    port: int = 0
    got: list[tuple[list[str], list[str], str, bytes]] = field(default_factory=list)
    connections: set[asyncio.BaseTransport] = field(default_factory=set)
    connected: int = 0
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's names
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, answers: list[str]
    ) -> list[str]:
        """Announce DSN, as most servers do."""
        session.host_name = hostname
        return [*answers[:-1], "250-DSN", answers[-1]]

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's names
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Answer as the mood is."""
        said = self.refused.get(address, self.rcpt)
        if said.startswith("250"):
            envelope.rcpt_tos.append(address)
            envelope.rcpt_options.extend(options)
        return said

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep it."""
        self.asked.set()
        if self.silent:
            await self.hung_up.wait()
        if self.data.startswith("250"):
            assert isinstance(envelope.content, bytes)
            self.got.append((envelope.mail_options, envelope.rcpt_options, envelope.rcpt_tos[0], envelope.content))
        return self.data


class _Server(SMTP):
    """Notes who comes and goes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if transport not in self.event_handler.connections:
            self.event_handler.connected += 1
        self.event_handler.connections.add(transport)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self.event_handler.hung_up.set()


def _authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    good = (data.login, data.password) == (USERNAME.encode(), PASSWORD.encode())
    return AuthResult(success=good, handled=False)


@asynccontextmanager
async def mail_server(
    mailbox: Mailbox,
    *,
    tls: ssl.SSLContext | None = None,
    implicit: bool = False,
    auth: bool = False,
    require_tls: bool = True,
) -> AsyncIterator[Mailbox]:
    """Serve while the body runs. With `tls` it wants STARTTLS, or with `implicit` speaks nothing else."""
    starttls = None if implicit else tls

    def make() -> _Server:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # it does not see TLS that was there from the start
            return _Server(
                mailbox, hostname="mail.test", enable_SMTPUTF8=True, tls_context=starttls,
                require_starttls=bool(starttls), auth_required=auth,
                auth_require_tls=auth and require_tls and not implicit,
                authenticator=_authenticate, loop=asyncio.get_running_loop(),
            )  # fmt: skip

    server = await asyncio.get_running_loop().create_server(
        make, "127.0.0.1", mailbox.port, ssl=tls if implicit else None
    )
    mailbox.port = server.sockets[0].getsockname()[1]
    try:
        yield mailbox
    finally:
        server.close()
        mailbox.hung_up.set()
        for transport in mailbox.connections:
            transport.abort()  # type: ignore[attr-defined]  # each is a Transport
        await asyncio.sleep(0.01)  # what they do last takes some turns of the loop
