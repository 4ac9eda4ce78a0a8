"""Credentials for deliverers, sealed: readable with keys that are mounted in operator and deliverer alone."""

from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class SealError(Exception):
    """No key at hand opens this, or a key is malformed. Never says what was inside."""


class Sealer:
    """Seals with the first key, opens with any: so keys are rotated by putting a new one in front."""

    def __init__(self, keys: Sequence[str]) -> None:
        """`keys` are Fernet keys (32 bytes, URL-safe base64), the current one first; at least one."""
        self._keys = tuple(keys)
        try:
            self._fernet = MultiFernet([Fernet(key) for key in keys])
        except ValueError as error:
            raise SealError("a seal key must be 32 bytes in URL-safe base64; at least one is needed") from error

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sealer) and self._keys == other._keys

    def __hash__(self) -> int:
        return hash(self._keys)

    @property
    def current(self) -> "Sealer":
        """With the current key alone: what it opens needs no sealing anew."""
        return Sealer(self._keys[:1])

    def seal(self, plain: bytes) -> str:
        """Encrypt and authenticate."""
        return self._fernet.encrypt(plain).decode("ascii")

    def open(self, sealed: str) -> bytes:
        """The sealed bytes; raises SealError."""
        try:
            return self._fernet.decrypt(sealed.encode("ascii"))
        except (InvalidToken, UnicodeEncodeError) as error:
            raise SealError("no seal key at hand opens this record") from error


def generate_seal_key() -> str:
    """A new key for ANGARIUM_SEAL_KEYS."""
    return Fernet.generate_key().decode("ascii")
