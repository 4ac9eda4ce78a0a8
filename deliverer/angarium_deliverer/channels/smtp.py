"""E-mail by SMTP (RFC 5321): one message for each recipient, over connections that are kept for a while.

The server's code decides: 4xx may get better, 5xx will not. A message has the same Message-ID and Date in all its
attempts, so that a server or a reader can tell a repetition.
"""

import asyncio
import socket
import ssl
import time
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from email.errors import MessageError
from email.utils import parseaddr
from typing import cast

import certifi
from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPConnectError,
    SMTPConnectResponseError,
    SMTPDataError,
    SMTPException,
    SMTPHeloError,
    SMTPNotSupported,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPSenderRefused,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)

from angarium.contents import Email
from angarium.notifications import Outcome, Result
from angarium_deliverer.channels import Account, Message, Way
from angarium_deliverer.channels.apis import excerpt, presentable, wrong_content
from angarium_deliverer.channels.mime import SEVEN_BITS, compose

IDLE_S = 30.0  # servers close idle connections after a minute or more (RFC 5321 says five)
PERMANENT = 500
LOCAL_NAME = "angarium.invalid"  # where the sender's address has no domain


class NotAllowed(Exception):
    """The guard refuses all addresses of the server."""


@dataclass(slots=True)
class _Connection:
    client: SMTP
    transport: asyncio.BaseTransport | None
    idle_since: float = 0.0

    def hang_up(self) -> None:
        """At once: what was begun must not be taken for whole, and TLS would wait for the other end's goodbye."""
        if self.transport:
            cast("asyncio.WriteTransport", self.transport).abort()
        self.client.close()


class Smtp:
    """Sends through one account of one server."""

    def __init__(self, account: Account, way: Way) -> None:
        """Raises ValueError where settings are missing."""
        settings = account.record.settings
        try:
            self._host, self._port = settings["host"], int(settings.get("port", 587))
            self._from: str = settings["from"]
        except KeyError as error:
            raise ValueError(f"the smtp block lacks {error}") from error
        self._tls = settings.get("tls", "StartTLS")
        self._reply_to: str | None = settings.get("replyTo")
        self._username, self._password = account.credentials.get("username"), account.credentials.get("password")
        self._secrets = _forms(self._username or "", self._password or "")
        self._timeout, self._way = account.record.timeout_s, way
        self._context = _context(account.credentials.get(settings.get("caBundleKey", "")), way.ca_file)
        self._idle: list[_Connection] = []
        self._retired = False

    async def send(self, message: Message) -> Outcome:
        """One e-mail to one recipient."""
        try:
            async with asyncio.timeout(self._timeout):
                return await self._send(message)
        except TimeoutError:
            return Outcome(Result.RETRYABLE, "timeout", f"not done after {self._timeout:g} s")

    async def _send(self, message: Message) -> Outcome:
        content = message.content
        if not isinstance(content, Email):
            return wrong_content("it is no e-mail")
        try:
            mail = compose(content, message, self._from, self._reply_to)
            whole = mail.as_bytes(policy=SEVEN_BITS.clone(utf8=not message.to.isascii()))
        except (MessageError, ValueError, UnicodeError) as error:
            return wrong_content(str(error))
        while True:
            connection, usable, kept = None, False, bool(self._idle)
            try:
                connection = await self._connection()
                said = await self._hand_over(connection.client, message, content, whole)
                usable = True
            except SMTPServerDisconnected as error:
                if not kept:  # else it had been closed while it was idle, and nothing was said on it
                    return Outcome(Result.RETRYABLE, "disconnected", str(error))
            except (SMTPException, OSError, NotAllowed) as error:
                usable = isinstance(error, SMTPRecipientsRefused | SMTPSenderRefused | SMTPDataError)
                return judge(error, self._secrets)
            else:
                return said
            finally:
                self._put_back(connection, usable=usable)

    async def _hand_over(self, client: SMTP, message: Message, content: Email, mail: bytes) -> Outcome:
        dsn = content.receipt == "delivery" and client.supports_extension("dsn")
        utf8 = ["SMTPUTF8", "BODY=8BITMIME"] if not message.to.isascii() else []
        _, said = await client.sendmail(
            parseaddr(self._from)[1],
            [message.to],
            mail,
            mail_options=[*utf8, *(["RET=HDRS", f"ENVID={message.id}"] if dsn else [])],
            rcpt_options=["NOTIFY=SUCCESS,FAILURE,DELAY"] if dsn else [],
        )
        response = excerpt(250, said)
        if content.receipt == "delivery":
            response["receipt"] = "asked for" if dsn else "the server offers none"
        return Outcome(Result.DELIVERED, response=response)

    async def _connection(self) -> _Connection:
        """One that is ready; an idle one where there is one that is fresh."""
        while self._idle:
            idle = self._idle.pop()
            if idle.client.is_connected and time.monotonic() - idle.idle_since < IDLE_S:
                return idle
            idle.hang_up()
        sock = await self._connect()
        client = SMTP(
            hostname=self._host, sock=sock, use_tls=self._tls == "Implicit", start_tls=self._tls == "StartTLS",
            tls_context=self._context if self._tls != "None" else None, timeout=self._timeout,
            username=self._username, password=self._password, local_hostname=_domain(self._from),
        )  # fmt: skip
        try:
            await client.connect()
        except BaseException:
            _Connection(client, client.transport).hang_up()
            raise
        return _Connection(client, client.transport)

    async def _connect(self) -> socket.socket:
        """To the first address of the server that the guard lets through and that answers."""
        refused, failed = "", OSError(f"{self._host} has no address")
        for address in await self._way.resolver.addresses(self._host):
            refusal = self._way.policy.check(address)
            if refusal:
                refused = refusal
                continue
            sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
            sock.setblocking(False)
            try:
                await asyncio.get_running_loop().sock_connect(sock, (address, self._port))
            except OSError as error:
                sock.close()
                failed = error
            except BaseException:
                sock.close()
                raise
            else:
                return sock
        if refused:
            raise NotAllowed(refused)
        raise failed

    def _put_back(self, connection: _Connection | None, *, usable: bool) -> None:
        """Keep it for the next, unless something was left undone on it."""
        if connection is None:
            return
        now = time.monotonic()
        if usable and connection.client.is_connected and not self._retired:  # no more than there are messages in flight
            connection.idle_since = now
            self._idle.append(connection)
        else:
            connection.hang_up()
        while self._idle and now - self._idle[0].idle_since > IDLE_S:  # the last is used first
            self._idle.pop(0).hang_up()

    def retire(self) -> None:
        """Close what is idle; what is in use is closed when it comes back."""
        self._retired = True
        while self._idle:
            self._idle.pop().hang_up()


