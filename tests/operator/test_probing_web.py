"""Asking accounts with an HTTP API: servers that answer as the providers' descriptions of their APIs say."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.operator.asking import ask

from angarium.egress import EgressPolicy
from angarium_operator.planning.verdicts import no
from angarium_operator.probing.answers import presentable

Respond = Callable[[web.Request], Awaitable[web.StreamResponse]]
BOT = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"


@dataclass
class Api:
    """A server that answers everything alike; `asked` are method, path with query, and headers."""

    url: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    form: dict[str, Any] = field(default_factory=dict)


@asynccontextmanager
async def api(status: int = 200, body: Any = None, respond: Respond | None = None) -> AsyncIterator[Api]:
    """Serve one answer."""
    made = Api()

    async def handle(request: web.Request) -> web.StreamResponse:
        made.asked.append((request.method, request.path_qs))
        made.headers = dict(request.headers)
        made.form = dict(await request.post())
        return await respond(request) if respond else web.json_response(body, status=status)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield made
    finally:
        await runner.cleanup()


TOKEN = {"account-sid": "AC123", "auth-token": "s3cret-token"}
KEY = {"account-sid": "AC123", "api-key-sid": "SK123", "api-key-secret": "s3cret-key"}


@pytest.mark.parametrize(
    ("held", "status", "body", "found"),
    [
        (TOKEN, 200, {"status": "active"}, ("True", "Authenticated", "Twilio took the auth token")),
        (
            TOKEN,
            200,
            {"status": "suspended"},
            ("False", "AccountInactive", "Twilio says that the account is suspended"),
        ),
        (
            TOKEN,
            401,
            {"code": 20003, "message": "Authenticate", "status": 401},
            ("False", "CredentialsRefused", "Twilio answered 401 Authenticate"),
        ),
        (TOKEN, 404, {"message": "not found"}, ("False", "CredentialsRefused", "Twilio answered 404 not found")),
        (TOKEN, 429, {"code": 20429}, ("Unknown", "Unavailable", "the API answered 429")),
        (TOKEN, 503, None, ("Unknown", "Unavailable", "the API answered 503")),
        (TOKEN, 403, {"message": "no"}, ("Unknown", "Unavailable", "the API answered 403 no")),
        (KEY, 200, {"messages": []}, ("True", "Authenticated", "Twilio took the API key")),
        (
            KEY,
            403,
            {},
            ("Unknown", "NotProbeable", "the API key may not list messages, and may send them all the same"),
        ),
    ],
)
async def test_twilio(held: dict[str, str], status: int, body: Any, found: tuple[str, str, str]) -> None:
    async with api(status, body) as twilio:
        assert await ask("twilio", {"apiUrl": twilio.url + "/"}, held) == found
    key = "api-key-sid" in held
    path = "/2010-04-01/Accounts/AC123/Messages.json?PageSize=1" if key else "/2010-04-01/Accounts/AC123.json"
    assert twilio.asked == [("GET", path)]
    login = "SK123:s3cret-key" if key else "AC123:s3cret-token"
    assert base64.b64decode(twilio.headers["Authorization"].removeprefix("Basic ")).decode() == login


@pytest.mark.parametrize(
    ("status", "body", "found"),
    [
        (
            200,
            {"ok": True, "user": "courier", "team": "Shop"},
            ("True", "Authenticated", 'Slack knows the bot as "courier" of "Shop"'),
        ),
        (200, {"ok": False, "error": "invalid_auth"}, ("False", "CredentialsRefused", "Slack answered invalid_auth")),
        (
            200,
            {"ok": False, "error": "account_inactive"},
            ("False", "CredentialsRefused", "Slack answered account_inactive"),
        ),
        (200, {"ok": False, "error": "ratelimited"}, ("Unknown", "Unavailable", "the API answered 200 ratelimited")),
        (429, {"ok": False, "error": "ratelimited"}, ("Unknown", "Unavailable", "the API answered 429 ratelimited")),
        (502, None, ("Unknown", "Unavailable", "the API answered 502")),
    ],
)
async def test_slack(status: int, body: Any, found: tuple[str, str, str]) -> None:
    async with api(status, body) as slack:
        assert await ask("slack", {"apiUrl": slack.url + "/api"}, {"bot-token": "xoxb-s3cret"}) == found
    assert slack.asked == [("POST", "/api/auth.test")]
    assert slack.headers["Authorization"] == "Bearer xoxb-s3cret"


@pytest.mark.parametrize(
    ("status", "body", "found"),
    [
        (
            200,
            {"ok": True, "result": {"username": "shopbot"}},
            ("True", "Authenticated", "Telegram knows the bot as @shopbot"),
        ),
        (
            401,
            {"ok": False, "error_code": 401, "description": "Unauthorized"},
            ("False", "CredentialsRefused", "Telegram answered 401 Unauthorized"),
        ),
        (
            429,
            {"ok": False, "description": "Too Many Requests: retry after 5"},
            ("Unknown", "Unavailable", "the API answered 429 Too Many Requests: retry after 5"),
        ),
    ],
)
async def test_telegram(status: int, body: Any, found: tuple[str, str, str]) -> None:
    async with api(status, body) as telegram:
        assert await ask("telegram", {"apiUrl": telegram.url}, {"bot-token": BOT}) == found
    assert telegram.asked == [("GET", f"/bot{BOT}/getMe")]


async def test_what_is_no_token_of_telegram_s_goes_nowhere() -> None:
    async with api() as telegram:
        found = await ask("telegram", {"apiUrl": telegram.url}, {"bot-token": "../../admin?"})
    assert found[:2] == ("False", "CredentialsRefused")
    assert telegram.asked == []


def pem(key: Any) -> str:
    """As Google writes it."""
    return str(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


def account(url: str, key: Any) -> str:
    """A service account's file."""
    named = {"client_email": "courier@shop-42.iam.gserviceaccount.com", "project_id": "shop-42"}
    return orjson.dumps(named | {"private_key": pem(key), "token_uri": f"{url}/token"}).decode()


