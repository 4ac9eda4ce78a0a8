"""Tokens of an issuer that a product trusts: a real gateway, and a real HTTP server that publishes the keys."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from tests.gateway.issuing import EC, RSA, Issuer, claims, issuing, jwk
from tests.gateway.records import product, rival
from tests.gateway.running import Answer, Gateway, Start

from angarium import apikeys
from angarium.config import ConfigStore
from angarium.egress import EgressPolicy
from angarium.link import Link
from angarium.records import IssuerRecord
from angarium_gateway.fetching import Fetcher, Unfetched
from angarium_gateway.issuers import AGAIN, KEPT, REFRESH, Issuers, read_keys

LOOPBACK = "127.0.0.0/8"
WEAK = rsa.generate_private_key(65537, 1024)  # noqa: S505 - the point
LARGER = ec.generate_private_key(ec.SECP384R1())


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    """A provider."""
    async with issuing() as one:
        yield one


@pytest.fixture
async def shop(start: Start, link: Link, issuer: Issuer) -> Gateway:
    """A gateway whose first product trusts the issuer, and that may dial this machine."""
    key, other_key = apikeys.mint(), apikeys.mint()
    store = ConfigStore(link)
    await store.begin([product(key, jwt=trusted(issuer)), rival(other_key)])
    one = await start(egress_allowed_cidrs=LOOPBACK)
    one.key, one.other_key, one.store = key, other_key, store
    return one


def trusted(issuer: Issuer, **more: str) -> IssuerRecord:
    return IssuerRecord(**{"issuer": issuer.url, "audience": "shop-api"} | more)


def signed(issuer: Issuer, key: Any = RSA, algorithm: str = "RS256", kid: str = "rsa-1", **more: Any) -> str:
    said = claims(issuer.url, **{"aud": "shop-api", "sub": "robot"} | more)
    return jwt.encode(said, key, algorithm=algorithm, headers={"kid": kid})


async def me(gateway: Gateway, text: str) -> Answer:
    return await gateway.ask("GET", "/v1/me", headers={"Authorization": f"Bearer {text}"})


async def settled(gateway: Gateway, text: str) -> Answer:
    """The answer once the issuer's keys are there: callers are told to come again while they are fetched."""
    async with asyncio.timeout(10):
        while (answer := await me(gateway, text)).status == 503:
            assert answer.headers["Retry-After"]
            await asyncio.sleep(0.02)
        return answer


async def test_rs256_and_es256_by_discovery(shop: Gateway, issuer: Issuer) -> None:
    answer = await settled(shop, signed(issuer))
    assert (answer.json["tenant"], answer.json["subject"]) == ("prd_shop", "robot")
    assert (await me(shop, signed(issuer, EC, "ES256", "ec-1", aud=["other", "shop-api"]))).status == 200
    assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]


async def test_keys_by_their_own_url(shop: Gateway, issuer: Issuer) -> None:
    await settled(shop, signed(issuer))
    issuer.asked.clear()
    await shop.publish(product(shop.key, jwt=trusted(issuer, jwks_uri=f"{issuer.url}/elsewhere")))
    assert (await settled(shop, signed(issuer))).status == 200
    assert issuer.asked == ["/elsewhere"]


async def test_what_is_not_taken_of_an_issuer(shop: Gateway, issuer: Issuer) -> None:
    await settled(shop, signed(issuer))
    public = RSA.public_key().public_numbers().n.to_bytes(256)
    stranger = rsa.generate_private_key(65537, 2048)
    wrong = {
        "its audience is another": signed(issuer, aud="angarium"),
        "it has expired": signed(issuer, exp=int(time.time()) - 3600),
        "its signature is wrong": signed(issuer, stranger),
        "its algorithm is not that of its key": signed(issuer, public, "HS256"),
        "no key of this id": signed(issuer, stranger, kid="rsa-2"),
    }
    for why, text in wrong.items():
        answer = await me(shop, text)
        assert answer.status == 401
        assert why in answer.json["detail"]
    es256_as_rs256 = await me(shop, signed(issuer, EC, "ES256", "rsa-1"))
    assert "its algorithm is not that of its key" in es256_as_rs256.json["detail"]


async def test_two_products_with_one_audience_are_none(shop: Gateway, issuer: Issuer) -> None:
    await settled(shop, signed(issuer))
    await shop.publish(rival(shop.other_key, jwt=trusted(issuer)))
    assert "several products" in (await me(shop, signed(issuer, sub="another"))).json["detail"]
    await shop.publish(rival(shop.other_key, jwt=trusted(issuer, audience="rival-api")))
    assert (await me(shop, signed(issuer))).json["tenant"] == "prd_shop"
    assert (await me(shop, signed(issuer, aud="rival-api"))).json["tenant"] == "prd_rival"


async def test_an_issuer_that_is_no_longer_trusted_is_forgotten(shop: Gateway, issuer: Issuer) -> None:
    text = signed(issuer)
    assert (await settled(shop, text)).status == 200
    await shop.publish(product(shop.key))
    assert (await me(shop, text)).status == 401


