"""Which namespaces a Product admits."""

import pytest

from angarium.resources import AllowedNamespaces

TEAM = {"team": "web", "env": "prod"}


def _selector(**selector: object) -> dict[str, object]:
    return {"from": "Selector", "selector": selector}


def _expression(operator: str, *values: str, key: str = "team") -> dict[str, object]:
    expression: dict[str, object] = {"key": key, "operator": operator}
    return _selector(matchExpressions=[expression | ({"values": list(values)} if values else {})])


@pytest.mark.parametrize(
    ("allowed", "admitted"),
    [
        ({}, False),
        ({"from": "Same"}, False),
        ({"from": "All"}, True),
        (_selector(), True),
        (_selector(matchLabels={"team": "web"}), True),
        (_selector(matchLabels={"team": "web", "env": "test"}), False),
        (_expression("In", "api", "web"), True),
        (_expression("In", "api"), False),
        (_expression("In", "api", key="absent"), False),
        (_expression("NotIn", "api"), True),
        (_expression("NotIn", "web"), False),
        (_expression("NotIn", "web", key="absent"), True),
        (_expression("Exists"), True),
        (_expression("Exists", key="absent"), False),
        (_expression("DoesNotExist"), False),
        (_expression("DoesNotExist", key="absent"), True),
    ],
)
def test_admits(allowed: dict[str, object], admitted: bool) -> None:
    """As Kubernetes reads label selectors; its own namespace always."""
    namespaces = AllowedNamespaces.model_validate(allowed)
    assert namespaces.admits("shop", "web", TEAM) is admitted
    assert namespaces.admits("shop", "shop", {})
