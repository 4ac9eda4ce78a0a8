"""The chart as Helm itself renders it, in process, without a cluster."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

CHART = Path(__file__).parents[2] / "helm/angarium"
Objects = list[dict[str, Any]]
Render = Callable[..., Objects]

# The wheel isn't built for every platform (none for macOS on Intel).
helm = pytest.importorskip(
    "helm_python", reason="helm-python-sdk has no wheel for this platform: the chart isn't tested"
)


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
