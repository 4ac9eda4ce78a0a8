"""How many pods: a number, a HorizontalPodAutoscaler or KEDA, and never two of them."""

from typing import Any

import pytest
from tests.chart.objects import Objects, Render, container, of_kind, one, pods

KEDA = {"enabled": True, "kind": "KEDA", "keda": {"prometheusURL": "http://prometheus.monitoring:9090"}}


def test_numbers_are_fixed_unless_asked(defaults: Objects) -> None:
    """A bare cluster has no metrics server."""
    assert {each["spec"]["replicas"] for each in of_kind(defaults, "Deployment")} == {2}
    assert of_kind(defaults, "HorizontalPodAutoscaler") == []


@pytest.mark.parametrize("service", ["gateway", "deliverer"])
def test_an_autoscaler_goes_by_cpu_and_by_itself(render: Render, service: str) -> None:
    """The Deployment says no number, and its budget of disruptions stays."""
    objects = render({service: {"autoscaling": {"enabled": True, "minReplicas": 3}}})
    (scaler,) = of_kind(objects, "HorizontalPodAutoscaler")
    deployment = one(objects, "Deployment", f"angarium-{service}")
    assert "replicas" not in deployment["spec"]
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment["metadata"]["name"]}
    assert scaler["spec"]["scaleTargetRef"] == target
    (metric,) = scaler["spec"]["metrics"]
    assert metric["containerResource"]["container"] == container(pods(objects)[service])["name"]
    assert "cpu" in container(pods(objects)[service])["resources"]["requests"]  # utilization is of what is requested
    assert scaler["spec"]["minReplicas"] == 3
    one(objects, "PodDisruptionBudget", f"angarium-{service}")


def test_keda_goes_by_the_time_to_drain(render: Render) -> None:
    """And takes no answer for no backlog."""
    objects = render({"deliverer": {"autoscaling": KEDA}})
    assert of_kind(objects, "HorizontalPodAutoscaler") == []  # KEDA makes its own
    assert "replicas" not in one(objects, "Deployment", "angarium-deliverer")["spec"]
    (scaled,) = of_kind(objects, "ScaledObject")
    assert (scaled["spec"]["minReplicaCount"], scaled["spec"]["maxReplicaCount"]) == (2, 20)
    assert scaled["spec"]["fallback"] == {"failureThreshold": 3, "replicas": 6, "behavior": "currentReplicasIfHigher"}
    (trigger,) = scaled["spec"]["triggers"]
    # KEDA refuses a fallback where no trigger's metric is an average
    assert (trigger["type"], trigger["metricType"]) == ("prometheus", "AverageValue")
    assert trigger["metadata"] == {
        "serverAddress": "http://prometheus.monitoring:9090",
        "query": 'max(angarium_backlog_drain_seconds{namespace="system"})'
        ' * count(angarium_deliverer_slots{namespace="system"})',
        "threshold": "30",
        "ignoreNullValues": "false",
    }


@pytest.mark.parametrize(
    ("values", "left"),
    [
        ({"gateway": {"autoscaling": {"enabled": True, "minReplicas": 1}}}, {"deliverer", "operator"}),
        ({"gateway": {"replicas": 1, "autoscaling": {"enabled": True}}}, {"gateway", "deliverer", "operator"}),
    ],
)
def test_a_budget_goes_by_the_least_number(render: Render, values: dict[str, Any], left: set[str]) -> None:
    """With one pod it would stop every drain of its node."""
    budgets = of_kind(render(values), "PodDisruptionBudget")
    assert {each["metadata"]["labels"]["app.kubernetes.io/component"] for each in budgets} == left
