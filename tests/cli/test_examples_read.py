"""The examples are what `angarium dev` takes as they are, and what is in them can be rendered."""

from pathlib import Path

import pytest
from tests.operator.worlds import World

from angarium.resources import Resource
from angarium_cli.dev.manifests import read_folder

EXAMPLES = Path(__file__).parents[2] / "examples"
OTHERS = {EXAMPLES / "gitops"}  # settings of other tools, tried out by tests/contract/test_gitops_health.py
FOLDERS = sorted({file.parent for file in EXAMPLES.rglob("*.yaml")} - OTHERS)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(EXAMPLES)))
def test_they_can_be_read(folder: Path) -> None:
    reading = read_folder(folder)
    assert reading.problems == []
    assert reading.manifests


def test_the_topic_is_accepted() -> None:
    objects: list[Resource] = [each.object for each in read_folder(EXAMPLES / "topics").manifests.values()]
    made = World(*(one.model_copy(update={"metadata": _created(one)}) for one in objects))
    for name in ("slack", "telegram"):
        made.give(name, bot_token="1:a")
    made.settle()
    assert made.verdict("topic", "orders-paid", "Ready")[0] == "True"
    usual, shortest = made.status("topic", "orders-paid").examples
    assert [each.name for each in usual.integrations] == ["customer", "sales", "on-call", "warehouse"]
    assert usual.integrations[1].summary.endswith("Order 1042 is paid: *19.9 EUR* by Jane Doe")
    assert shortest.integrations[1].summary.endswith("Order 1 is paid: *0 EUR* by customer")


def _created(one: Resource) -> object:
    return one.metadata.model_copy(update={"uid": f"uid-{type(one).__name__}-{one.metadata.name}", "generation": 1})
