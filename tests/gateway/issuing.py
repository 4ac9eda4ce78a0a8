"""Tokens as tests need them, good and bad; and an issuer with a real HTTP server."""

import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from angarium import tokens
from angarium.apikeys import ApiKey
from angarium.records import KeyRecord

EC = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)


def signing_key(key: ApiKey, expires_ms: int | None = None) -> KeyRecord:
    """What the operator publishes of an API key, tokens included."""
    public = tokens.token_key(key.text).public
    return KeyRecord(id=key.id, sha256=key.sha256, expires_ms=expires_ms, public_key=public)


def claims(tenant: str = "prd_shop", **more: Any) -> dict[str, Any]:
    """Of a good token; those that are None are left out."""
    now = int(time.time())
    given = {"iss": tenant, "aud": "angarium", "sub": "ci", "iat": now, "exp": now + 600, "scope": "send read"} | more
    return {name: value for name, value in given.items() if value is not None}


def token(key: ApiKey, said: dict[str, Any] | None = None, kid: str | None = None) -> str:
    """A token that is signed beside an API key."""
    private = tokens.token_key(key.text).private
    headers = {"kid": key.id if kid is None else kid}
    return jwt.encode(claims() if said is None else said, private, algorithm="EdDSA", headers=headers)


def part(document: Any) -> str:
    """One of the three parts of a token."""
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


@dataclass
class Issuer:
    """An OpenID Connect provider; what it answers can be changed."""

    url: str = ""
    keys: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    discovery: dict[str, Any] = field(default_factory=dict)
    status: int = 200
    body: bytes | None = None
    location: str = ""

    async def answer(self, request: web.Request) -> web.Response:
        """Discovery and keys."""
        self.asked.append(request.path)
        headers = {"Location": self.location} if self.location else {}
        if request.path.startswith("/.well-known/"):
            about = {"issuer": self.url, "jwks_uri": f"{self.url}/keys"} | self.discovery
            return web.json_response(about, status=self.status, headers=headers)
        body = json.dumps({"keys": self.keys}).encode() if self.body is None else self.body
        return web.Response(body=body, content_type="application/json", status=self.status, headers=headers)


def jwk(key: Any, kid: str, **more: Any) -> dict[str, Any]:
    """The public half, as an issuer publishes it."""
    of = jwt.algorithms.ECAlgorithm if isinstance(key, ec.EllipticCurvePrivateKey) else jwt.algorithms.RSAAlgorithm
    public: dict[str, Any] = of.to_jwk(key.public_key(), as_dict=True)
    return public | {"kid": kid, "use": "sig"} | more


@asynccontextmanager
async def issuing() -> AsyncIterator[Issuer]:
    """An issuer on a free port."""
    issuer = Issuer(keys=[jwk(RSA, "rsa-1"), jwk(EC, "ec-1")])
    app = web.Application()
    app.router.add_get("/{path:.*}", issuer.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    issuer.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield issuer
    finally:
        await runner.cleanup()
