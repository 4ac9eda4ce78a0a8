"""CustomResourceDefinitions may come after the operator: it waits until the API serves them."""

import logging
from typing import Any

import pytest

from angarium_operator import discovery
from angarium_operator.api import ApiRefused
from angarium_operator.kinds import CALLBACK, PRODUCT, SECRET, Kind


class Served:
    """An API whose discovery answers come one after the other."""

    def __init__(self, *answers: dict[str, list[str]] | ApiRefused) -> None:
        self._answers = list(answers)

    async def request(self, verb: str, method: str, path: str) -> dict[str, Any]:
        """As Api.request; a group that isn't in the answer is not served."""
        answer = self._answers[0]
        if isinstance(answer, ApiRefused):
            self._answers.pop(0)
            raise answer
        if path not in answer:
            self._answers.pop(0)
            raise ApiRefused(404, "NotFound", "404 page not found")
        return {"resources": [{"name": name} for name in answer[path]]}

    @property
    def left(self) -> int:
        """Answers that were not asked for."""
        return len(self._answers) - 1


CORE = {SECRET.base: ["secrets"]}
ALL = {**CORE, PRODUCT.base: ["products", "callbacks"]}


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "EVERY", 0)


async def until_served(api: Served, *kinds: Kind) -> None:
    await discovery.until_served(api, kinds)  # type: ignore[arg-type]  # it has the one method that is used


async def test_all_served_at_once(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is waited for, and nothing said."""
    api = Served(ALL)
    await until_served(api, SECRET, PRODUCT, CALLBACK)
    assert (api.left, caplog.records) == (0, [])


async def test_waits_for_what_is_missing_and_says_it_once(caplog: pytest.LogCaptureFixture) -> None:
    """The group comes first without one of its kinds; a server that can't answer is waited for as well."""
    away = ApiRefused(0, "Unreachable", "connection refused")
    api = Served(CORE, CORE, away, ALL)
    with caplog.at_level(logging.WARNING):
        await until_served(api, SECRET, PRODUCT, CALLBACK)
    assert [record.__dict__["missing"] for record in caplog.records] == [
        "CustomResourceDefinition of products",
        f"secrets: {away}",
    ]
    assert api.left == 0


async def test_a_group_without_the_kind_is_not_enough() -> None:
    """CRDs of one group are served one after the other."""
    some, names = {**CORE, PRODUCT.base: ["products"]}, []

    class Growing(Served):
        async def request(self, verb: str, method: str, path: str) -> dict[str, Any]:
            names.append(path)
            if len(names) > 3:
                some[PRODUCT.base].append("callbacks")
            return await super().request(verb, method, path)

    await until_served(Growing(some), PRODUCT, CALLBACK)
    assert len(names) > 3
