"""What shards are told of routes, from providers and tenants that come, change and go."""

from typing import Any

from angarium.identifiers import route_id
from angarium.queue import Limit
from angarium.records import AnyRecord, OrganizationRecord, ProductRecord, ProviderRecord
from angarium_deliverer.route_limits import RouteLimits

SHOP = ProductRecord(namespace="shop", name="shop", id="prd_shop")
ACME = OrganizationRecord(namespace="shop", name="acme", id="org_acme", product_id="prd_shop", product="shop/shop")


def provider(name: str, most: int, **more: Any) -> ProviderRecord:
    """Of the shop, for texts."""
    return ProviderRecord(
        namespace="shop", name=name, id=f"prv_{name}", product_id="prd_shop", type="twilio",
        channels=("sms", "whatsapp"), max_in_flight=most, **more,
    )  # fmt: skip


def limits(*records: AnyRecord) -> RouteLimits:
    """That know these."""
    known = RouteLimits(lambda record: "0 0 0" if record.suspended else str(record.max_in_flight))
    for record in records:
        list(known.hear(None, record, 1))
    return known


def texts(known: RouteLimits) -> dict[str, str]:
    """By route."""
    return {name: limit.text for name, limit in known.all(1).items()}


def test_each_tenant_has_a_route_for_each_channel() -> None:
    routes = {
        route_id(tenant, channel, name)
        for tenant in ("prd_shop", "org_acme")
        for channel in ("sms", "whatsapp")
        for name in ("", "shop/main")  # by whom it goes, or by this one alone
    }
    for order in ((SHOP, ACME, provider("main", 7)), (provider("main", 7), ACME, SHOP)):
        assert texts(limits(*order)) == dict.fromkeys(routes, "7")


def test_the_first_that_is_not_suspended_says_the_limit() -> None:
    first, second = provider("main", 7, priority=5), provider("backup", 3)
    halted = first.model_copy(update={"suspended": True})
    route, by_first = route_id("prd_shop", "sms"), route_id("prd_shop", "sms", "shop/main")
    assert [texts(limits(SHOP, first, second))[each] for each in (route, by_first)] == ["7", "7"]
    assert [texts(limits(SHOP, halted, second))[each] for each in (route, by_first)] == ["3", "0 0 0"]
    assert texts(limits(SHOP, halted))[route] == "0 0 0"


def test_what_changes_is_told_and_nothing_else() -> None:
    main, backup = provider("main", 7, priority=5), provider("backup", 3)
    known = limits(SHOP, main, backup)
    changed = backup.model_copy(update={"max_in_flight": 4})
    assert {limit.name for limit in known.hear(backup, changed, 2)} == {
        route_id("prd_shop", channel, "shop/backup") for channel in ("sms", "whatsapp")
    }
    told = {limit.name: limit for limit in known.hear(main, None, 3)}
    assert told[route_id("prd_shop", "sms")] == Limit(route_id("prd_shop", "sms"), "prd_shop", 3, "4")
    assert told[route_id("prd_shop", "sms", "shop/main")].text == ""
    assert next(known.hear(None, ACME, 4)) == Limit(route_id("org_acme", "sms"), "org_acme", 4, "4")
    assert {limit.text for limit in known.hear(ACME, None, 5)} == {""}
    assert route_id("org_acme", "sms") not in texts(known)


def test_a_tenant_that_is_suspended_sends_nothing_and_nobody_else_is_held_up() -> None:
    main, halted = provider("main", 7), ACME.model_copy(update={"suspended": True})
    for order in ((SHOP, halted, main), (main, halted, SHOP)):
        told = texts(limits(*order))
        assert {told[route_id("org_acme", channel)] for channel in ("sms", "whatsapp")} == {"0 0 0"}
        assert {told[route_id("prd_shop", channel)] for channel in ("sms", "whatsapp")} == {"7"}
    known = limits(SHOP, ACME, main)
    for was, now, text in ((ACME, halted, "0 0 0"), (halted, ACME, "7")):
        last = {limit.name: limit.text for limit in known.hear(was, now, 2)}
        assert set(last.values()) == {text}
