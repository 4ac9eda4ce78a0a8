"""Suspending at each level: what gateways and deliverers are told of the object itself and of all below it."""

import pytest
from tests.operator.worlds import World, callback, organization, product, provider

from angarium_operator.planning import Key

HALT = {"suspend": True}
OF_ACME = {"productRef": None, "organizationRef": {"name": "acme"}}


def world() -> World:
    """A shop with an organization, a callback of either, and a provider."""
    made = World(product(), organization(), callback(), callback("acme-hook", OF_ACME), provider())
    made.give(username="shop", password="s3cret")
    made.settle()
    return made


def suspended(of: World) -> set[str]:
    """Whose records say so."""
    return {key.name for key, published in of.snapshot.published.items() if getattr(published.record, "suspended")}  # noqa: B009 - each has it


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (product(spec=HALT), {"shop", "acme", "warehouse", "acme-hook", "mail"}),
        (organization(spec=HALT), {"acme", "acme-hook"}),
        (callback(spec=HALT), {"warehouse"}),
        (provider(spec=HALT), {"mail"}),
    ],
    ids=lambda each: type(each).__name__ if not isinstance(each, set) else "",
)
def test_it_holds_for_all_below_and_is_taken_back(changed: object, expected: set[str]) -> None:
    made = world()
    assert suspended(made) == set()
    made.change(changed)  # type: ignore[arg-type]  # one of the four kinds
    made.settle()
    assert suspended(made) == expected
    assert {made.verdict(key.kind, key.name, "Ready")[0] for key in made.snapshot.objects} == {"True"}
    key = Key.of(changed)  # type: ignore[arg-type]  # likewise
    back = {"product": product, "organization": organization, "callback": callback, "provider": provider}[key.kind]
    made.change(back())
    made.settle()
    assert suspended(made) == set()
