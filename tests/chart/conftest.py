"""The chart as Helm itself renders it, in process, without a cluster."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from tests.chart.objects import CHART, Objects, Render

MISSING = "helm-python-sdk isn't installed (it has no wheel for macOS on Intel): the chart isn't tested"


@pytest.fixture(scope="session")
def helm() -> Any:
    """The module that holds Helm."""
    return pytest.importorskip("helm_python", reason=MISSING)


@pytest.fixture(scope="session")
def chart(helm: Any) -> Iterator[Any]:
    """Loaded once."""
    with helm.Chart.load(CHART) as loaded:
        yield loaded


@pytest.fixture(scope="session")
def render(chart: Any) -> Render:
    """`render({"gateway": {"replicas": 3}})` gives the objects that `helm install angarium -n system` would make."""

    def rendered(values: dict[str, Any] | None = None) -> Objects:
        texts = chart.render(values or {}, name="angarium", namespace="system")
        documents = [yaml.safe_load_all(text) for name, text in texts.items() if not name.endswith("NOTES.txt")]
        return [found for stream in documents for found in stream if found]

    return rendered


@pytest.fixture(scope="session")
def defaults(render: Render) -> Objects:
    """With no values at all."""
    return render()


@pytest.fixture(scope="session")
def refused(helm: Any, chart: Any) -> Callable[[dict[str, Any]], str]:
    """Why these values are refused; fails when they aren't."""

    def words(values: dict[str, Any]) -> str:
        with pytest.raises(helm.HelmError) as error:
            chart.render(values, name="angarium", namespace="system")
        return str(error.value)

    return words