async def test_an_issuer_that_hangs_holds_up_nobody(shop: Gateway, issuer: Issuer) -> None:
    """A server that accepts and never answers: its product's tokens get 503, all else works."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        await shop.publish(rival(shop.other_key, jwt=IssuerRecord(issuer=url, audience="rival-api")))
        assert (await settled(shop, signed(issuer))).status == 200
        hung = jwt.encode(claims(url, aud="rival-api"), RSA, algorithm="RS256", headers={"kid": "rsa-1"})
        assert (await me(shop, hung)).status == 503


async def test_a_cluster_dials_no_loopback(start: Start, link: Link, issuer: Issuer) -> None:
    store = ConfigStore(link)
    await store.begin([product(apikeys.mint(), jwt=trusted(issuer))])
    gateway = await start()
    assert (await me(gateway, signed(issuer))).status == 503
    policy = EgressPolicy()
    with pytest.raises(Unfetched, match="loopback"):
        await fetched(policy, f"{issuer.url}/keys")
    assert issuer.asked == []


async def fetched(policy: EgressPolicy, url: str) -> dict[str, Any]:
    fetcher = Fetcher(policy)
    try:
        return await fetcher.document(url)
    finally:
        await fetcher.close()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"status": 500}, "answers 500"),
        ({"status": 302, "location": "/keys"}, "answers 302"),
        ({"body": b"x" * 300_000}, "more than"),
        ({"body": b"<html>"}, "unexpected|invalid"),
        ({"body": b"[]"}, "no JSON object"),
    ],
)
async def test_documents_that_are_refused(issuer: Issuer, change: dict[str, Any], why: str) -> None:
    for name, value in change.items():
        setattr(issuer, name, value)
    with pytest.raises(Unfetched, match=why):
        await fetched(EgressPolicy([LOOPBACK]), f"{issuer.url}/keys")


@pytest.mark.parametrize(
    "discovery", [{"issuer": "https://another.example.com"}, {"jwks_uri": "http://10.0.0.1/"}, {"jwks_uri": 5}]
)
async def test_discovery_that_is_not_believed(issuer: Issuer, discovery: dict[str, Any]) -> None:
    issuer.discovery = discovery
    fetcher = Fetcher(EgressPolicy([LOOPBACK]))
    issuers = Issuers(tuple, fetcher)
    with pytest.raises(Unfetched, match="discovery document"):
        await issuers._fetch(issuer.url, "")
    await fetcher.close()
    assert issuer.asked == ["/.well-known/openid-configuration"]


async def test_keys_are_asked_for_at_most_every_thirty_seconds(issuer: Issuer) -> None:
    record, now = trusted(issuer, jwks_uri=f"{issuer.url}/keys"), 1000.0
    issuers = Issuers(lambda: [record], Fetcher(EgressPolicy([LOOPBACK])), clock=lambda: now)

    async def look() -> int:
        """One look of the loop, and what it began; the number of fetches so far."""
        issuers._look()
        tasks = [standing.task for standing in issuers._standings.values() if standing.task is not None]
        await asyncio.gather(*tasks)
        return len(issuer.asked)

    assert issuers.ask_again(record)  # the first fetch is to come
    assert await look() == 1
    first = issuers.keys(record)
    assert first is not None
    assert sorted(first.by_id) == ["ec-1", "rsa-1"]
    assert not issuers.ask_again(record)
    assert await look() == 1
    now += AGAIN
    assert issuers.ask_again(record)
    assert await look() == 2
    assert issuers.keys(record) is first  # the same keys: what was checked with them stays remembered
    now += REFRESH
    issuer.keys = [jwk(EC, "ec-1")]
    assert await look() == 3
    changed = issuers.keys(record)
    assert changed is not None
    assert sorted(changed.by_id) == ["ec-1"]
    issuer.status = 500
    now += REFRESH
    assert await look() == 4
    assert issuers.keys(record) is changed
    now += AGAIN
    assert await look() == 5  # a failure is tried again sooner
    now += KEPT
    assert issuers.keys(record) is None
    await issuers._fetcher.close()


@pytest.mark.parametrize(
    ("listed", "usable"),
    [
        ([jwk(RSA, "a"), jwk(EC, "b")], ["a", "b"]),
        ([jwk(RSA, "a", alg="RS256"), jwk(RSA, "b", alg="RS512")], ["a"]),
        ([jwk(RSA, "a", use="enc"), jwk(EC, "b", use="sig")], ["b"]),
        ([jwk(WEAK, "weak"), jwk(LARGER, "p384")], []),
        ([{"kty": "oct", "k": "c2VjcmV0", "kid": "hmac"}, {"kty": "RSA"}, {"kty": "RSA", "kid": "x"}, 5, None], []),
        ([{"kty": "EC", "kid": "bad", "crv": "P-256", "x": "AA", "y": "AA"}], []),
    ],
)
def test_keys_that_can_be_used(listed: list[Any], usable: list[str]) -> None:
    assert sorted(read_keys({"keys": listed}).by_id) == usable


@pytest.mark.parametrize("document", [{}, {"keys": 5}, {"keys": [{}] * 65}])
def test_what_is_no_key_set(document: dict[str, Any]) -> None:
    with pytest.raises(Unfetched):
        read_keys(document)
