"""Google: a service account's key buys an access token for FCM (RFC 7523); nothing is sent with it."""

import time
from base64 import urlsafe_b64encode
from typing import Any

import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from angarium_operator.planning import Probe
from angarium_operator.planning.verdicts import Verdict
from angarium_operator.probing.answers import refused, taken
from angarium_operator.probing.web import Web

SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
VALID_S = 300
NOT_YET = frozenset({"temporarily_unavailable", "server_error"})


async def probe_fcm(probe: Probe, web: Web) -> Verdict:
    """Ask where the service account says that tokens are."""
    account = orjson.loads(probe.credentials["service-account.json"])
    try:
        assertion = _assertion(account)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return refused("the private_key of the service account is no RSA key in PEM")
    answer = await web.ask("POST", account["token_uri"], form={"grant_type": GRANT, "assertion": assertion})
    if answer.status == 200 and answer.said("access_token"):
        return taken(f"Google gave a token to {account['client_email']}")
    error = answer.said("error")
    if answer.status in (400, 401, 403) and error and error not in NOT_YET:
        return refused(f"Google answered {error}: {answer.said('error_description')}")
    return answer.unexpected("error", "error_description")


def _assertion(account: dict[str, Any]) -> str:
    """The JWT, signed by the account's key."""
    now = int(time.time())
    header = {"alg": "RS256", "typ": "JWT"}
    claims = {
        "iss": account["client_email"],
        "scope": SCOPE,
        "aud": account["token_uri"],
        "iat": now,
        "exp": now + VALID_S,
    }
    key = load_pem_private_key(account["private_key"].encode(), None)
    if not isinstance(key, RSAPrivateKey):
        raise TypeError("another kind of key")
    signed = b".".join(_base64(orjson.dumps(part)) for part in (header, claims))
    return (signed + b"." + _base64(key.sign(signed, PKCS1v15(), SHA256()))).decode()


def _base64(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")
