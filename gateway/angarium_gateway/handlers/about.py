"""Who the caller is, and how this gateway is."""

from aiohttp import web

from angarium.payload import instant
from angarium.tokens import SCOPES
from angarium_gateway import render
from angarium_gateway.answers import Answer
from angarium_gateway.appkeys import PROBES
from angarium_gateway.directory import Caller


async def me(_: web.Request, caller: Caller) -> Answer:
    """GET /v1/me"""
    tenant = caller.tenant
    key = {"id": caller.key.id}
    if caller.key.expires_ms is not None:
        key["expiresAt"] = instant(caller.key.expires_ms)
    return render.json_response(
        {
            "tenant": tenant.id,
            "product": tenant.product,
            "organization": tenant.organization,
            "key": key,
            "subject": caller.subject,
            "scopes": [scope for scope in SCOPES if caller.scopes is None or scope in caller.scopes],
            "quotas": {"requestsPerSecond": tenant.requests_per_second, "backlog": tenant.backlog},
        }
    )


async def healthz(request: web.Request) -> Answer:
    """GET /healthz: only a restart would mend what fails here."""
    return _health(request.app[PROBES].liveness())


async def readyz(request: web.Request) -> Answer:
    """GET /readyz"""
    return _health(request.app[PROBES].readiness())


def _health(failures: dict[str, str]) -> Answer:
    return render.json_response({"ok": not failures, "failures": failures}, 503 if failures else 200)
