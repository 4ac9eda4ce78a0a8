"""Tokens of a product's own keys, at a real gateway: what is taken, what is not, and what the caller is told."""

import time
from typing import Any

import jwt
import pytest
from tests.gateway.courier import Courier
from tests.gateway.issuing import claims, part, signing_key, token
from tests.gateway.records import callback, organization, product, rival
from tests.gateway.running import Answer, Gateway, Start

from angarium import apikeys
from angarium.config import ConfigStore
from angarium.link import Link
from angarium.retries import Move
from angarium.tokens import token_key


@pytest.fixture
async def shop(start: Start, link: Link) -> Gateway:
    """A gateway whose two products have keys for tokens."""
    key, other_key = apikeys.mint(), apikeys.mint()
    store = ConfigStore(link)
    records = [product(key, keys=(signing_key(key),)), rival(other_key, keys=(signing_key(other_key),)), callback()]
    await store.begin(records)
    one = await start()
    one.key, one.other_key, one.store = key, other_key, store
    return one


async def ask(gateway: Gateway, text: str, path: str = "/v1/me", method: str = "GET", **more: Any) -> Answer:
    return await gateway.ask(method, path, headers={"Authorization": f"Bearer {text}"}, **more)


async def test_a_token_speaks_for_its_product_within_its_scopes(shop: Gateway, courier: Courier) -> None:
    text = token(shop.key)
    me = (await ask(shop, text)).json
    assert (me["tenant"], me["subject"], me["scopes"]) == ("prd_shop", "ci", ["send", "read"])
    posted = await ask(shop, text, "/v1/notifications", "POST", json={"event": "order.paid", "data": 1})
    assert posted.status == 202
    entries = (await ask(shop, text, f"{posted.headers['Location']}/timeline")).json["entries"]
    assert entries[0]["by"] == f"token ci of key {shop.key.id}"
    await courier.settle(Move.REFUSED, "http_404")
    refused = await ask(shop, text, f"{posted.headers['Location']}/retry", "POST")
    assert refused.status == 403
    assert refused.json["detail"] == "this token may not redrive: it lacks the scope admin"
    assert refused.headers["WWW-Authenticate"] == 'Bearer realm="angarium", error="insufficient_scope", scope="admin"'
    admin = token(shop.key, claims(scope="admin", sub="alice"))
    assert (await ask(shop, admin, f"{posted.headers['Location']}/retry", "POST")).status == 202
    entries = (await ask(shop, text, f"{posted.headers['Location']}/timeline")).json["entries"]
    assert f"token alice of key {shop.key.id}" in [entry.get("by") for entry in entries[1:]]


@pytest.mark.parametrize(
    ("scope", "method", "path"),
    [
        ("send", "POST", "/v1/notifications"),
        ("read", "GET", "/v1/notifications"),
        ("read", "GET", "/v1/notifications/not_1"),
        ("read", "GET", "/v1/notifications/not_1/timeline"),
        ("read", "GET", "/v1/callbacks"),
        ("admin", "POST", "/v1/notifications/not_1/retry"),
        ("admin", "POST", "/v1/callbacks/warehouse/test"),
    ],
)
async def test_each_route_wants_its_scope(shop: Gateway, scope: str, method: str, path: str) -> None:
    others = " ".join({"send", "read", "admin"} - {scope})
    refused = await ask(shop, token(shop.key, claims(scope=others)), path, method)
    assert refused.status == 403
    assert refused.json["detail"].endswith(f"it lacks the scope {scope}")


async def test_an_organization_has_tokens_of_its_own(shop: Gateway) -> None:
    key = apikeys.mint()
    await shop.publish(organization(key, keys=(signing_key(key),)))
    me = (await ask(shop, token(key, claims("org_acme")))).json
    assert (me["tenant"], me["organization"]) == ("org_acme", "shop/acme")
    assert (await ask(shop, token(key, claims("prd_shop")))).status == 401


def none(shop: Gateway) -> str:
    return f"{part({'alg': 'none', 'typ': 'JWT', 'kid': shop.key.id})}.{part(claims())}."


def hmac_with_the_public_key(shop: Gateway) -> str:
    return jwt.encode(claims(), token_key(shop.key.text).public, algorithm="HS256", headers={"kid": shop.key.id})


def tampered(shop: Gateway) -> str:
    head, _, signature = token(shop.key).split(".")
    return f"{head}.{part(claims(scope='admin'))}.{signature}"


