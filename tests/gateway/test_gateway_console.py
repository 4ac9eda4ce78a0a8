"""The page to send from: how it is served and, where a browser is installed, what it is to who uses it."""

import hashlib
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tests.gateway.browser import Page, browsing, installed
from tests.gateway.courier import Courier
from tests.gateway.records import callback, product
from tests.gateway.running import Gateway
from tests.gateway.test_gateway_groups import ANN, BEA
from tests.gateway.test_gateway_messages import provider
from tests.gateway.test_gateway_openapi import Page as Html
from tests.gateway.test_gateway_topics import HASH, MAIL, topic

from angarium.retries import Move
from angarium_gateway import console

HOSTILE = '<img src=x onerror="document.title=1">'
browser_needed = pytest.mark.skipif(installed() is None, reason="no browser here: install chromium")


async def test_it_is_served_with_a_policy_that_lets_nothing_else_in(gateway: Gateway) -> None:
    for name, (kind, body) in console.parts().items():
        path = "/console" if name == console.PAGE else f"/static/console/{name}"
        async with gateway.session.get(gateway.url + path) as response:
            assert (response.status, response.headers["Content-Type"]) == (200, kind)
            assert await response.read() == body
            policy = response.headers["Content-Security-Policy"].split("; ")
            assert policy[:4] == ["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'"]
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert response.headers["Referrer-Policy"] == "no-referrer"
            assert response.headers["Cache-Control"] == "no-cache"


async def test_it_loads_its_own_files_only_and_has_no_script_in_it(gateway: Gateway) -> None:
    page, parts = Html(), console.parts()
    page.feed(parts[console.PAGE][1].decode())
    assert page.loads == ["/static/console/console.css", "/static/console/main.js"]
    scripts = [body.decode() for name, (_, body) in parts.items() if name.endswith(".js")]
    assert not [text for text in scripts for word in ("innerHTML", "eval(", "localStorage", "cookie") if word in text]
    async with gateway.session.get(gateway.url + "/docs") as response:
        assert 'href="/console"' in await response.text()


class Fields(HTMLParser):
    """The ids of fields, and of labels' fields."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: set[str | None] = set()
        self.labelled: set[str | None] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag is."""
        named = dict(attrs)
        if tag in {"input", "select", "textarea"} and named.get("type") != "radio":
            self.fields.add(named["id"])
        if tag == "label" and "for" in named:
            self.labelled.add(named["for"])


def test_each_field_has_a_label() -> None:
    fields = Fields()
    fields.feed(console.parts()[console.PAGE][1].decode())
    assert fields.fields == fields.labelled


@pytest.fixture
async def page(gateway: Gateway, tmp_path: Path) -> AsyncIterator[Page]:
    """The page, in a browser that has never seen it."""
    program = installed()
    assert program
    async with browsing(program, tmp_path) as one:
        await one.open(gateway.url + "/console")
        await one.until("document.getElementById('email-subject') !== null")
        yield one


async def sign_in(page: Page, gateway: Gateway) -> None:
    """As the shop."""
    await page.type("credential", gateway.key.text)
    await page.press("Enter", 13, "\r")
    await page.shows("shop", "#me")


@browser_needed
async def test_an_event_is_sent_once_and_followed_to_its_end(page: Page, gateway: Gateway, courier: Courier) -> None:
    await page.type("credential", gateway.key.text[:-1])
    await page.press("Enter", 13, "\r")
    await page.shows("Missing or unknown credentials", "#sign-in-problem")
    page.complaints.clear()  # the browser logs each 401
    await sign_in(page, gateway)
    await page.type("event", "order..paid")
    await page.type("data", '{"order": ')
    await page.click("#send-button")
    await page.shows("is not JSON", "#field-problem-data")
    await page.type("data", '{"order": 12345678901234567890}')
    await page.click("#send-button")
    await page.shows("segments are", "#field-problem-event")
    assert await page.value("document.activeElement.id") == "event"
    page.complaints.clear()  # and each 422
    await page.type("event", "order.paid")
    await page.click("#send-button", count=2)
    await page.shows("It is pending", "#follow-note")
    await page.shows("callback warehouse", "#deliveries")
    [one] = (await gateway.ask("GET", "/v1/notifications")).json["notifications"]
    read = await gateway.ask("GET", f"/v1/notifications/{one['id']}")
    assert b'"data":{"order": 12345678901234567890}' in read.body
    await courier.settle(Move.RETRY, "http_503")
    await page.shows("http_503", "#timeline")
    await courier.promote()
    await courier.settle(Move.DELIVERED)
    await page.shows("It has ended: delivered", "#follow-note")
    await page.shows("attempt 2", "#timeline")
    await page.shows("delivered", "#list")
    assert not page.complaints
    kept = await page.value("[location.href, document.cookie, JSON.stringify({...localStorage, ...sessionStorage})]")
    assert kept == [f"{gateway.url}/console", "", "{}"]
    assert page.requests
    assert not [url for url in page.requests if gateway.key.text in url or not url.startswith(gateway.url + "/")]


