"""Messages for Slack, Telegram and Apprise: which addresses and contents are taken, and what is said of the others."""

from typing import Any

import orjson
import pytest
from tests.gateway.records import product
from tests.gateway.running import Gateway

from angarium.records import ProviderRecord

DEEP = orjson.loads('{"a":' * 300 + "1" + "}" * 300)
CHANNELS = ("slack", "telegram", "apprise")


@pytest.fixture
async def shop(gateway: Gateway) -> Gateway:
    """A gateway whose shop has a provider for each."""
    providers = [
        ProviderRecord(
            namespace="shop", name=each, id=f"prv_{each}", product_id="prd_shop", type=each, channels=(each,)
        )
        for each in CHANNELS
    ]
    await gateway.publish(product(gateway.key), *providers)
    return gateway


async def post(gateway: Gateway, channel: str, to: str, content: dict[str, Any]) -> Any:
    """Send one."""
    return await gateway.ask("POST", "/v1/notifications", json={"channel": channel, "to": to, "content": content})


@pytest.mark.parametrize(
    ("channel", "to", "content"),
    [
        ("slack", "C0123456789", {"text": "hello"}),
        ("slack", "U0123456789", {"text": "hello"}),
        ("slack", "W0123456789", {"text": "hello", "blocks": [{"type": "divider"}]}),
        ("slack", "#alerts", {"text": "hello"}),
        ("telegram", "4711", {"text": "<b>hello</b>", "parseMode": "HTML", "silent": True}),
        ("telegram", "-1001234567890", {"text": "hello"}),
        ("telegram", "@alerts", {"text": "hello"}),
        ("apprise", "ops", {"body": "hello"}),
        ("apprise", "ops.on-call_2", {"title": "Order", "body": "*hello*", "type": "warning", "format": "markdown"}),
    ],
)
async def test_is_taken(shop: Gateway, channel: str, to: str, content: dict[str, Any]) -> None:
    read = await post(shop, channel, to, content)
    assert read.status == 202, read.json
    assert [(each["channel"], each["to"]) for each in read.json["deliveries"]] == [(channel, to)]


@pytest.mark.parametrize(
    ("channel", "to", "content", "pointer"),
    [
        ("slack", "alerts", {"text": "hello"}, "/to"),
        ("slack", "jane@example.com", {"text": "hello"}, "/to"),
        ("slack", "#a,#b", {"text": "hello"}, "/to"),
        ("slack", "#alerts", {"text": ""}, "/content/text"),
        ("slack", "#alerts", {"text": "x" * 40_001}, "/content/text"),
        ("slack", "#alerts", {"text": "x", "blocks": [{}] * 51}, "/content/blocks"),
        ("slack", "#alerts", {"text": "x", "blocks": [DEEP]}, "/content/blocks"),
        ("slack", "#alerts", {"text": "x", "channel": "#boss"}, "/content/channel"),
        ("telegram", "jane", {"text": "hello"}, "/to"),
        ("telegram", "@a/../b", {"text": "hello"}, "/to"),
        ("telegram", "4711", {"text": "x" * 4097}, "/content/text"),
        ("telegram", "4711", {"text": "x", "parseMode": "Markdown"}, "/content/parseMode"),
        ("apprise", "discord://id/token", {"body": "hello"}, "/to"),
        ("apprise", "ops", {"title": "hello"}, "/content/body"),
        ("apprise", "ops", {"body": "hello", "type": "urgent"}, "/content/type"),
        ("apprise", "ops", {"title": "two\nlines", "body": "hello"}, "/content/title"),
    ],
)
async def test_is_refused(shop: Gateway, channel: str, to: str, content: dict[str, Any], pointer: str) -> None:
    read = await post(shop, channel, to, content)
    assert read.status == 422
    assert [error["pointer"] for error in read.json["errors"]] == [pointer]
