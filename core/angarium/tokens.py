"""What a token (a JWT, RFC 7519) of a product or an organization is: the keys that sign it and what it may say.

Each API key has an Ed25519 pair beside it, derived from its text (HKDF, RFC 5869): who holds the Secret can mint
tokens; who knows only the SHA-256 and the public half, as Redis does, can't. So the pair is made, announced, rotated,
repaired and retired together with the API key, which may do all that a token may, and has no life of its own. Its key
id (`kid`) is the API key's.
"""

import base64
import binascii
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

ALGORITHM = "EdDSA"  # RFC 8037; the only one for keys of ours
AUDIENCE = "angarium"
SEND, READ, ADMIN = SCOPES = ("send", "read", "admin")
LEEWAY = timedelta(seconds=60)  # that clocks may differ
SHORTEST, LONGEST = timedelta(minutes=1), timedelta(hours=24)  # life of a token that is signed with a key of ours
MOST_CHARACTERS = 7168  # of a token; the head of a request has no room for much more

PRIVATE_KEY, KEY_ID, ISSUER = "jwt-private-key", "jwt-key-id", "jwt-issuer"  # names in a Secret
_PURPOSE = b"angarium jwt ed25519 1"


@dataclass(frozen=True, slots=True)
class TokenKey:
    """The pair of one API key: `private` as PEM without a last line end, `public` as the `x` of a JWK."""

    private: str = field(repr=False)
    public: str


@lru_cache(maxsize=4096)
def token_key(api_key: str) -> TokenKey:
    """The pair that belongs to an API key; always the same."""
    seed = HKDF(SHA256(), 32, salt=None, info=_PURPOSE).derive(api_key.encode())
    key = Ed25519PrivateKey.from_private_bytes(seed)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return TokenKey(pem.decode().strip(), base64.urlsafe_b64encode(raw).rstrip(b"=").decode())


def read_public(text: str) -> Ed25519PublicKey:
    """The key that signatures are checked with; raises ValueError."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise ValueError("a public key is 32 bytes in base64url") from None
    return Ed25519PublicKey.from_public_bytes(raw)