@browser_needed
async def test_an_answer_that_was_lost_is_asked_for_again(page: Page, gateway: Gateway) -> None:
    await sign_in(page, gateway)
    await page.type("event", "order.paid")
    async with page.losing("/v1/notifications"):
        await page.click("#send-button")
    await page.shows("it will not be sent twice", "#send-problem")
    await page.click("#send-button")
    await page.shows("it was not sent again", "#send-note")
    assert len((await gateway.ask("GET", "/v1/notifications")).json["notifications"]) == 1
    await page.click("#once-more")
    await page.click("#send-button")
    await page.shows("Accepted as", "#send-note")
    await page.asks("?wait=4")  # since a 304 answered wait=2
    assert len((await gateway.ask("GET", "/v1/notifications")).json["notifications"]) == 2


@browser_needed
async def test_a_message_goes_to_a_group_by_two_channels(page: Page, gateway: Gateway) -> None:
    await gateway.publish(product(gateway.key), provider(), provider("twilio", "sms", "whatsapp"))
    await gateway.ask("POST", "/v1/groups", json={"name": "night-shift", "users": [ANN, BEA]})
    await gateway.ask("POST", "/v1/groups", json={"name": HOSTILE})
    await sign_in(page, gateway)
    await page.click("input[value=message]")
    await page.click("input[value=email]")
    await page.click("input[value=sms]")
    await page.type("email-subject", "On duty")
    await page.type("sms-body", "On duty at ten.")
    await page.type("users", "crm-17\nnobody")
    await page.click("#send-button")
    await page.shows("needs text or html", "[data-channel=email]")
    await page.type("email-text", "At ten.")
    await page.click("#send-button")
    await page.until("document.getElementById('field-problem-users') !== null")
    await page.type("users", "crm-17")
    await page.click("input[value=night-shift]")
    await page.click("input[name=group]:not([value=night-shift])")
    await page.click("#send-button")
    await page.shows("group night-shift", "#deliveries")
    await page.shows("email ann@example.com", "#deliveries")
    await page.shows(f"group {HOSTILE}", "#deliveries")
    assert await page.value("[document.images.length, document.title]") == [0, "Angarium console"]
    [one] = (await gateway.ask("GET", "/v1/notifications")).json["notifications"]
    read = (await gateway.ask("GET", f"/v1/notifications/{one['id']}")).json
    assert read["contents"] == {
        "email": {"subject": "On duty", "text": "At ten."},
        "sms": {"body": "On duty at ten."},
    }


@browser_needed
async def test_a_post_to_a_topic_tells_which_field_is_wrong(page: Page, gateway: Gateway) -> None:
    sealed = topic(MAIL, hash_sha256=hashlib.sha256(HASH.encode()).hexdigest())
    await gateway.publish(product(gateway.key), provider(), sealed, callback())
    await sign_in(page, gateway)
    await page.click("input[value=topic]")
    for field, text, told in (
        ("path", "orders", "must be like orders/paid"),
        ("path", "orders/lost", "has no topic of this path"),
        ("path", "orders/paid", ""),
    ):
        await page.type(field, text)
        await page.click("#send-button")
        await page.shows(told or "hash is missing", f"#field-problem-{field if told else 'hash'}")
    await page.type("hash", HASH)
    await page.click("#send-button")
    await page.shows("/metadata/", "#field-problem-metadata")
    await page.type("metadata", '{"email": "jane@example.com", "order": 1, "name": "Jane", "total": 2}')
    await page.click("#send-button")
    await page.shows("email jane@example.com", "#deliveries")
