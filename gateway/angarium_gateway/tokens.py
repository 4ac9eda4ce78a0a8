"""Bearer tokens (JWT, RFC 7519), checked without asking anybody.

The issuer and the key id that a token names only choose among keys that are known already; the algorithm is the key's
and never what the header says (RFC 8725). A token that was good is remembered by its SHA-256, until it expires or until
anything about the keys of its issuer changes, so its signature costs once. What is wrong with a token is told in so
many words, but of its claims only once the signature is good.
"""

import time
from dataclasses import dataclass
from typing import Any

import jwt
import orjson

from angarium import tokens
from angarium.records import KeyRecord
from angarium_gateway.directory import Caller, Directory, Trust
from angarium_gateway.issuers import Issuers, VerificationKey
from angarium_gateway.problems import issuer_unavailable, wrong_token

REMEMBERED = 4096  # tokens
MOST_SUBJECT = 128  # characters of a subject that timelines show
PREFIX = "angarium:"  # may stand before a scope, where an issuer's scopes are for several services
REQUIRED = ["exp", "iat", "iss", "aud", "sub"]


@dataclass(frozen=True, slots=True)
class Known:
    """A token that was good, with what it was checked against: good as long as that is what is still trusted."""

    caller: Caller
    expires: float  # seconds since the epoch
    source: object
    trust: Trust


@dataclass(frozen=True, slots=True)
class Named:
    """What a token says of itself before anything is checked."""

    issuer: str
    key_id: str
    audiences: frozenset[str]


class Tokens:
    """Whom tokens speak for."""

    def __init__(self, directory: Directory, issuers: Issuers) -> None:
        self._directory, self._issuers = directory, issuers
        self._known: dict[str, Known] = {}

    def caller(self, text: str, sha256: str) -> Caller:
        """The tenant and what it may do; raises a Problem."""
        known, now = self._known.get(sha256), time.time()
        if known is not None:
            if now < known.expires and self._trusted(known):
                return known.caller
            del self._known[sha256]
        known = self._verify(text, now)
        if now < known.expires:  # else it lives by the leeway alone
            if len(self._known) >= REMEMBERED:
                del self._known[next(iter(self._known))]
            self._known[sha256] = known
        return known.caller

    def _trusted(self, known: Known) -> bool:
        trust = known.trust
        if self._directory.trust(trust.tenant.id) is not trust:
            return False
        return known.source is trust or (trust.jwt is not None and self._issuers.keys(trust.jwt) is known.source)

    def _verify(self, text: str, now: float) -> Known:
        named = _named(text)
        trust = self._directory.trust(named.issuer)
        return self._own(text, named, trust, now) if trust is not None else self._foreign(text, named)

    def _own(self, text: str, named: Named, trust: Trust, now: float) -> Known:
        found = trust.keys.get(named.key_id)
        if found is None or (found.record.expires_ms is not None and found.record.expires_ms <= now * 1000):
            raise wrong_token("its key is unknown or no longer valid; mint another from the current Secret")
        key = VerificationKey(found.public, tokens.ALGORITHM)
        claims = _checked(text, key, tokens.AUDIENCE, named.issuer)
        if claims["exp"] - claims["iat"] > tokens.LONGEST.total_seconds():
            raise wrong_token("it is made for more than 24 hours")
        return _known(claims, trust, named.key_id, found.record.expires_ms, trust)

    def _foreign(self, text: str, named: Named) -> Known:
        trust = self._trusting(named)
        if trust.jwt is None:
            raise TypeError("only a product that names an issuer trusts one")
        keys = self._issuers.keys(trust.jwt)
        if keys is None:
            raise issuer_unavailable()
        key = keys.by_id.get(named.key_id)
        if key is None:
            if self._issuers.ask_again(trust.jwt):
                raise issuer_unavailable()
            raise wrong_token("its issuer publishes no key of this id")
        return _known(_checked(text, key, trust.jwt.audience, named.issuer), trust, named.key_id, None, keys)

    def _trusting(self, named: Named) -> Trust:
        """Who trusts the issuer. Two with one audience are an error that the operator prevents: then neither does."""
        candidates = self._directory.trusting(named.issuer)
        if not candidates:
            raise wrong_token("its issuer is not known here")
        found = [each for each in candidates if each.jwt is not None and each.jwt.audience in named.audiences]
        if not found:
            raise wrong_token("its audience is another")
        if len(found) > 1:
            raise wrong_token("several products trust its issuer for its audience")
        return found[0]


def _named(text: str) -> Named:
    if len(text) > tokens.MOST_CHARACTERS:
        raise wrong_token(f"it is longer than {tokens.MOST_CHARACTERS} characters")
    try:
        head, payload, _ = text.split(".")
        header, claims = (orjson.loads(jwt.utils.base64url_decode(part)) for part in (head, payload))
        issuer, key_id, audience = claims["iss"], header["kid"], claims["aud"]
        audiences = frozenset(audience if isinstance(audience, list) else [audience])
    except (ValueError, KeyError, TypeError):
        raise wrong_token("it is no token with a kid, an iss and an aud") from None
    if not isinstance(issuer, str) or not isinstance(key_id, str):
        raise wrong_token("it is no token with a kid, an iss and an aud")
    return Named(issuer, key_id, audiences)


def _checked(text: str, key: VerificationKey, audience: str, issuer: str) -> dict[str, Any]:
    """The claims, once the signature and they are good; raises a Problem."""
    try:
        claims: dict[str, Any] = jwt.decode(
            text,
            key.key,
            algorithms=[key.algorithm],
            audience=audience,
            issuer=issuer,
            leeway=tokens.LEEWAY,
            options={"require": REQUIRED},
        )
        return claims | {"exp": int(claims["exp"]), "iat": int(claims["iat"])}
    except jwt.InvalidTokenError as error:
        raise wrong_token(_words(error)) from None
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise wrong_token("it can't be read") from None


WORDS: tuple[tuple[type[Exception], str], ...] = (
    (jwt.ExpiredSignatureError, "it has expired"),
    (jwt.ImmatureSignatureError, "it is not valid yet"),
    (jwt.InvalidAudienceError, "its audience is another"),
    (jwt.MissingRequiredClaimError, "it lacks one of exp, iat, iss, aud and sub"),
    (jwt.InvalidAlgorithmError, "its algorithm is not that of its key"),
    (jwt.InvalidSignatureError, "its signature is wrong"),
)


def _words(error: jwt.InvalidTokenError) -> str:
    return next((words for kind, words in WORDS if isinstance(error, kind)), "it can't be read")


def _known(claims: dict[str, Any], trust: Trust, key_id: str, key_expires_ms: int | None, source: object) -> Known:
    expires_ms = min(claims["exp"] * 1000, key_expires_ms or claims["exp"] * 1000)
    subject = claims["sub"][:MOST_SUBJECT]
    shown_id = key_id[:MOST_SUBJECT]
    record = KeyRecord(id=shown_id, sha256="", expires_ms=key_expires_ms)
    caller = Caller(trust.tenant, record, f"token {subject} of key {shown_id}", scopes_of(claims), subject)
    return Known(caller, expires_ms / 1000, source, trust)


def scopes_of(claims: dict[str, Any]) -> frozenset[str]:
    """What a token may do: `scope` (RFC 8693, words with spaces between), else `scp` (likewise, or a list)."""
    said = claims.get("scope", claims.get("scp", ""))
    words = said.split() if isinstance(said, str) else said if isinstance(said, list) else []
    return frozenset(
        word.removeprefix(PREFIX)
        for word in words
        if isinstance(word, str) and word.removeprefix(PREFIX) in tokens.SCOPES
    )
