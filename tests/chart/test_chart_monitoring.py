"""Monitors, alerts and dashboards: off by default; files of alerts and dashboards become objects, none or several."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.chart.objects import CHART, Objects, Render, of_kind, one, pods

KINDS = ("PodMonitor", "ServiceMonitor", "PrometheusRule")
ALERT = {"alert": "Late", "expr": "late > 1", "annotations": {"summary": "{{ $labels.pod }} is late"}}
RenderWith = Callable[..., Objects]


def test_nothing_needs_prometheus(defaults: Objects) -> None:
    """Their kinds may not be there."""
    assert [each["kind"] for each in defaults if each["kind"] in KINDS] == []
    assert [each["metadata"]["name"] for each in of_kind(defaults, "ConfigMap")] == ["angarium-valkey"]


def test_a_pod_monitor_finds_the_three_services(render: Render) -> None:
    """And not Valkey, whose pods have the same name and instance."""
    values = {"metrics": {"podMonitor": {"enabled": True, "labels": {"release": "p"}}}}
    (monitor,) = of_kind(render(values), "PodMonitor")
    assert monitor["spec"]["podMetricsEndpoints"][0]["port"] == "probes"
    assert monitor["metadata"]["labels"]["release"] == "p"
    assert monitor["spec"]["selector"]["matchExpressions"][0]["values"] == ["gateway", "deliverer", "operator"]


def test_a_service_monitor_brings_a_service_of_its_own(render: Render) -> None:
    """It selects that Service alone, which selects all pods that have metrics."""
    objects = render({"metrics": {"serviceMonitor": {"enabled": True}}})
    service = one(objects, "Service", "angarium-metrics")
    selected = {
        component
        for component, pod in pods(objects).items()
        if service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    }
    assert selected == {"gateway", "deliverer", "operator"}
    (monitor,) = of_kind(objects, "ServiceMonitor")
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    found = [each for each in of_kind(objects, "Service") if wanted <= each["metadata"]["labels"].items()]
    assert found == [service]
    assert monitor["spec"]["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]


@pytest.fixture
def render_with(helm: Any, tmp_path: Path) -> RenderWith:
    """Renders a chart that holds these files instead of its own."""

    def rendered(alerts: dict[str, str], dashboards: dict[str, str], **metrics: Any) -> Objects:
        copy = tmp_path / "angarium"
        shutil.copytree(CHART, copy)
        for folder, files in (("alerts", alerts), ("dashboards", dashboards)):
            shutil.rmtree(copy / "files" / folder, ignore_errors=True)
            (copy / "files" / folder).mkdir()
            for name, text in files.items():
                (copy / "files" / folder / name).write_text(text, encoding="utf-8")
        values = {"metrics": {"prometheusRule": {"enabled": True}, "dashboards": {"enabled": True} | metrics}}
        with helm.Chart.load(copy) as chart:
            texts = chart.render(values, name="angarium", namespace="system")
        monitoring = [text for name, text in texts.items() if "/templates/monitoring/" in name]
        return [each for text in monitoring for each in yaml.safe_load_all(text) if each]

    return rendered


def test_no_files_make_no_objects(render_with: RenderWith) -> None:
    """Though they are asked for."""
    assert render_with({}, {}) == []


def test_each_file_becomes_an_object(render_with: RenderWith) -> None:
    """Braces in them are Prometheus's and Grafana's own."""
    group = yaml.safe_dump({"groups": [{"name": "late", "rules": [ALERT]}]})
    board = json.dumps({"title": "All", "legend": "{{pod}}"}, indent=2)
    objects = render_with({"late.yaml": group, "lost.yaml": group}, {"all.json": board, "one.json": board})
    rules = of_kind(objects, "PrometheusRule")
    assert [each["metadata"]["name"] for each in rules] == ["angarium-late", "angarium-lost"]
    assert rules[0]["spec"] == {"groups": [{"name": "late", "rules": [ALERT]}]}
    boards = of_kind(objects, "ConfigMap")
    assert [each["metadata"]["name"] for each in boards] == ["angarium-dashboard-all", "angarium-dashboard-one"]
    assert boards[0]["data"] == {"all.json": board}
    assert boards[0]["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert boards[0]["metadata"]["annotations"] == {"grafana_folder": "Angarium"}


def test_dashboards_go_where_the_sidecar_looks(render_with: RenderWith) -> None:
    """By other labels, into another folder or none."""
    (board,) = render_with({}, {"all.json": "{}"}, labels={"boards": "yes"}, folder="Team", folderAnnotation="where")
    assert board["metadata"]["labels"]["boards"] == "yes"
    assert board["metadata"]["annotations"] == {"where": "Team"}
