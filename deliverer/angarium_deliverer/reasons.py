"""Reasons as values of a label: carriers and receivers may say any word or number, and each would be a series for ever.

Those that are common, or that somebody can mend, have a value of their own; the rest is `<whose>_other`. Timelines and
logs have them all.
"""

from functools import lru_cache
from http import HTTPStatus

from angarium_deliverer.channels.twilio_codes import ACCOUNT, LATER

_TWILIO = (
    *(21211, 21214, 21217, 21401, 21407, 21408, 21421, 21602, 21604, 21608, 21610, 21612, 21614, 21617),
    *(30001, 30003, 30004, 30005, 30006, 30007, 30008, 30010, 30022, 30023, 30034, 63003, 63013, 63016, 63024),
    *("failed", "undelivered", "canceled", "undecided"),
)
_FCM = (
    *("internal", "invalid_argument", "quota_exceeded", "sender_id_mismatch", "third_party_auth_error"),
    *("unavailable", "unregistered", "unspecified_error"),
    *("deadline_exceeded", "not_found", "permission_denied", "resource_exhausted", "unauthenticated", "unknown"),
)
_SMTP = (
    *(421, 432, 450, 451, 452, 454, 455, 500, 501, 502, 503, 504, 521, 523, 525, 530, 534, 535, 538),
    *(550, 551, 552, 553, 554, 555, 556),
)
_STATUSES = tuple(status.value for status in HTTPStatus)
_KNOWN = {
    "http": {*map(str, _STATUSES), "3xx"},
    "telegram": {*map(str, _STATUSES), "error"},
    "twilio": {*map(str, (*ACCOUNT, *LATER, *_TWILIO))},
    "fcm": set(_FCM),
    "smtp": {*map(str, _SMTP)},
}


@lru_cache(maxsize=1024)
def bounded(reason: str) -> str:
    """The value of the label."""
    whose, _, word = reason.partition("_")
    return f"{whose}_other" if whose in _KNOWN and word not in _KNOWN[whose] else reason
