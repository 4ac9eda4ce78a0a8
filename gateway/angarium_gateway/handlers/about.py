"""Who the caller is, and how this gateway is."""

from aiohttp import web

from angarium_gateway import render
from angarium_gateway.appkeys import DIRECTORY, PROBES
from angarium_gateway.auth import Caller
from angarium_gateway.clock import instant


async def me(request: web.Request, caller: Caller) -> web.Response:
    """GET /v1/me"""
    tenant = caller.tenant
    known = request.app[DIRECTORY].credential(caller.key_id)
    key = {"id": caller.key_id}
    if known and known.key.expires_ms is not None:
        key["expiresAt"] = instant(known.key.expires_ms)
    return render.json_response(
        {
            "tenant": tenant.id,
            "product": tenant.product,
            "organization": tenant.organization,
            "key": key,
            "quotas": {"requestsPerSecond": tenant.requests_per_second, "backlog": tenant.backlog},
        }
    )


async def healthz(request: web.Request) -> web.Response:
    """GET /healthz: only a restart would mend what fails here."""
    return _health(request.app[PROBES].liveness())


async def readyz(request: web.Request) -> web.Response:
    """GET /readyz"""
    return _health(request.app[PROBES].readiness())


def _health(failures: dict[str, str]) -> web.Response:
    return render.json_response({"ok": not failures, "failures": failures}, 503 if failures else 200)
