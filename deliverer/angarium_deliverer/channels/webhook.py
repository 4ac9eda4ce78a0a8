"""Webhooks by Standard Webhooks 1.0: one signed POST, and what its answer means.

2xx is delivered; 410 says that the receiver wants no more; statuses that the callback lists are final; everything else
may get better, redirects too: following them would lead a signed request past whoever declared the URL.
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import time
from collections.abc import Callable, Container
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache, partial
from http import HTTPStatus
from typing import Any

from angarium import __version__
from angarium.notifications import Attempt, Outcome, Result
from angarium.records import CallbackRecord
from angarium.signing import Signer
from angarium.telemetry.traces import trace_headers
from angarium.topics import payload_of
from angarium_deliverer.dialer import FRAMING_HEADERS, Answer, Dialer, DialError, DialReason, Trace, header_lines

USER_AGENT = "Angarium/" + ".".join(__version__.split(".")[:2])
SHOWN_BODY_BYTES = 2048  # of an answer, in the timeline: what people need to see why; Redis keeps it for each attempt
LONGEST_WISH_S = 366 * 86400.0  # a number all the same, where a receiver sends four hundred digits

_OURS = FRAMING_HEADERS | {"content-type", "user-agent"}
_FINAL = frozenset({DialReason.ADDRESS_REFUSED, DialReason.INVALID_URL})  # only another URL or another guard helps


class Webhook:
    """Posts to the callback's URL."""

    name = "webhook"

    def __init__(self, dialer: Dialer, clock: Callable[[], float] = time.time, pod: str = "") -> None:
        """`pod`: who tests are told to come from."""
        self._dialer, self._clock, self._pod = dialer, clock, pod

    async def deliver(self, attempt: Attempt, callback: CallbackRecord, signer: Signer) -> Outcome:
        """One POST of the notification's very bytes, signed at this moment with every live key."""
        body, now, id_ = attempt.notification.body, int(self._clock()), attempt.delivery
        if body[:1] == b"[":  # posted to a topic: others get something else of it
            body = payload_of(body)
        if attempt.reference:  # a replay that wants it processed again
            id_ = f"{id_}_{attempt.reference}"
        changing = (
            ("webhook-id", id_),
            ("webhook-timestamp", str(now)),
            ("webhook-signature", signer.sign(id_, now, body)),
            *trace_headers(),
        )
        trace = Trace() if attempt.notification.test else None
        post = self._dialer.post if trace is None else partial(self._dialer.trace, trace)
        try:
            answer = await post(
                callback.url,
                changing,
                body,
                timeout=callback.timeout_s,
                in_cluster=callback.in_cluster,
                lines=_same_lines(callback.headers),
            )
        except DialError as error:
            outcome = _failed(error)
        else:
            outcome = judge(answer, callback.non_retryable_statuses, self._clock())
        if attempt.reference and outcome.result is Result.RETRYABLE:
            outcome.reference = attempt.reference
        if trace is not None:  # a test tells the way, too
            outcome.response = {**(outcome.response or {}), "trace": self._shown_way(trace, dict(changing))}
        return outcome

    def _shown_way(self, trace: Trace, headers: dict[str, str]) -> dict[str, Any]:
        signatures = [each.partition(",")[0] for each in headers["webhook-signature"].split(" ")]
        return trace.as_json() | {"signatures": signatures, "deliverer": self._pod}


def _failed(error: DialError) -> Outcome:
    result = Result.PERMANENT if error.reason in _FINAL else Result.RETRYABLE
    return Outcome(result, error.reason.value, error.detail)


def judge(answer: Answer, final_statuses: Container[int], now: float) -> Outcome:
    """What an answer means. `now` in seconds since the epoch, for a Retry-After that names a date."""
    status, wish = answer.status, answer.headers.get("webhook-delivery", "").strip().lower()  # Svix's convention
    response = _shown(answer)
    gone = status == HTTPStatus.GONE or wish == "disable"
    if 200 <= status <= 299:
        return Outcome(Result.DELIVERED, response=response, gone=gone)
    detail = _described(answer)
    if gone:
        return Outcome(Result.PERMANENT, "gone", detail, response=response, gone=True)
    if wish == "abort-message":
        return Outcome(Result.PERMANENT, "aborted_by_receiver", detail, response=response)
    if status in final_statuses:
        return Outcome(Result.PERMANENT, f"http_{status}", detail, response=response)
    reason = "http_3xx" if 300 <= status <= 399 else f"http_{status}"
    return Outcome(Result.RETRYABLE, reason, detail, retry_after(answer.headers.get("retry-after"), now), response)


def retry_after(text: str | None, now: float) -> float | None:
    """Seconds to wait, by RFC 9110 (10.2.3): a number or a date; None where it says neither.

    Whether that is too long, angarium.retries decides.
    """
    if text is None:
        return None
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST_WISH_S)
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    seconds = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now
    return min(max(seconds, 0.0), LONGEST_WISH_S)


def _shown(answer: Answer) -> dict[str, Any]:
    shown = answer.body[:SHOWN_BODY_BYTES]
    truncated = answer.truncated or len(shown) < len(answer.body)
    response = {"status": answer.status, "body": shown.decode(errors="replace"), "truncated": truncated}
    return response | {"resent": True} if answer.resent else response


def _described(answer: Answer) -> str:
    text = f"{answer.status} {_PHRASES.get(answer.status, '')}".strip()
    location = answer.headers.get("location")
    return f"{text} to {location}; redirects are not followed" if location else text


_PHRASES = {status.value: status.phrase for status in HTTPStatus}


@lru_cache(maxsize=32_768)
def _same_lines(own: tuple[tuple[str, str], ...]) -> list[str]:
    """The headers that are the same in each attempt: ours, and the callback's `own` less those that are not its to set.

    (Its CRD refuses them already.)
    """
    allowed = [
        (name, value) for name, value in own if name.lower() not in _OURS and not name.lower().startswith("webhook-")
    ]
    return header_lines([("content-type", "application/json"), ("user-agent", USER_AGENT), *allowed])
