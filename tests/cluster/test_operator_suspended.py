"""Suspending at each level, with a real gateway and a real deliverer: what is answered, what waits, what goes on."""

from typing import Any

import pytest
from tests.cluster.operating import Stage
from tests.cluster.whole import Whole, whole

from angarium.apikeys import ApiKey


async def set_up(one: Whole) -> dict[str, ApiKey]:
    """A shop and an organization of it, and a bystander, each with a callback; their keys."""
    for name in ("shop", "bystander"):
        await one.stage.product(name)
    await one.stage.create("Organization", "acme", {"productRef": {"name": "shop"}})
    owners: dict[str, dict[str, Any]] = {
        "of-shop": {"productRef": {"name": "shop"}},
        "of-acme": {"organizationRef": {"name": "acme"}},
        "of-bystander": {"productRef": {"name": "bystander"}},
    }
    for name, owner in owners.items():
        await one.stage.create("Callback", name, owner | {"events": ["order.*"], "url": one.receiver.url})
    for name in owners:
        await one.stage.ready("Callback", name)
    return {name: await one.key(kind, name) for kind, name in (*TENANTS, ("Product", "bystander"))}


async def suspend(one: Whole, kind: str, name: str, *, back: bool = False) -> None:
    """Until gateway and deliverer use it."""
    await one.stage.api.patch(one.stage.named(kind, name), {"spec": {"suspend": not back}})
    await one.stage.ready(kind, name)


TENANTS = (("Product", "shop"), ("Organization", "acme"))


@pytest.mark.parametrize(("kind", "name"), TENANTS)
async def test_a_tenant_takes_nothing_and_keeps_what_it_has(stage: Stage, kind: str, name: str) -> None:
    async with whole(stage) as one:
        keys = await set_up(one)
        await suspend(one, "Callback", f"of-{name}")
        waiting = await one.post(keys[name])
        assert waiting.status == 202
        await suspend(one, kind, name)
        await suspend(one, "Callback", f"of-{name}", back=True)  # its owner's word counts too
        assert (await one.post(keys[name])).status == 409
        await one.heard(await one.post(keys["bystander"]))
        assert not {each["id"] for each in waiting.json["deliveries"]} & one.received()
        assert (await one.post(keys["acme"])).status == 409  # by its own word, or its product's
        assert (await one.post(keys["shop"])).status == (409 if kind == "Product" else 202)
        await suspend(one, kind, name, back=True)
        await one.heard(waiting, await one.post(keys[name]))


async def test_a_callback_is_posted_to_and_hears_it_later(stage: Stage) -> None:
    async with whole(stage) as one:
        keys = await set_up(one)
        await suspend(one, "Callback", "of-shop")
        waiting = await one.post(keys["shop"])
        await one.heard(await one.post(keys["acme"]), await one.post(keys["bystander"]))
        assert not {each["id"] for each in waiting.json["deliveries"]} & one.received()
        await suspend(one, "Callback", "of-shop", back=True)
        await one.heard(waiting)
