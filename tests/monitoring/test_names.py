"""Rules, dashboards, metrics and runbooks speak of the same things."""

import json
import re
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from tests.monitoring.tools import DASHBOARDS, ROOT, RUNBOOKS, rules

from angarium.telemetry import metrics
from angarium.telemetry.dashboards import DASHBOARDS as OURS
from angarium.telemetry.dashboards.__main__ import main

NAME = re.compile(r"\b(?:angarium|process)_[a-z_]+\b")
RECORDED = re.compile(r"\bangarium:[a-z_]+:[a-z0-9_]+\b")
EXPRESSIONS = [rule["expr"] for rule in rules()] + [
    query.expr for dashboard in OURS for panel in dashboard.panels for query in panel.queries
]
ALERTS = sorted(rule["alert"] for rule in rules() if "alert" in rule)
SECTIONS = ("## What it means", "## What it costs", "## Look", "## Mend")


def shown() -> set[str]:
    """All names of series that a process may show."""
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}
    return {f"{each.name}{suffix}" for each in metrics.REGISTRY.collect() for suffix in suffixes.get(each.type, ("",))}


def test_every_metric_that_is_asked_for_is_shown() -> None:
    asked = {name for expression in EXPRESSIONS for name in NAME.findall(expression)}
    assert len(asked) > 40
    assert asked <= shown()


def test_every_recorded_series_that_is_asked_for_is_recorded() -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    asked = {name for expression in EXPRESSIONS for name in RECORDED.findall(expression)}
    assert asked <= recorded
    assert metrics.REGISTRY is REGISTRY


def test_no_metric_has_a_label_that_meets_those_of_a_scrape() -> None:
    labels = {name for each in REGISTRY._collector_to_names for name in getattr(each, "_labelnames", ())}
    assert not labels & {"namespace", "pod", "container", "job", "instance", "endpoint", "service", "name"}


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_has_a_page_and_says_what_it_is(alert: str) -> None:
    rule = next(rule for rule in rules() if rule.get("alert") == alert)
    assert rule["labels"]["severity"] in {"critical", "warning"}  # type: ignore[index]
    annotations = rule["annotations"]
    assert set(annotations) == {"summary", "description", "runbook_url"}
    assert annotations["runbook_url"].endswith(f"/docs/runbooks/{alert}")  # type: ignore[index]
    page = (RUNBOOKS / f"{alert}.md").read_text()
    assert page.startswith(f"# {alert}\n")
    assert [line for line in page.splitlines() if line in SECTIONS] == list(SECTIONS)


def test_every_page_has_an_alert() -> None:
    assert sorted(path.stem for path in RUNBOOKS.glob("Angarium*.md")) == ALERTS


def test_every_page_is_in_the_list() -> None:
    listed = (ROOT / "docs/monitoring.md").read_text()
    assert [alert for alert in ALERTS if f"(runbooks/{alert}.md)" not in listed] == []


def test_dashboards_are_as_they_are_declared() -> None:
    assert main(["--check", str(DASHBOARDS)]) == 0


@pytest.mark.parametrize("path", sorted(DASHBOARDS.glob("*.json")), ids=lambda path: path.stem)
def test_every_panel_says_what_it_shows_and_in_what(path: Path) -> None:
    document = json.loads(path.read_text())
    assert [each["name"] for each in document["templating"]["list"]][:2] == ["datasource", "namespace"]
    assert len({panel["id"] for panel in document["panels"]}) == len(document["panels"])
    for panel in document["panels"]:
        if panel["type"] == "row":
            continue
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["datasource"]["uid"] == "${datasource}"
        assert all('namespace=~"$namespace"' in target["expr"] for target in panel["targets"])
