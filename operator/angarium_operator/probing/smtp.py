"""A mail server: connect, TLS, log in, and leave without a message."""

import ssl
from collections.abc import Iterator
from contextlib import suppress
from email.utils import parseaddr

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPConnectError,
    SMTPException,
    SMTPNotSupported,
    SMTPResponseException,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)

from angarium.egress import EgressPolicy
from angarium_operator.planning import Probe
from angarium_operator.planning.verdicts import Verdict, no
from angarium_operator.probing.answers import refused, taken, unavailable, unreachable
from angarium_operator.probing.dialing import dial, trust

SMTPS_PORT, SUBMISSION_PORT = 465, 587


async def probe_smtp(probe: Probe, egress: EgressPolicy, seconds: float) -> Verdict:
    """Raises AddressRefused, OSError, TimeoutError."""
    settings, held = probe.settings, probe.credentials
    host, tls = settings["host"], settings["tls"]
    client = SMTP(
        hostname=host,
        sock=await dial(egress, host, settings["port"]),
        local_hostname=_domain(settings.get("from", "")),  # else it is looked up, in a thread
        use_tls=tls == "Implicit",
        start_tls=tls == "StartTLS",
        tls_context=trust(held.get(settings.get("caBundleKey", ""))) if tls != "None" else None,
        timeout=seconds,
        username=held.get("username"),
        password=held.get("password"),
    )
    try:
        await client.connect()
        await _leave(client)
    except (SMTPException, ssl.SSLError) as error:
        return _judge(error, tls, settings["port"])
    finally:
        client.close()
    return taken(f"{host} took the login") if "username" in held else taken(f"{host} answers; no login is configured")


def _domain(mailbox: str) -> str:
    """By which we introduce ourselves, as deliverers do."""
    return parseaddr(mailbox)[1].rpartition("@")[2] or "localhost"


async def _leave(client: SMTP) -> None:
    """Politely; whatever the server says to that, it took the login."""
    with suppress(SMTPException):
        await client.quit()


def _judge(error: Exception, tls: str, port: int) -> Verdict:
    reason = next((each for each in _causes(error) if isinstance(each, ssl.SSLError)), None)
    if reason is not None:
        return no("TLSFailed", f"{_words(reason)}{_hint(tls, port)}")
    match error:
        case SMTPAuthenticationError(code=code, message=message) if code >= 500:
            return refused(f"{code} {message}")
        case SMTPNotSupported():
            return no("NotSupported", f"the server does not offer what is asked for: {error}")
        case SMTPTimeoutError():
            return unreachable(f"the server accepts connections but says nothing in time{_hint(tls, port)}")
        case SMTPResponseException(code=code, message=message):
            return unavailable(f"{code} {message}")
        case SMTPConnectError() | SMTPServerDisconnected():
            return unreachable(f"the server accepts connections and closes them{_hint(tls, port)}")
        case SMTPException() if "AUTH" in str(error):
            return no("NotSupported", "the server offers no login that we know")
        case SMTPException() if "STARTTLS" in str(error):
            return no("NotSupported", f"the server does not offer STARTTLS{_hint(tls, port)}")
        case _:
            return unreachable(f"{str(error) or type(error).__name__}{_hint(tls, port)}")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _words(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the server's certificate is not trusted: {error.verify_message}"
    return f"no TLS with the server: {getattr(error, 'reason', None) or type(error).__name__}"


def _hint(tls: str, port: int) -> str:
    """For the most common mistake of all."""
    if port == SMTPS_PORT and tls != "Implicit":
        return f"; port {port} usually means tls: Implicit"
    if port == SUBMISSION_PORT and tls == "Implicit":
        return f"; port {port} usually means tls: StartTLS"
    return ""
