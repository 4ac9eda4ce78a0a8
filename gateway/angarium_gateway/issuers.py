"""Public keys of issuers that products trust (OpenID Connect providers), fetched in the background.

No request ever waits for an issuer: what is known counts, and a key that is not known has the keys fetched again, at
most every 30 s. The URLs are a tenant's, so they are fetched as deliveries are: past the egress guard, without
following redirects, and with bounds on time and size. What an issuer no longer publishes counts no more; while one
can't be reached its keys stay good for an hour.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from angarium.records import IssuerRecord
from angarium.resources.issuers import is_trustworthy_url
from angarium_gateway.fetching import Fetcher, Unfetched

log = logging.getLogger(__name__)
REFRESH = 300.0  # s after which keys are fetched again
AGAIN = 30.0  # s, at least, between two fetches of one issuer's keys
KEPT = 3600.0  # s that keys count without having been seen again
MOST_KEYS = 64  # of one issuer
AT_ONCE = 16  # fetches
LEAST_RSA_BITS = 2048
ALGORITHMS = {"RSA": "RS256", "EC": "ES256"}
DISCOVERY = "/.well-known/openid-configuration"
Source = tuple[str, str]  # issuer and jwksUri


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key and the one algorithm that it is for."""

    key: RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey
    algorithm: str


@dataclass(frozen=True, eq=False, slots=True)
class KeySet:
    """An issuer's keys by their id; another object as soon as anything about them changes."""

    by_id: dict[str, VerificationKey]
    text: str = ""


@dataclass(slots=True)
class _Standing:
    keys: KeySet | None = None
    seen: float = 0.0  # when the keys were fetched
    asked: float = float("-inf")  # when a fetch last began
    wanted: bool = True
    task: "asyncio.Task[None] | None" = field(default=None, repr=False)


class Issuers:
    """`wanted` tells which issuers are trusted now."""

    def __init__(
        self,
        wanted: Callable[[], Iterable[IssuerRecord]],
        fetcher: Fetcher,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._wanted, self._fetcher, self._clock = wanted, fetcher, clock
        self._standings: dict[Source, _Standing] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._wake = asyncio.Event()

    def keys(self, issuer: IssuerRecord) -> KeySet | None:
        """What is known of its keys; None where that is nothing, or too old."""
        standing = self._standings.get(_source(issuer))
        if standing is None or self._clock() - standing.seen > KEPT:
            return None
        return standing.keys

    def ask_again(self, issuer: IssuerRecord) -> bool:
        """A token names a key that isn't known; whether its keys are about to be fetched again."""
        standing = self._standings.get(_source(issuer))
        if standing is None or standing.task is not None:
            return True
        if self._clock() - standing.asked < AGAIN:
            return False
        standing.wanted = True
        self._wake.set()
        return True

    def hurry(self) -> None:
        """Look now: the config has changed."""
        self._wake.set()

    async def run(self) -> None:
        """Keep the keys of all that are trusted, until cancelled."""
        try:
            while True:
                self._wake.clear()
                self._look()
                try:
                    async with asyncio.timeout(1):
                        await self._wake.wait()
                except TimeoutError:
                    continue
        finally:
            tasks = [standing.task for standing in self._standings.values() if standing.task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._fetcher.close()

    def _look(self) -> None:
        wanted = {_source(issuer) for issuer in self._wanted()}
        for source in self._standings.keys() - wanted:
            if (task := self._standings.pop(source).task) is not None:
                task.cancel()
        for source in wanted:
            standing = self._standings.setdefault(source, _Standing())
            if standing.task is None and self._due(standing):
                standing.asked, standing.wanted = self._clock(), False
                standing.task = asyncio.create_task(self._refresh(source, standing), name="issuer")

    def _due(self, standing: _Standing) -> bool:
        passed = self._clock() - standing.asked
        return passed >= AGAIN and (standing.wanted or standing.asked > standing.seen or passed >= REFRESH)

    async def _refresh(self, source: Source, standing: _Standing) -> None:
        try:
            async with self._slots:
                keys = await self._fetch(*source)
            standing.seen = self._clock()
            if standing.keys is None or standing.keys.text != keys.text:
                standing.keys = keys
        except Unfetched as error:
            log.warning("an issuer's keys can't be fetched", extra={"issuer": source[0], "problem": str(error)})
        finally:
            standing.task = None

    async def _fetch(self, issuer: str, jwks_uri: str) -> KeySet:
        if not jwks_uri:
            about = await self._fetcher.document(issuer.rstrip("/") + DISCOVERY)
            jwks_uri = about.get("jwks_uri", "")
            if about.get("issuer") != issuer:
                raise Unfetched("its discovery document is of another issuer")
            if not isinstance(jwks_uri, str) or not is_trustworthy_url(jwks_uri):
                raise Unfetched("its discovery document names no https URL as jwks_uri")
        return read_keys(await self._fetcher.document(jwks_uri))


def _source(issuer: IssuerRecord) -> Source:
    return issuer.issuer, issuer.jwks_uri


def read_keys(document: dict[str, Any]) -> KeySet:
    """The keys of a JWK Set (RFC 7517) that can be used here; the others are left out. Raises Unfetched."""
    listed = document.get("keys")
    if not isinstance(listed, list):
        raise Unfetched("this is no JWK Set")
    if len(listed) > MOST_KEYS:
        raise Unfetched(f"more than {MOST_KEYS} keys")
    found = {jwk["kid"]: key for jwk in listed if (key := _usable(jwk)) is not None}
    return KeySet(found, orjson.dumps(listed, option=orjson.OPT_SORT_KEYS).decode())


def _usable(jwk: Any) -> VerificationKey | None:
    """RS256 from 2048 bits on and ES256, for signatures, with an id."""
    if not isinstance(jwk, dict) or not isinstance(jwk.get("kid"), str) or jwk.get("use", "sig") != "sig" or "d" in jwk:
        return None
    algorithm = ALGORITHMS.get(str(jwk.get("kty")))
    if algorithm is None or jwk.get("alg", algorithm) != algorithm:
        return None
    try:
        key = jwt.PyJWK(jwk, algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError):
        return None
    if isinstance(key, RSAPublicKey):
        return VerificationKey(key, algorithm) if key.key_size >= LEAST_RSA_BITS else None
    if isinstance(key, EllipticCurvePublicKey):
        return VerificationKey(key, algorithm) if key.curve.name == "secp256r1" else None
    return None
