"""An answer that only the process which asked can read: X25519 to a key made for one request, then Fernet.

So a signing key can be told to its owner through Redis, which never holds it in the clear, by a gateway that holds no
key but for the moment of the answer.
"""

import base64
import binascii

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

INFO = b"angarium/edits/envelope/v1"


class EnvelopeError(Exception):
    """An address or a sealed answer is malformed, or was meant for another. Never says what was inside."""


class Envelope:
    """For one answer; the key to it is in this object alone."""

    def __init__(self) -> None:
        self._key = X25519PrivateKey.generate()

    @property
    def address(self) -> str:
        """Whom the answer is to be sealed for."""
        return base64.urlsafe_b64encode(self._key.public_key().public_bytes_raw()).decode("ascii")

    def open(self, sealed: str) -> bytes:
        """What was sealed; raises EnvelopeError."""
        theirs, _, text = sealed.partition(".")
        try:
            return _fernet(self._key, theirs, to=self.address).decrypt(text.encode("ascii"))
        except (InvalidToken, UnicodeEncodeError) as error:
            raise EnvelopeError("it was not sealed for this request") from error


def seal_for(address: str, plain: bytes) -> str:
    """Seal for the holder of an Envelope; raises EnvelopeError."""
    once = X25519PrivateKey.generate()
    fernet = _fernet(once, address, to=address)
    ours = base64.urlsafe_b64encode(once.public_key().public_bytes_raw()).decode("ascii")
    return f"{ours}.{fernet.encrypt(plain).decode('ascii')}"


def _fernet(key: X25519PrivateKey, other: str, *, to: str) -> Fernet:
    try:
        shared = key.exchange(X25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(other)))
    except (ValueError, binascii.Error) as error:
        raise EnvelopeError("this is no address") from error
    derived = HKDF(SHA256(), 32, salt=None, info=INFO + to.encode("ascii")).derive(shared)
    return Fernet(base64.urlsafe_b64encode(derived))
