"""The chart as Helm itself renders it, in process, without a cluster."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import yaml
from tests.chart.objects import CHART, Objects, Render

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
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
    return partial(_rendered, chart, tests=False)


@pytest.fixture(scope="session")
def render_tests(chart: Any) -> Render:
    """Likewise those of `helm test`."""
    return partial(_rendered, chart, tests=True)


def _rendered(chart: Any, values: dict[str, Any] | None = None, *, tests: bool) -> Objects:
    texts = chart.render(values or {}, name="angarium", namespace="system")
    wanted = {name: text for name, text in texts.items() if ("/templates/tests/" in name) is tests}
    documents = [yaml.load_all(text, LOADER) for name, text in wanted.items() if not name.endswith("NOTES.txt")]
    return [found for stream in documents for found in stream if found]


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
