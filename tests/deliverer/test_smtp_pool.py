"""Connections to a mail server are used again, and not kept for longer than servers keep them."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator

import pytest
from tests.deliverer.conftest import LOCAL
from tests.deliverer.mail_server import PASSWORD, USERNAME, Mailbox, mail_server

from angarium.contents import Email
from angarium.notifications import Result
from angarium.records import ProviderRecord
from angarium_deliverer.channels import Account, Message, Way
from angarium_deliverer.channels.smtp import Smtp
from angarium_deliverer.dialer import Dialer

MOST = 20


def account(mailbox: Mailbox, **credentials: str) -> Account:
    """At that server."""
    record = ProviderRecord(
        namespace="shop", name="mail", id="prv_0", product_id="prd_0", type="smtp", channels=("email",),
        settings={"host": "127.0.0.1", "port": mailbox.port, "tls": "None", "from": "shop@example.com"},
    )  # fmt: skip
    return Account(record, credentials)


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    """A mail server."""
    async with mail_server(Mailbox()) as mailbox:
        yield mailbox


async def send(sender: Smtp, count: int) -> None:
    """So many at once."""
    mails = [Message(f"dlv_{n}", "email", f"{n}@example.com", Email(subject="x", text="y"), 1, 0) for n in range(count)]
    said = await asyncio.gather(*[sender.send(mail) for mail in mails])
    assert {each.result for each in said} == {Result.DELIVERED}


async def test_connections_are_kept_for_the_next(mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Dialer(LOCAL) as dialer:
        sender = Smtp(account(mailbox), Way(dialer, dialer.resolver, LOCAL))
        await send(sender, MOST)
        connected = mailbox.connected
        await send(sender, MOST)
        assert mailbox.connected == connected <= MOST
        monkeypatch.setattr("angarium_deliverer.channels.smtp.IDLE_S", -1.0)
        mailbox.hung_up.clear()
        await send(sender, 1)  # none is fresh any more, so it takes another; and the rest are closed
        assert mailbox.connected == connected + 1
        async with asyncio.timeout(20):
            await mailbox.hung_up.wait()
        sender.retire()


async def test_a_password_that_a_server_says_back_is_not_shown() -> None:
    forms = [PASSWORD, *(b64encode(each.encode()).decode() for each in (PASSWORD, f"\0{USERNAME}\0{PASSWORD}"))]
    talkative = mail_server(Mailbox(rcpt=f"550 after {' '.join(forms)}"), auth=True, require_tls=False)
    async with talkative as mailbox, Dialer(LOCAL) as dialer:
        held = account(mailbox, username=USERNAME, password=PASSWORD)
        sender = Smtp(held, Way(dialer, dialer.resolver, LOCAL))
        mail = Message("dlv_0", "email", "jane@example.com", Email(subject="x", text="y"), 1, 0)
        outcome = await sender.send(mail)
        sender.retire()
    assert outcome.reason == "smtp_550"
    assert outcome.detail == "550 after *** *** ***"
    assert not [each for each in forms if each in str(outcome.response)]
