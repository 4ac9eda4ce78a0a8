"""Asking a real mail server whether it takes the login, in each way that this goes wrong."""

import asyncio
from typing import Any

import pytest
from tests.listening import listening
from tests.mailing import LOCAL, MailServer, mail_server
from tests.operator.asking import HERE, ask

from angarium.egress import EgressPolicy
from angarium_operator.planning.verdicts import Verdict

LOGIN = {"username": "shop", "password": "s3cret-of-the-shop"}


async def ask_mail(mail: MailServer, egress: EgressPolicy = HERE, **change: Any) -> Verdict:
    """With the right login, but for the change."""
    settings = {"host": LOCAL, "port": mail.port, "tls": "StartTLS", "caBundleKey": "ca.crt"}
    held = {"username": mail.account.username, "password": mail.account.password, "ca.crt": mail.ca}
    settings |= {name: value for name, value in change.items() if name in ("host", "tls")}
    held |= {name: value for name, value in change.items() if name not in settings}
    if "ca" in change:
        held["ca.crt"] = change["ca"]
    return await ask("smtp", settings, held, egress)


@pytest.mark.parametrize("tls", ["StartTLS", "Implicit", "None"])
async def test_the_right_login_is_taken(tls: str) -> None:
    async with mail_server(tls=tls) as mail:
        assert await ask_mail(mail, tls=tls) == ("True", "Authenticated", "127.0.0.1 took the login")
        assert mail.account.logins == [True]


async def test_without_a_login_reaching_it_is_all() -> None:
    async with mail_server() as mail:
        found = await ask("smtp", {"host": LOCAL, "port": mail.port, "tls": "None"}, {})
    assert found == ("True", "Authenticated", "127.0.0.1 answers; no login is configured")


async def test_a_wrong_password_is_refused_in_the_server_s_words() -> None:
    async with mail_server() as mail:
        found = await ask_mail(mail, password="wr0ng-one")
    assert found == ("False", "CredentialsRefused", "535 5.7.8 Authentication credentials invalid")


async def test_another_authority_is_not_trusted() -> None:
    async with mail_server() as mail, mail_server() as other:
        found = await ask_mail(mail, ca=other.ca)
    assert found[:2] == ("False", "TLSFailed")
    assert found.message.startswith("the server's certificate is not trusted: unable to get local issuer certificate")
    assert mail.account.logins == []


async def test_a_name_that_the_certificate_does_not_bear_is_not_trusted() -> None:
    async with mail_server() as mail:
        found = await ask_mail(mail, host="localhost")
    assert found[:2] == ("False", "TLSFailed")
    assert "Hostname mismatch" in found.message


async def test_a_server_without_starttls_gets_no_password() -> None:
    async with mail_server(tls="None") as mail:
        found = await ask_mail(mail)
    assert found == ("False", "NotSupported", "the server does not offer STARTTLS")
    assert mail.account.logins == []


async def test_implicit_tls_with_a_server_that_speaks_first() -> None:
    async with mail_server() as mail:
        found = await ask_mail(mail, tls="Implicit")
    assert found[:2] == ("False", "TLSFailed")


async def test_nobody_there_is_unknown() -> None:
    async with mail_server() as mail:
        pass
    assert await ask_mail(mail) == ("Unknown", "Unreachable", f"Connect call failed ('127.0.0.1', {mail.port})")


async def test_a_server_that_says_nothing_is_left_in_time() -> None:
    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with listening(hear) as port:
        found = await ask("smtp", {"host": LOCAL, "port": port, "tls": "StartTLS"}, {}, within=0.2)
    assert found[:2] == ("Unknown", "Unreachable")


async def test_an_address_that_is_closed_is_never_dialled() -> None:
    async with mail_server() as mail:
        for host in (LOCAL, "localhost"):
            found = await ask_mail(mail, EgressPolicy(), host=host)
            assert found[:2] == ("False", "AddressRefused")
            assert "is a loopback address; only a range of its own" in found.message


async def test_what_a_server_echoes_is_hidden() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hi\r\n")
        async for line in reader:
            said = line.strip()
            writer.write(
                b"250-hi\r\n250 AUTH PLAIN\r\n" if said.startswith(b"EHLO") else b"535 you said " + said + b"\r\n"
            )

    async with listening(echo) as port:
        settings = {"host": LOCAL, "port": port, "tls": "None"}
        found = await ask("smtp", settings, LOGIN)
    assert found[:2] == ("False", "CredentialsRefused")
    assert "s3cret" not in found.message
    assert "AHNob3AAczNjcmV0LW9mLXRoZS1zaG9w" not in found.message  # \0shop\0s3cret… in base64


async def test_a_server_that_offers_no_login_is_told() -> None:
    async def bare(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hi\r\n")
        async for _ in reader:
            writer.write(b"250 hi\r\n")

    async with listening(bare) as port:
        settings = {"host": LOCAL, "port": port, "tls": "None"}
        found = await ask("smtp", settings, LOGIN)
    assert found[:2] == ("False", "NotSupported")
    assert found.message == "the server offers no login that we know"