async def test_google_gives_a_token_for_a_signed_assertion() -> None:
    key = rsa.generate_private_key(65537, 2048)
    async with api(200, {"access_token": "ya29.x", "expires_in": 3599}) as google:
        found = await ask("fcm", {}, {"service-account.json": ""})
        assert found[:2] == ("Unknown", "ProbeFailed")  # a plan would never ask with that
        given = {"service-account.json": account(google.url, key)}
        found = await ask("fcm", {}, given)
    assert found == ("True", "Authenticated", "Google gave a token to courier@shop-42.iam.gserviceaccount.com")
    assert google.form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    signed, _, signature = google.form["assertion"].rpartition(".")
    key.public_key().verify(base64.urlsafe_b64decode(signature + "=="), signed.encode(), PKCS1v15(), SHA256())
    claims = orjson.loads(base64.urlsafe_b64decode(signed.split(".")[1] + "=="))
    assert claims["aud"] == f"{google.url}/token"
    assert claims["scope"] == "https://www.googleapis.com/auth/firebase.messaging"


async def test_google_refuses_and_is_away() -> None:
    key = rsa.generate_private_key(65537, 2048)
    refused = {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
    async with api(400, refused) as google:
        found = await ask("fcm", {}, {"service-account.json": account(google.url, key)})
    assert found == ("False", "CredentialsRefused", "Google answered invalid_grant: Invalid JWT Signature.")
    async with api(503, None) as google:
        found = await ask("fcm", {}, {"service-account.json": account(google.url, key)})
    assert found[:2] == ("Unknown", "Unavailable")


async def test_another_kind_of_key_is_told() -> None:
    given = {"service-account.json": account("http://127.0.0.1:9", ec.generate_private_key(ec.SECP256R1()))}
    found = await ask("fcm", {}, given)
    assert found == ("False", "CredentialsRefused", "the private_key of the service account is no RSA key in PEM")


# what all have alike


async def test_an_address_that_is_closed_is_never_dialled() -> None:
    async with api() as slack:
        port = slack.url.rpartition(":")[2]
        for host in ("127.0.0.1", "localhost"):
            found = await ask("slack", {"apiUrl": f"http://{host}:{port}"}, {"bot-token": "xoxb-1"}, EgressPolicy())
            assert found[:2] == ("False", "AddressRefused")
            assert found.message.startswith(("127.0.0.1 is a loopback address", "::1 is a loopback address"))
    assert slack.asked == []


async def test_a_redirect_is_not_followed() -> None:
    async def elsewhere(request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound("/other")

    async with api(respond=elsewhere) as slack:
        found = await ask("slack", {"apiUrl": slack.url}, {"bot-token": "xoxb-1"})
    assert found == ("Unknown", "Unavailable", "the API answered 302")
    assert len(slack.asked) == 1


async def test_who_does_not_answer_is_left_in_time() -> None:
    asked, left = asyncio.Event(), asyncio.Event()

    async def never(request: web.Request) -> web.StreamResponse:
        asked.set()
        await left.wait()
        return web.Response()

    async with api(respond=never) as slack:
        found = await ask("slack", {"apiUrl": slack.url}, {"bot-token": "xoxb-1"}, within=0.3)
        left.set()
    assert found == ("Unknown", "Unreachable", "no answer within 0.3 s")
    assert asked.is_set()


async def test_nobody_there_is_unknown_and_the_token_in_the_url_is_not_told() -> None:
    async with api() as telegram:
        pass
    found = await ask("telegram", {"apiUrl": telegram.url}, {"bot-token": BOT})
    assert found[:2] == ("Unknown", "Unreachable")
    assert BOT not in found.message


async def test_a_huge_answer_is_read_in_part() -> None:
    async def huge(request: web.Request) -> web.StreamResponse:
        return web.Response(body=b'{"ok": true, "x": "' + b"x" * 10_000_000 + b'"}')

    async with api(respond=huge) as slack:
        found = await ask("slack", {"apiUrl": slack.url}, {"bot-token": "xoxb-1"})
    assert found == ("Unknown", "Unavailable", "the API answered 200")


async def test_what_an_api_echoes_is_hidden() -> None:
    async with api(200, {"ok": False, "error": "no xoxb-s3cret\r\nhere"}) as slack:
        found = await ask("slack", {"apiUrl": slack.url}, {"bot-token": "xoxb-s3cret"})
    assert found.message == "Slack answered no *** here"


def test_a_long_message_is_cut() -> None:
    shown = presentable(no("X", "x" * 10_000), ["ab"]).message
    assert len(shown) == 501
