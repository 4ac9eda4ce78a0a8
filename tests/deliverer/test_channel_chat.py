"""What Slack and Telegram are sent, what each of their answers means, and that no token is ever shown."""

import json
from typing import Any

import pytest
from tests.deliverer import slack_server, telegram_server
from tests.deliverer.conftest import LOCAL
from tests.deliverer.receivers import Receiver, always, reply
from tests.deliverer.slack_server import Workspace
from tests.deliverer.telegram_server import GROUP, MOVED, Bot
from tests.deliverer.webhooks import CREATED, ID

from angarium.contents import Content, Email, Slack, Telegram
from angarium.notifications import Outcome, Result
from angarium.records import ProviderRecord
from angarium_deliverer.channels import Account, Message, Sender, Way
from angarium_deliverer.channels.senders import make_sender
from angarium_deliverer.dialer import Dialer

DELIVERED, RETRY, REFUSED = Result.DELIVERED, Result.RETRYABLE, Result.PERMANENT
HELLO = Slack(text="hello")
HI = Telegram(text="hi")


def sender(dialer: Dialer, type_: str, credentials: dict[str, str], **settings: Any) -> Sender:
    """Of an account with these."""
    record = ProviderRecord(
        namespace="shop", name="main", id="prv_0", product_id="prd_0", type=type_, channels=(type_,), settings=settings
    )
    return make_sender(Account(record, credentials), Way(dialer, dialer.resolver, LOCAL))


def message(to: str, content: Content) -> Message:
    """The first attempt."""
    return Message(ID, "any", to, content, 1, CREATED)


async def by_bot(dialer: Dialer, server: Receiver, to: str = "C0ALERTS", content: Content = HELLO) -> Outcome:
    """Send in Slack by the token."""
    origin = server.url.removesuffix("/hooks")
    made = sender(dialer, "slack", {"bot-token": slack_server.TOKEN}, apiUrl=f"{origin}/api/")
    return await made.send(message(to, content))


async def by_hook(dialer: Dialer, server: Receiver, content: Content = HELLO) -> Outcome:
    """Send in Slack by the webhook."""
    url = server.url.removesuffix("/hooks") + slack_server.HOOK
    return await sender(dialer, "slack", {"webhook-url": url}).send(message("#alerts", content))


async def by_telegram(
    dialer: Dialer, server: Receiver, to: str = telegram_server.CHAT, content: Content = HI
) -> Outcome:
    """Send in Telegram."""
    origin = server.url.removesuffix("/hooks")
    made = sender(dialer, "telegram", {"bot-token": telegram_server.TOKEN}, apiUrl=f"{origin}/")
    return await made.send(message(to, content))


async def test_slack_gets_text_and_blocks_and_answers_with_the_timestamp(dialer: Dialer) -> None:
    blocks = ({"type": "section", "text": {"type": "mrkdwn", "text": "*Order* 1042"}},)
    async with Receiver(shop := Workspace()) as server:
        said = await by_bot(dialer, server, "U0JANE", Slack(text="Order 1042", blocks=blocks))
    assert shop.members == [{"channel": "U0JANE", "text": "Order 1042", "blocks": list(blocks)}]
    assert said.response == {
        "status": 200,
        "body": '{"ok":true,"channel":"C0ALERTS","ts":"1763692800.000100"}',
        "truncated": False,
    }


async def test_a_webhook_knows_its_channel_by_itself(dialer: Dialer) -> None:
    async with Receiver(shop := Workspace()) as server:
        said = await by_hook(dialer, server)
    assert shop.members == [{"text": "hello"}]
    assert said.response == {"status": 200, "body": "ok", "truncated": False}


async def test_a_token_goes_before_a_webhook(dialer: Dialer) -> None:
    async with Receiver(shop := Workspace()) as server:
        origin = server.url.removesuffix("/hooks")
        both = {"bot-token": slack_server.TOKEN, "webhook-url": origin + slack_server.HOOK}
        await sender(dialer, "slack", both, apiUrl=f"{origin}/api").send(message("C0ALERTS", HELLO))
    assert shop.got == [("C0ALERTS", "hello")]


async def test_telegram_gets_the_format_and_answers_with_the_number(dialer: Dialer) -> None:
    async with Receiver(bot := Bot()) as server:
        content = Telegram(text="<b>Order</b> 1042", parse_mode="HTML", silent=True)
        said = await by_telegram(dialer, server, "@alerts", content)
    assert bot.members == [
        {"chat_id": "@alerts", "text": "<b>Order</b> 1042", "parse_mode": "HTML", "disable_notification": True}
    ]
    assert said.response == {"status": 200, "body": '{"ok":true,"result":{"message_id":1}}', "truncated": False}


