"""TLS of the API, with a certificate that may be renewed while it serves.

Kubernetes swaps a mounted Secret's files at once, but not between our two reads: a certificate is taken only with the
key that belongs to it, and the one that serves stays until then.
"""

import logging
import os
import ssl
from pathlib import Path

from cryptography import x509

from angarium.process import WrongSettingError
from angarium.telemetry.metrics import CERTIFICATE_EXPIRY

log = logging.getLogger(__name__)
LOOK_EVERY = 5.0  # s
VARIABLES = "ANGARIUM_GATEWAY_TLS_CERT, ANGARIUM_GATEWAY_TLS_KEY"


class ServerTls:
    """`context` serves; `step` puts a renewed certificate into it, for the connections that come then."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """Both are PEM, the certificate with its chain; raises WrongSettingError."""
        self._certificate, self._key = certificate, key
        self.context = _context()
        self._seen: object = None
        self._complained = False
        try:
            self._take()
        except (OSError, ValueError) as error:
            raise WrongSettingError(f"{VARIABLES}: {_reason(error)}") from error

    async def step(self) -> float:
        """One look at the files."""
        if self._stamp() != self._seen:
            try:
                self._take()
                log.info("the certificate was renewed")
            except (OSError, ValueError) as error:
                if not self._complained:
                    log.warning("a renewed certificate can't be used", extra={"error": _reason(error)})
                self._complained = True
        return LOOK_EVERY

    def _take(self) -> None:
        stamp = self._stamp()
        _context().load_cert_chain(self._certificate, self._key)  # only what is whole goes into the one that serves
        self.context.load_cert_chain(self._certificate, self._key)
        expiry = x509.load_pem_x509_certificate(self._certificate.read_bytes()).not_valid_after_utc
        CERTIFICATE_EXPIRY.labels("gateway").set(expiry.timestamp())
        self._seen, self._complained = stamp, False

    def _stamp(self) -> object:
        """Of both files; links are followed, as Kubernetes swaps a link."""
        try:
            return [(each.st_ino, each.st_mtime_ns) for each in map(os.stat, (self._certificate, self._key))]
        except OSError:
            return None


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _reason(error: Exception) -> str:
    """In words, without a trace of the key."""
    if isinstance(error, ssl.SSLError):
        return "they are no certificate and its private key, in PEM"
    return f"{error.strerror}: {error.filename}" if isinstance(error, OSError) else str(error)
