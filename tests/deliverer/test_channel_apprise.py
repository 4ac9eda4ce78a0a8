"""What Apprise may do with its URLs here, and what not; the rest is in the conformance suite."""

import asyncio
import sys
from typing import Any

import pytest
from tests.deliverer.conftest import LOCAL
from tests.deliverer.gotify_server import TOKEN, Gotify
from tests.deliverer.receivers import Receiver, reply
from tests.deliverer.webhooks import CREATED, ID

from angarium.contents import Apprise, Content, Slack
from angarium.egress import EgressPolicy
from angarium.notifications import Outcome, Result
from angarium.records import ProviderRecord
from angarium_deliverer.channels import Account, Message, Sender, Way
from angarium_deliverer.channels.senders import make_sender
from angarium_deliverer.dialer import Dialer

ORDER = Apprise(title="Order", body="On its way.")


def sender(dialer: Dialer, urls: str, policy: EgressPolicy = LOCAL, *schemas: str) -> Sender:
    """Of a Secret with these URLs."""
    record = ProviderRecord(
        namespace="shop", name="main", id="prv_0", product_id="prd_0", type="apprise", channels=("apprise",),
        settings={"schemas": schemas or ("gotify", "gotifys", "discord")},
    )  # fmt: skip
    return make_sender(Account(record, {"urls": urls}), Way(dialer, dialer.resolver, policy))


async def send(made: Sender, to: str, content: Content = ORDER) -> Outcome:
    """The first attempt."""
    try:
        return await made.send(Message(ID, "apprise", to, content, 1, CREATED))
    finally:
        made.retire()


def url(server: Receiver, *, host: str = "127.0.0.1", query: str = "") -> str:
    """For Gotify there."""
    return f"gotify://{host}:{server.port}/{TOKEN}{query}"


async def test_a_message_goes_to_the_one_url_of_its_name(dialer: Dialer) -> None:
    async with Receiver(ops := Gotify()) as first, Receiver(dev := Gotify()) as second:
        urls = f"ops={url(first)}\n\n{url(second)}\n"
        content = Apprise(title="Order", body="**On** its way.", format="markdown")
        assert (await send(sender(dialer, urls), "ops", content)).result is Result.DELIVERED
        assert (await send(sender(dialer, urls), "gotify")).result is Result.DELIVERED
    assert [title for title, _ in ops.got] == ["Order"]
    assert dev.got == [("Order", "On its way.")]


async def test_another_name_is_refused_with_those_there_are(dialer: Dialer) -> None:
    said = await send(sender(dialer, f"ops=gotify://h/{TOKEN}\ndev=gotify://h/{TOKEN}"), "boss")
    assert (said.result, said.reason, said.blameless) == (Result.PERMANENT, "unknown_recipient", True)
    assert said.detail == "the Secret has no URL of this name; it has dev, ops"


async def test_another_content_is_refused(dialer: Dialer) -> None:
    said = await send(sender(dialer, f"gotify://h/{TOKEN}"), "gotify", Slack(text="hello"))
    assert (said.result, said.reason) == (Result.PERMANENT, "wrong_content")


async def test_names_are_judged_by_the_address_that_is_dialled(dialer: Dialer) -> None:
    async with Receiver(Gotify()) as server:
        said = await send(sender(dialer, url(server, host="localhost"), EgressPolicy()), "gotify")
    assert (said.result, said.reason) == (Result.RETRYABLE, "address_refused")
    assert "is a loopback address" in said.detail
    assert server.connections == 0


async def test_the_guard_is_for_its_threads_alone(dialer: Dialer) -> None:
    """The hook stays for the life of the process; others of it dial as they like."""
    async with Receiver(Gotify()) as server:
        await send(sender(dialer, url(server), EgressPolicy()), "gotify")
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("answer", [reply(503), reply(302, location="/elsewhere"), reply(307, location="/message")])
async def test_it_asks_once_whatever_its_url_says(dialer: Dialer, answer: bytes) -> None:
    async with Receiver(answer) as server:
        said = await send(sender(dialer, url(server, query="?retry=3&wait=0&redirect=yes")), "gotify")
    assert said.result is Result.RETRYABLE
    assert len(server.requests) == 1


async def test_its_token_is_not_shown(dialer: Dialer, caplog: pytest.LogCaptureFixture) -> None:
    async with Receiver(reply(401, TOKEN.encode())) as server:
        made = sender(dialer, url(server))
        said = await send(made, "gotify")
    assert said.reason == "authentication_failed"
    assert said.detail == "Failed to send Gotify notification: Verification Failed., error=401."
    assert TOKEN not in repr(said) + repr(made) + caplog.text


@pytest.mark.parametrize(
    ("urls", "words"),
    [
        ("s3cret", "line 1 is no URL"),
        ("gotify://h/s3cret\njson://h/s3cret", "can't be used: json"),
        ("json=gotify://h/s3cret\nops=syslog://s3cret", "can't be used: ops"),
        ("ntfy://s3cret", "can't be used: ntfy"),  # which the provider does not allow
        ("ops=gotify://h/s3cret\nops=gotify://h/s3cret", "can't be used: ops"),
        ("discord://s3cret/s3cret?template=/etc/angarium/keys", "line 1 names a template"),
        ("discord://s3cret/s3cret?a=b&TEMPL%2541TE=/etc/angarium/keys", "line 1 names a template"),
    ],
)
async def test_what_can_not_be_used_is_rejected(dialer: Dialer, urls: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        sender(dialer, urls, LOCAL, "gotify", "json", "syslog", "discord")
    assert "s3cret" not in str(caught.value)


async def test_without_its_package_it_says_what_to_install(dialer: Dialer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(ValueError, match=r"installed by angarium\[apprise\]"):
        sender(dialer, f"gotify://h/{TOKEN}")


async def test_a_url_that_its_plugin_refuses(dialer: Dialer) -> None:
    said: Any = await send(sender(dialer, "gotify://" + "%20"), "gotify")
    assert (said.result, said.reason) == (Result.RETRYABLE, "connect_failed")
    assert said.detail == "Apprise can't read the URL"