def other_head(shop: Gateway) -> str:
    _, payload, signature = token(shop.key).split(".")
    return f"{part({'alg': 'EdDSA', 'kid': shop.key.id, 'x': 1})}.{payload}.{signature}"


def made(**more: Any) -> Any:
    return lambda shop: token(shop.key, claims(**more))


NOW = int(time.time())
NOT_TAKEN = {
    "alg none": (none, "its algorithm is not that of its key"),
    "HS256 with the public key": (hmac_with_the_public_key, "its algorithm is not that of its key"),
    "tampered payload": (tampered, "its signature is wrong"),
    "tampered head": (other_head, "its signature is wrong"),
    "another product's key": (lambda shop: token(shop.other_key), "its key is unknown"),
    "another product's key under our kid": (lambda shop: token(shop.other_key, kid=shop.key.id), "signature is wrong"),
    "our key for another product": (made(tenant="prd_rival"), "its key is unknown"),
    "unknown kid": (lambda shop: token(shop.key, kid="nobody"), "its key is unknown"),
    "expired": (made(iat=NOW - 7200, exp=NOW - 3600), "it has expired"),
    "not yet": (made(nbf=NOW + 600), "it is not valid yet"),
    "made in the future": (made(iat=NOW + 600, exp=NOW + 900), "it is not valid yet"),
    "another audience": (made(aud="elsewhere"), "its audience is another"),
    "no audience": (made(aud=None), "no token with a kid"),
    "another issuer": (made(tenant="https://id.example.com"), "its issuer is not known here"),
    "no issuer": (made(iss=None), "no token with a kid"),
    "no end": (made(exp=None), "it lacks one of"),
    "no subject": (made(sub=None), "it lacks one of"),
    "for ever": (made(exp=NOW + 10 * 365 * 86400), "more than 24 hours"),
    "an end that is none": (made(exp="soon"), "can't be read"),
    "huge": (made(pad="x" * 5400), "longer than"),
    "no JSON": (lambda _: "a.b.c", "no token with a kid"),
    "a list": (lambda _: f"{part([])}.{part([])}.x", "no token with a kid"),
    "deep": (lambda _: f"{part({'kid': 'k'})}.{'W1tb' * 1500}.x", "no token with a kid"),
}


@pytest.mark.parametrize("case", NOT_TAKEN)
async def test_what_is_not_taken(shop: Gateway, case: str) -> None:
    make, why = NOT_TAKEN[case]
    answer = await ask(shop, make(shop))
    assert answer.status == 401
    assert why in answer.json["detail"]
    assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="angarium", error="invalid_token"')
    assert make(shop)[-20:] not in answer.body.decode() or len(make(shop)) < 20


async def test_clocks_may_differ_by_a_minute(shop: Gateway) -> None:
    now = int(time.time())
    assert (await ask(shop, token(shop.key, claims(iat=now - 600, exp=now - 30)))).status == 200
    assert (await ask(shop, token(shop.key, claims(iat=now + 30, nbf=now + 30)))).status == 200


async def test_a_token_ends_with_its_key(shop: Gateway) -> None:
    text = token(shop.key)
    assert (await ask(shop, text)).status == 200
    await shop.publish(product(shop.key, keys=(signing_key(shop.key, expires_ms=1),)))
    assert (await ask(shop, text)).status == 401
    await shop.publish(product(shop.key, keys=(signing_key(shop.key),)))
    assert (await ask(shop, text)).status == 200
    another = apikeys.mint()
    await shop.publish(product(another, keys=(signing_key(another),)))
    assert (await ask(shop, text)).status == 401
    assert (await ask(shop, token(another))).status == 200


async def test_a_token_is_no_api_key(shop: Gateway) -> None:
    headers = {"X-API-Key": token(shop.key)}
    async with shop.session.get(shop.url + "/v1/me", headers=headers) as response:
        assert response.status == 401


async def test_the_short_way_asks_for_the_scope_too(shop: Gateway) -> None:
    text = token(shop.key, claims(scope="read"))
    short = await ask(shop, text, "/v1/notifications", "POST", json={"event": "a"})
    long = await ask(shop, text, "/v1/notifications?x=", "POST", json={"event": "a"})
    assert short.json | {"requestId": ""} == long.json | {"requestId": ""}
    assert short.status == long.status == 403
