"""A real SMTP server that knows one account, with TLS of an authority of its own."""

import asyncio
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

LOCAL = "127.0.0.1"


@dataclass
class Account:
    """Who may log in, and how often somebody has tried."""

    username: str = "shop"
    password: str = "s3cret-of-the-shop"
    logins: list[bool] = field(default_factory=list)

    def check(self, server: Any, session: Session, envelope: Envelope, mechanism: str, said: Any) -> AuthResult:
        """For aiosmtpd."""
        given = (said.login, said.password) if isinstance(said, LoginPassword) else (b"", b"")
        good = given == (self.username.encode(), self.password.encode())
        self.logins.append(good)
        return AuthResult(success=good, handled=False)


@dataclass(frozen=True)
class MailServer:
    """Where it listens; `ca` in PEM."""

    port: int
    ca: str
    account: Account

    def spec(self, **smtp: Any) -> dict[str, Any]:
        """Of a Provider that goes there."""
        block = {"host": LOCAL, "port": self.port, "from": "Shop <no-reply@example.com>", "caBundleKey": "ca.crt"}
        return {"productRef": {"name": "shop"}, "secretRef": {"name": "mail"}, "smtp": block | smtp}

    def secret(self, **changes: str) -> dict[str, str]:
        """What the Secret must hold."""
        return {"username": self.account.username, "password": self.account.password, "ca.crt": self.ca} | changes


@asynccontextmanager
async def mail_server(*, tls: str = "StartTLS") -> AsyncIterator[MailServer]:
    """With StartTLS or Implicit, it offers a login only within TLS; with None, there is no TLS."""
    authority, account, loop = trustme.CA(), Account(), asyncio.get_running_loop()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(LOCAL).configure_cert(context)
    sessions: list[SMTP] = []
    later = context if tls == "StartTLS" else None

    def serve() -> SMTP:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of logins in the clear, which it takes for one where TLS is implicit, too
            session = SMTP(
                object(),
                hostname=LOCAL,
                tls_context=later,
                require_starttls=later is not None,
                auth_require_tls=later is not None,
                authenticator=account.check,
                auth_required=True,
                loop=loop,
            )
        sessions.append(session)
        return session

    server = await loop.create_server(serve, LOCAL, 0, ssl=context if tls == "Implicit" else None)
    async with server:
        yield MailServer(server.sockets[0].getsockname()[1], authority.cert_pem.bytes().decode(), account)
    if handled := [each._handler_coroutine for each in sessions if each._handler_coroutine is not None]:
        await asyncio.wait(handled, timeout=10)
    await asyncio.sleep(0.01)  # aiosmtpd tells nobody when a connection's transport has ended
