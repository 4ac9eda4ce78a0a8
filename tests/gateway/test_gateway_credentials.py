"""Keys that are about to end and still in use: what the alert needs to know."""

import asyncio
import time

import pytest
from prometheus_client import REGISTRY
from tests.gateway.records import product
from tests.gateway.running import Gateway

from angarium import apikeys
from angarium.records import KeyRecord


def shown(what: str, key: str) -> float | None:
    labels = {"product": "shop/shop", "organization": "", "key": key}
    return REGISTRY.get_sample_value(f"angarium_credential_{what}_timestamp_seconds", labels)


async def sampled(what: str, key: str, *, there: bool = True) -> float | None:
    """Once it is there, or no more."""
    async with asyncio.timeout(10):
        while (shown(what, key) is not None) != there:
            await asyncio.sleep(0.01)
    return shown(what, key)


async def test_a_retiring_key_shows_its_end_and_its_last_use(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("angarium_gateway.vitals.INTERVAL", 0.01)
    old, new = gateway.key, apikeys.mint()
    ends = time.time() + 3600
    retiring = KeyRecord(id=old.id, sha256=old.sha256, expires_ms=int(ends * 1000))
    active = KeyRecord(id=new.id, sha256=new.sha256)
    await gateway.publish(product(old).model_copy(update={"keys": (active, retiring)}))
    assert await sampled("expiry", old.id) == pytest.approx(ends, abs=1)
    assert shown("last_used", old.id) is None
    await gateway.ask("GET", "/v1/me", key=new)
    before = time.time()
    assert (await gateway.ask("GET", "/v1/me", key=old)).status == 200
    used = await sampled("last_used", old.id)
    assert used is not None
    assert used >= before
    assert shown("expiry", new.id) is shown("last_used", new.id) is None  # what does not end is not shown
    await gateway.publish(product(new))
    await sampled("expiry", old.id, there=False)
    await sampled("last_used", old.id, there=False)
