"""What an account's answer means for the condition Authenticated.

False only where it was the account that said no, or where no deliverer could do better; not to be reached is Unknown.
"""

import re
from base64 import b64encode
from collections.abc import Iterable

from angarium_operator.planning.verdicts import Verdict, no, yes

LONGEST_MESSAGE = 500
SHORTEST_SECRET = 4
HIDDEN = "***"


def taken(message: str) -> Verdict:
    """The credentials are good."""
    return yes("Authenticated", message)


def refused(message: str) -> Verdict:
    """The account does not take them."""
    return no("CredentialsRefused", message)


def unreachable(message: str) -> Verdict:
    """Nobody answered."""
    return Verdict("Unknown", "Unreachable", message)


def unavailable(message: str) -> Verdict:
    """Somebody answered, but not the question."""
    return Verdict("Unknown", "Unavailable", message)


def presentable(verdict: Verdict, secrets: Iterable[str]) -> Verdict:
    """Without anything secret in its message, whatever a server may have said, on one line and not too long."""
    message = verdict.message
    for secret in sorted({form for each in secrets for form in _forms(each)}, key=len, reverse=True):
        message = message.replace(secret, HIDDEN)
    message = re.sub(r"[\x00-\x1f\x7f]+", " ", message).strip()
    shown = message if len(message) <= LONGEST_MESSAGE else f"{message[:LONGEST_MESSAGE]}…"
    return verdict._replace(message=shown)


def _forms(secret: str) -> Iterable[str]:
    """As it is, and as Basic and SASL would show it."""
    if len(secret) < SHORTEST_SECRET:
        return ()
    return secret, b64encode(secret.encode()).decode(), repr(secret)[1:-1]
