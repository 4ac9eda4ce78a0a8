"""Errors as callers see them: RFC 9457 problem+json. Each says what to do, none more than its caller may know."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from angarium_gateway.answers import Answer

BASE = "https://angarium.dev/problems/"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem: its slug ends the type URI and, with underscores, labels the metric of rejections."""

    status: int
    slug: str
    title: str

    @property
    def type(self) -> str:
        """The URI that names the kind."""
        return BASE + self.slug

    @property
    def reason(self) -> str:
        """The kind as a label."""
        return self.slug.replace("-", "_")


MALFORMED = Kind(400, "malformed-json", "The body is not JSON")
INVALID_CURSOR = Kind(400, "invalid-cursor", "The cursor is not valid")
INVALID_KEY = Kind(400, "invalid-idempotency-key", "The Idempotency-Key is not valid")
BAD_REQUEST = Kind(400, "bad-request", "The request can't be understood")
UNAUTHENTICATED = Kind(401, "unauthenticated", "Missing or unknown credentials")
FORBIDDEN = Kind(403, "insufficient-scope", "The token may not do this")
CALLBACKS_FORBIDDEN = Kind(403, "callbacks-forbidden", "Callbacks may not be changed through the API")
TOPIC_HASH = Kind(403, "topic-hash", "The topic's hash is missing or wrong")
TOPIC_OWN = Kind(403, "topic-not-shared", "Organizations may not post to this topic")
NOT_FOUND = Kind(404, "not-found", "Not found")
METHOD = Kind(405, "method-not-allowed", "The method is not allowed here")
SLOW = Kind(408, "request-timeout", "The body did not arrive in time")
IN_PROGRESS = Kind(409, "idempotency-in-progress", "A request with this Idempotency-Key is in progress")
SPENT = Kind(409, "idempotency-spent", "This Idempotency-Key was used before")
NOT_RETRYABLE = Kind(409, "nothing-to-retry", "Nothing can be retried")
NOT_TESTABLE = Kind(409, "callback-not-sending", "The callback is not sending")
GITOPS = Kind(409, "managed-by-gitops", "The callback is managed elsewhere")
NAME_TAKEN = Kind(409, "name-taken", "The name is taken")
QUOTA = Kind(409, "callback-quota", "Too many callbacks")
UNMADE = Kind(409, "secret-not-made", "There is no signing key yet")
CONFLICT = Kind(409, "conflict", "Somebody else changed it at the same moment")
TOO_LARGE = Kind(413, "too-large", "The body is too large")
GROUP_EXISTS = Kind(409, "group-exists", "There is a group of this name")
TAKEN = Kind(409, "identifier-taken", "It belongs to another user")
LIMIT = Kind(409, "limit-reached", "There are as many as there may be")
TOPIC_SUSPENDED = Kind(409, "topic-suspended", "The topic takes nothing for now")
SUSPENDED = Kind(409, "suspended", "The product or organization takes nothing for now")
NO_PROVIDER = Kind(409, "no-provider", "No provider carries this channel")
MEDIA_TYPE = Kind(415, "unsupported-media-type", "The body must be application/json")
INVALID = Kind(422, "invalid-request", "The request is not valid")
MISMATCH = Kind(422, "idempotency-mismatch", "This Idempotency-Key was used with another body")
RATE = Kind(429, "rate-limited", "Too many requests")
BACKLOG = Kind(429, "backlog-full", "Too many deliveries wait")
INTERNAL = Kind(500, "internal", "Something went wrong here")
UNAVAILABLE = Kind(503, "storage-unavailable", "Storage is unavailable")
UNCONFIRMED = Kind(503, "not-replicated", "Too few replicas of storage have confirmed it")
ISSUER = Kind(503, "issuer-unavailable", "The keys of the token's issuer are not known yet")
UNCONFIGURED = Kind(503, "not-configured", "No configuration has been published yet")
OPERATOR = Kind(503, "operator-unavailable", "The operator is unavailable")
FULL = Kind(503, "storage-full", "Storage is full")
UNDECIDED = Kind(504, "test-undecided", "The test was not delivered in time")