def judge(error: Exception, secrets: Iterable[str] = ()) -> Outcome:
    """What a failure means. Servers may say back what they were told, which is not shown where it is secret."""
    match error:
        case NotAllowed():
            return Outcome(Result.RETRYABLE, "address_refused", str(error))
        case SMTPAuthenticationError():
            return Outcome(Result.RETRYABLE, "authentication_failed", _words(error, secrets))
        case SMTPRecipientsRefused():
            refused = error.recipients[0]
            return _by_code(refused.code, _words(refused, secrets), blameless=True)
        case SMTPSenderRefused() | SMTPConnectResponseError() | SMTPHeloError():
            return _by_code(error.code, _words(error, secrets), blameless=False)
        case SMTPResponseException():
            return _by_code(error.code, _words(error, secrets), blameless=error.code >= PERMANENT)
        case SMTPTimeoutError():
            return Outcome(Result.RETRYABLE, "timeout", str(error))
        case SMTPNotSupported():
            return Outcome(Result.PERMANENT, "not_supported", str(error), blameless=True)
        case ssl.SSLError() | ssl.CertificateError():
            return Outcome(Result.RETRYABLE, "tls_error", str(error))
        case SMTPConnectError() | OSError():
            return Outcome(Result.RETRYABLE, "connect_failed", str(error))
        case _:
            return Outcome(Result.RETRYABLE, "protocol_error", str(error))


def _by_code(code: int, words: str, *, blameless: bool) -> Outcome:
    response = excerpt(code, words)
    result = Result.PERMANENT if code >= PERMANENT else Result.RETRYABLE
    return Outcome(result, f"smtp_{code}", f"{code} {words}"[:512], response=response, blameless=blameless)


def _words(error: SMTPResponseException, secrets: Iterable[str]) -> str:
    return presentable(error.message.replace("\n", " "), secrets)


def _forms(username: str, password: str) -> tuple[str, ...]:
    """A password as AUTH LOGIN and AUTH PLAIN send it, and as it is."""
    if not password:
        return ()
    encoded = [b64encode(text.encode()).decode() for text in (password, f"\0{username}\0{password}")]
    return (*encoded, password)


def _domain(sender: str) -> str:
    return parseaddr(sender)[1].rpartition("@")[2] or LOCAL_NAME


def _context(bundle: str | None, ca_file: str | None) -> ssl.SSLContext:
    if bundle:
        return ssl.create_default_context(cadata=bundle)
    return ssl.create_default_context(cafile=ca_file or certifi.where())
