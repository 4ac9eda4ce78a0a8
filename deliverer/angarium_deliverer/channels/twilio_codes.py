"""What Twilio's codes and statuses mean. https://www.twilio.com/docs/api/errors

Codes that are not named here are about this message or its recipient: there are hundreds, and more each year.
"""

from angarium.notifications import Outcome, Result
from angarium_deliverer.channels.apis import excerpt
from angarium_deliverer.channels.twilio_http import Refused
from angarium_deliverer.dialer import DialError, DialReason

# Whoever mends the account, its numbers or its services saves the messages that wait.
ACCOUNT = frozenset(
    {
        20003,  # authentication
        20005,  # the account is not active
        20006,  # no access
        20008,  # test credentials
        20404,  # there is no such account
        21212,  # not a number to send from
        21603,  # no number to send from
        21606,  # not this account's number
        21659,  # not a number of Twilio's
        21660,  # not this account's number
        21701,  # no such Messaging Service
        21703,  # a Messaging Service without numbers
        21704,
        21705,
        30002,  # the account is suspended
        63007,  # WhatsApp: no such sender
    }
)
LATER = frozenset(
    {
        20429,  # too many requests
        21611,  # the number's queue is full
        63018,  # WhatsApp: too fast
        63038,  # as many as the account may send in a day
    }
)
NOT_TAKEN = frozenset({429, 502, 503})  # by these nothing was taken on; any other 5xx may come after it was
REFUSED_LOGIN = frozenset({401, 403})
NEVER_ASKED = frozenset(
    {
        DialReason.ADDRESS_REFUSED,
        DialReason.CONNECT_REFUSED,
        DialReason.CONNECT_TIMEOUT,
        DialReason.DNS_ERROR,
        DialReason.INVALID_URL,
        DialReason.TLS_ERROR,
    }
)

ARRIVED = frozenset({"delivered", "read"})
FAILED = frozenset({"failed", "undelivered", "canceled"})
HOUR = 3600.0
UNCONFIRMED_AFTER = 4 * HOUR  # many carriers never tell; Twilio waits for no more than this either
UNDECIDED_AFTER = 24 * HOUR  # nothing waits at Twilio for more than ten hours
SOONEST, LATEST = 5.0, 1800.0  # s between two looks


def judge(refused: Refused) -> Outcome:
    """What an answer to a POST means that is none of success."""
    code, status = refused.code, refused.status
    detail = f"Twilio answered {code or status} {refused.words}".strip()
    reason = f"twilio_{code}" if code else "http_3xx" if 300 <= status <= 399 else f"http_{status}"
    result, blameless = Result.RETRYABLE, False
    if 200 <= status <= 299:
        reason = "protocol_error"
    elif code == 20003 or status in REFUSED_LOGIN:
        reason = "authentication_failed" if code in (0, 20003) or status == 401 else reason
        if code and code not in ACCOUNT and status != 401:  # 403 is also said of recipients
            result, blameless = Result.PERMANENT, True
    elif code and status < 500 and code not in ACCOUNT | LATER and status != 429:
        result, blameless = Result.PERMANENT, True
    return Outcome(result, reason, detail, refused.after, refused.shown, blameless=blameless)


def unreached(error: DialError) -> Outcome:
    """All of it may get better."""
    return Outcome(Result.RETRYABLE, error.reason.value, error.detail)


def follow(status: str, code: int | None, age: float, asked_back: bool) -> Outcome:
    """What becomes of a message that Twilio took `age` seconds ago; `asked_back`: it will also tell by itself."""
    shown = excerpt(200, f"{status} {code or ''}".strip())
    if status in ARRIVED:
        return Outcome(Result.DELIVERED, response=shown)
    if status in FAILED:
        detail = f"Twilio says that it is {status}{f' because of error {code}' if code else ''}"
        return Outcome(Result.PERMANENT, f"twilio_{code or status}", detail, response=shown, blameless=True)
    if status == "sent" and age >= UNCONFIRMED_AFTER:
        return Outcome(Result.DELIVERED, response=shown | {"unconfirmed": True})
    if age >= UNDECIDED_AFTER:
        return Outcome(
            Result.PERMANENT, "twilio_undecided", f"for a day Twilio has said that it is {status}", response=shown,
            blameless=True,
        )  # fmt: skip
    return Outcome(Result.SENT, retry_after=pause(age, asked_back), response=shown)


def pause(age: float, asked_back: bool) -> float:
    """Seconds until Twilio is asked again: three times as long as it has taken so far, and a minute where it tells."""
    return min(max(3 * age, 60.0 if asked_back else SOONEST), LATEST)