BY_STATUS = {
    kind.status: kind for kind in (BAD_REQUEST, NOT_FOUND, METHOD, SLOW, TOO_LARGE, MEDIA_TYPE, INTERNAL, UNAVAILABLE)
}


class Problem(Exception):
    """Raised anywhere below a handler; `errors` are {"pointer" or "parameter", "detail"}."""

    def __init__(
        self,
        kind: Kind,
        detail: str = "",
        *,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(kind.title)
        self.kind = kind
        self.detail = detail
        self.errors = errors
        self.headers = headers or {}
        self.members = members

    @property
    def words(self) -> str:
        """All of it in one line, for who reads no more than that."""
        errors = [f"{each.get('pointer') or each.get('parameter', '')} {each['detail']}" for each in self.errors]
        return self.detail or "; ".join(errors) or self.kind.title

    def document(self, request_id: str) -> dict[str, Any]:
        """As callers see it."""
        kind = self.kind
        document: dict[str, Any] = {"type": kind.type, "title": kind.title, "status": kind.status}
        if self.detail:
            document["detail"] = self.detail
        if self.errors:
            document["errors"] = self.errors
        return document | self.members | {"requestId": request_id}

    def body(self, request_id: str) -> bytes:
        """The document."""
        return orjson.dumps(self.document(request_id))

    def response(self, request_id: str) -> Answer:
        """What is sent."""
        headers = {"Content-Type": "application/problem+json", **self.headers}
        return Answer(self.kind.status, self.body(request_id), headers)


def invalid(pointer: str, detail: str) -> Problem:
    """One field of the body is wrong; `pointer` is a JSON Pointer (RFC 6901)."""
    return Problem(INVALID, errors=[{"pointer": pointer, "detail": detail}])


def invalid_cursor(error: Exception) -> Problem:
    """It is damaged, or of another list."""
    return Problem(INVALID_CURSOR, str(error), errors=[{"parameter": "cursor", "detail": str(error)}])


def unauthenticated() -> Problem:
    """The same whatever was wrong: no hint for who guesses."""
    return Problem(
        UNAUTHENTICATED,
        "send an API key or a token as `Authorization: Bearer <key>`, or an API key as `X-API-Key: <key>`",
        headers={"WWW-Authenticate": 'Bearer realm="angarium"'},
    )


def wrong_token(why: str) -> Problem:
    """A token that is not taken, and why (RFC 6750, section 3)."""
    return Problem(
        UNAUTHENTICATED,
        f"the token is not taken: {why}",
        headers={"WWW-Authenticate": f'Bearer realm="angarium", error="invalid_token", error_description="{why}"'},
    )


def forbidden(act: str, scope: str) -> Problem:
    """The token is good, but not for this."""
    challenge = f'Bearer realm="angarium", error="insufficient_scope", scope="{scope}"'
    return Problem(
        FORBIDDEN,
        f"this token may not {act}: it lacks the scope {scope}",
        headers={"WWW-Authenticate": challenge},
    )


def issuer_unavailable() -> Problem:
    """They are being fetched, or can't be; another try may find them."""
    return Problem(
        ISSUER,
        "they are being fetched; repeat the request, and see that the issuer answers",
        headers={"Retry-After": "2"},
    )


def unavailable() -> Problem:
    """Redis does not answer."""
    return Problem(
        UNAVAILABLE,
        "storage is unavailable; whether the request took effect is unknown, so repeat it (a notification with its"
        " Idempotency-Key)",
        headers={"Retry-After": "2"},
    )


def unconfirmed() -> Problem:
    """Redis has it, or may have it, but too few replicas said that they have it too."""
    return Problem(
        UNCONFIRMED,
        "it may be stored, but is not confirmed, so a failover could lose it; repeat it with its Idempotency-Key",
        headers={"Retry-After": "2"},
    )


def full() -> Problem:
    """Redis has no room; what is stored goes on being delivered."""
    return Problem(FULL, "storage is full; nothing was accepted", headers={"Retry-After": "10"})
