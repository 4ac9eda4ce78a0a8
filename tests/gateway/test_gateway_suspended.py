"""A tenant that is suspended: nothing more is taken, all can still be read, and others notice nothing."""

from tests.gateway.records import callback, organization, product
from tests.gateway.running import Gateway


def slug(answer: object) -> str:
    """Of a problem's type."""
    return str(getattr(answer, "json")["type"]).rpartition("/")[2]  # noqa: B009 - an answer of the gateway


async def test_a_suspended_product_takes_nothing_and_can_be_read(gateway: Gateway) -> None:
    await gateway.publish(product(gateway.key), callback())
    once = {"Idempotency-Key": "order-1042"}
    first = await gateway.post(headers=once)
    await gateway.publish(product(gateway.key, suspended=True))
    refused = await gateway.post()
    assert (refused.status, slug(refused)) == (409, "suspended")
    assert refused.json["detail"] == "spec.suspend of the product shop/shop is true"
    again = await gateway.post(headers=once)
    assert (again.status, again.json["id"]) == (202, first.json["id"])
    assert (await gateway.ask("GET", first.headers["Location"])).status == 200
    assert (await gateway.ask("GET", "/v1/me")).status == 200
    await gateway.publish(product(gateway.key))
    assert (await gateway.post()).status == 202


async def test_a_suspended_organization_leaves_its_product_alone(gateway: Gateway) -> None:
    await gateway.publish(product(gateway.key), organization(gateway.other_key, suspended=True))
    assert (await gateway.post(key=gateway.other_key)).status == 409
    assert (await gateway.post()).status == 202
