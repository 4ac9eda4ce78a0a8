"""Connections to a mail server are used again, and not kept for longer than servers keep them."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.deliverer.conftest import LOCAL
from tests.deliverer.mail_server import Mailbox, mail_server

from angarium.contents import Email
from angarium.notifications import Result
from angarium.records import ProviderRecord
from angarium_deliverer.channels import Account, Message, Way
from angarium_deliverer.channels.smtp import Smtp
from angarium_deliverer.dialer import Dialer

MOST = 20


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
    record = ProviderRecord(
        namespace="shop", name="mail", id="prv_0", product_id="prd_0", type="smtp", channels=("email",),
        settings={"host": "127.0.0.1", "port": mailbox.port, "tls": "None", "from": "shop@example.com"},
    )  # fmt: skip
    async with Dialer(LOCAL) as dialer:
        sender = Smtp(Account(record, {}), Way(dialer, dialer.resolver, LOCAL))
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