@pytest.mark.parametrize(
    ("to", "content", "reason", "detail"),
    [
        ("C0NONE", HELLO, "slack_channel_not_found", "Slack answered channel_not_found"),
        ("C0ATTIC", HELLO, "slack_is_archived", "Slack answered is_archived"),
        ("C0BOARD", HELLO, "slack_not_in_channel", "Slack answered not_in_channel"),
        ("C0NEWS", HELLO, "slack_restricted_action_read_only_channel", None),
        ("C0ALERTS", Slack(text="x", blocks=({"text": "?"},)), "slack_invalid_blocks", "Slack answered invalid_blocks"),
        ("C0ALERTS", HI, "wrong_content", "it is no message for Slack"),
    ],
)
async def test_slack_refuses(dialer: Dialer, to: str, content: Content, reason: str, detail: str | None) -> None:
    async with Receiver(shop := Workspace()) as server:
        said = await by_bot(dialer, server, to, content)
    assert (said.result, said.reason, said.blameless) == (REFUSED, reason, True)
    assert detail is None or said.detail == detail
    assert shop.got == []


SCOPE = {"ok": False, "error": "missing_scope", "needed": "chat:write", "provided": "users:read"}
ARGUMENT = {"ok": False, "error": "invalid_arguments", "response_metadata": {"messages": ["[ERROR] no block"]}}


@pytest.mark.parametrize(
    ("answer", "result", "reason", "detail", "blameless"),
    [
        (SCOPE, RETRY, "authentication_failed", "Slack answered missing_scope: needs chat:write", False),
        (ARGUMENT, REFUSED, "slack_invalid_arguments", "Slack answered invalid_arguments: [ERROR] no block", True),
        ({"ok": False, "error": "token_revoked"}, RETRY, "authentication_failed", None, False),
        ({"ok": False, "error": "fatal_error"}, RETRY, "slack_fatal_error", None, False),
        ({"ok": False, "error": "no_such_word_yet"}, RETRY, "slack_error", "Slack answered no_such_word_yet", True),
        ({"ok": False}, RETRY, "protocol_error", '200 OK: {"ok": false}', False),
        ({"ok": "true"}, RETRY, "protocol_error", None, False),
        ([], RETRY, "protocol_error", None, False),
    ],
)  # fmt: skip
async def test_what_slack_says_of_itself(
    dialer: Dialer, answer: Any, result: Result, reason: str, detail: str | None, blameless: bool
) -> None:
    async with Receiver(reply(200, json.dumps(answer).encode())) as server:
        said = await by_bot(dialer, server)
    assert (said.result, said.reason, said.blameless) == (result, reason, blameless)
    assert detail is None or said.detail == detail


@pytest.mark.parametrize(
    ("status", "text", "result", "reason", "blameless"),
    [
        (404, b"no_service", RETRY, "authentication_failed", False),
        (403, b"team_disabled", RETRY, "authentication_failed", False),
        (410, b"channel_is_archived", RETRY, "slack_channel_is_archived", False),
        (403, b"action_prohibited", RETRY, "slack_action_prohibited", False),
        (400, b"invalid_payload", REFUSED, "slack_invalid_payload", True),
        (400, b"no_text", REFUSED, "slack_no_text", True),
        (400, b"another_word", REFUSED, "http_400", True),
        (404, b"<html>", RETRY, "http_404", False),
        (410, b"", RETRY, "http_410", False),
        (500, b"rollup_error", RETRY, "slack_rollup_error", False),
    ],
)
async def test_what_a_webhook_says(
    dialer: Dialer, status: int, text: bytes, result: Result, reason: str, blameless: bool
) -> None:
    async with Receiver(reply(status, text)) as server:
        said = await by_hook(dialer, server)
    assert (said.result, said.reason, said.blameless) == (result, reason, blameless)
    assert text.decode() in said.detail


async def test_a_long_message_that_is_said_back_is_delivered(dialer: Dialer) -> None:
    """More than is read of an answer: each of these letters is six bytes in it."""
    async with Receiver(shop := Workspace()) as server:
        assert (await by_bot(dialer, server, content=Slack(text="ж" * 40_000))).result is DELIVERED
        assert (await by_bot(dialer, server)).result is DELIVERED
    assert [len(text) for _, text in shop.got] == [40_000, 5]
    async with Receiver(Bot()) as server:
        assert (await by_telegram(dialer, server, content=Telegram(text="ж" * 4096))).result is DELIVERED


@pytest.mark.parametrize(
    ("to", "content", "reason", "detail"),
    [
        ("99", HI, "telegram_400", "Telegram answered Bad Request: chat not found"),
        ("13", HI, "telegram_403", "Telegram answered Forbidden: bot was blocked by the user"),
        ("-14", HI, "telegram_403", "Telegram answered Forbidden: bot was kicked from the group chat"),
        (
            MOVED, HI, "telegram_400",
            f"Telegram answered Bad Request: group chat was upgraded to a supergroup chat; the chat is now {GROUP}",
        ),
        (
            "4711", Telegram(text="<b>bold", parse_mode="HTML"), "telegram_400",
            'Telegram answered Bad Request: can\'t parse entities: Can\'t find end tag corresponding to start tag "b"',
        ),
        ("4711", Telegram(text=" \n"), "telegram_400", "Telegram answered Bad Request: message text is empty"),
        ("4711", HELLO, "wrong_content", "it is no message for Telegram"),
    ],
)  # fmt: skip
async def test_telegram_refuses(dialer: Dialer, to: str, content: Content, reason: str, detail: str) -> None:
    async with Receiver(bot := Bot()) as server:
        said = await by_telegram(dialer, server, to, content)
    assert (said.result, said.reason, said.detail, said.blameless) == (REFUSED, reason, detail, True)
    assert bot.got == []


@pytest.mark.parametrize(
    ("answer", "reason", "after"),
    [
        (telegram_server.failed(429, "Too Many Requests: retry after 8", retry_after=8), "telegram_429", 8.0),
        (telegram_server.failed(429, "Too Many Requests", retry_after=10**12), "telegram_429", 366 * 86400.0),
        (telegram_server.failed(429, "Too Many Requests", retry_after=-1), "telegram_429", None),
        (telegram_server.failed(500, "Internal Server Error: restart"), "telegram_500", None),
        (telegram_server.failed(401, "Unauthorized"), "authentication_failed", None),
        (telegram_server.failed(404, "Not Found"), "authentication_failed", None),
        (reply(200, b'{"ok": false, "error_code": 7}'), "telegram_error", None),
        (reply(502, b"<html>Bad Gateway"), "http_502", None),
        (reply(429, b"", retry_after="9"), "http_429", 9.0),
        (reply(200, b"<html>Sign in"), "protocol_error", None),
    ],
)
async def test_what_may_get_better_in_telegram(dialer: Dialer, answer: bytes, reason: str, after: float | None) -> None:
    async with Receiver(answer) as server:
        said = await by_telegram(dialer, server)
    assert (said.result, said.reason, said.retry_after, said.blameless) == (RETRY, reason, after, False)


async def test_no_token_is_shown_whatever_is_said_back(dialer: Dialer) -> None:
    """As some proxies answer: "Cannot POST" and the path."""

    async def echo(request: Any, writer: Any) -> None:
        path = request.line.split(" ")[1]
        told = f"Cannot POST {path} by {request.headers.get('authorization', '')} or {path.replace(':', '%3A')}"
        writer.write(reply(404, told.encode(), location=path))

    async with Receiver(echo) as server:
        outcomes = [
            await by_bot(dialer, server),
            await by_hook(dialer, server),
            await by_telegram(dialer, server),
        ]
    for said in outcomes:
        assert said.reason == "http_404"
        assert "Cannot POST /" in said.detail
        for secret in (slack_server.TOKEN, slack_server.KEY, telegram_server.TOKEN.partition(":")[2]):
            assert secret not in repr(said)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/bö", "http://[::1", "http://no.such.name.invalid/"])
async def test_no_token_is_shown_where_nobody_is_reached(dialer: Dialer, url: str) -> None:
    for type_, token in (("slack", slack_server.TOKEN), ("telegram", telegram_server.TOKEN)):
        made = sender(dialer, type_, {"bot-token": token}, apiUrl=url)
        content: Content = HELLO if type_ == "slack" else HI
        said = await made.send(message("4711", content))
        assert said.result is RETRY
        assert said.reason in ("invalid_url", "dns_error")
        assert token not in repr(said)
        assert token not in repr(made)


@pytest.mark.parametrize(
    ("type_", "credentials", "words"),
    [
        ("slack", {}, "the Secret has neither bot-token nor webhook-url"),
        ("telegram", {}, "the bot-token is none of Telegram's"),
        ("telegram", {"bot-token": "1:a/../../elsewhere"}, "the bot-token is none of Telegram's"),
    ],
)
async def test_an_account_that_can_not_be_used(
    dialer: Dialer, type_: str, credentials: dict[str, str], words: str
) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        sender(dialer, type_, credentials)
    assert "elsewhere" not in str(caught.value)


async def test_an_e_mail_is_nothing_to_post(dialer: Dialer) -> None:
    async with Receiver(always(b"")) as server:
        said = await by_hook(dialer, server, Email(subject="Order", text="On its way."))
    assert (said.result, said.reason) == (REFUSED, "wrong_content")
    assert server.requests == []
