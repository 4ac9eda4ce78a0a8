"""No dead values: each one, changed from its default, changes what is rendered."""

import json
from typing import Any

import pytest
import yaml
from tests.chart.leaves import at, leaves, merged, nested
from tests.chart.objects import CHART, Objects, Render

SECRET = {"name": "some"}
# What must be set for a value to matter.
NEEDS: dict[str, dict[str, Any]] = {
    "redis.existingSecret.key": {"redis": {"existingSecret": SECRET}},
    "redis.tls": {"redis": {"url": "rediss://redis.test"}},
    "redis.tls.caSecret.key": {"redis": {"tls": {"caSecret": SECRET}}},
    "sealKeys.existingSecret.key": {"sealKeys": {"existingSecret": SECRET}},
    "networkPolicy": {"networkPolicy": {"enabled": True}},
    "networkPolicy.redis": {"redis": {"url": "redis://redis.test"}},
    "networkPolicy.tracing": {"tracing": {"endpoint": "http://collector.test:4318"}},
    "metrics.podMonitor": {"metrics": {"podMonitor": {"enabled": True}}},
    "metrics.serviceMonitor": {"metrics": {"serviceMonitor": {"enabled": True}}},
    "tracing.sampleRatio": {"tracing": {"endpoint": "http://collector.test:4318"}},
    "gateway.serviceAccount.create": {"gateway": {"serviceAccount": SECRET}},
    "deliverer.serviceAccount.create": {"deliverer": {"serviceAccount": SECRET}},
    "operator.serviceAccount.create": {"operator": {"serviceAccount": SECRET}},
    "gateway.autoscaling": {"gateway": {"autoscaling": {"enabled": True}}},
    "gateway.tls.caSecret": {"gateway": {"tls": {"secretName": "some"}}},
    "gateway.tls.caSecret.key": {"gateway": {"tls": {"caSecret": SECRET}}},
    "gateway.ingress": {"gateway": {"ingress": {"enabled": True}}},
    "gateway.httpRoute": {"gateway": {"httpRoute": {"enabled": True, "parentRefs": [{"name": "public"}]}}},
    "deliverer.autoscaling": {"deliverer": {"autoscaling": {"enabled": True}}},
    "deliverer.autoscaling.kind": {"deliverer": {"autoscaling": {"keda": {"prometheusURL": "http://prometheus.test"}}}},
    "deliverer.autoscaling.keda": {
        "deliverer": {"autoscaling": {"kind": "KEDA", "keda": {"prometheusURL": "http://prometheus.test"}}}
    },
}
# Values that the rules of their kind don't lead to.
OTHER: dict[str, Any] = {
    "nameOverride": "courier",
    "fullnameOverride": "courier",
    "image.pullPolicy": "Always",
    "logLevel": "debug",
    "redis.url": "redis://redis.test",
    "metrics.podMonitor.interval": "7s",
    "metrics.serviceMonitor.interval": "7s",
    "tracing.endpoint": "http://collector.test:4318",
    "gateway.url": "https://notify.test",
    "gateway.publicUrl": "https://notify.test",
    "gateway.service.type": "NodePort",
    "gateway.ingress.path": "/notify",
    "gateway.httpRoute.path": "/notify",
    "gateway.httpRoute.parentRefs": [{"name": "other"}],
    "deliverer.autoscaling.kind": "KEDA",
    "deliverer.autoscaling.keda.prometheusURL": "http://other.test",
    "valkey.appendFsync": "always",
    "valkey.maxMemory": "1gb",
    "valkey.persistence.size": "9Gi",
    "watchNamespaces": ["shop"],
    "imagePullSecrets": [{"name": "registry"}],
    "extraObjects": [{"kind": "ConfigMap", "metadata": {"name": "more"}}],
    "egress.allowedCIDRs": ["10.0.0.0/8"],
    "egress.deniedCIDRs": ["10.0.0.0/8"],
    "gateway.rollout.maxSurge": 2,
    "deliverer.rollout.maxSurge": 2,
    "operator.rollout.maxSurge": 2,
}
NAMED = [{"name": "more", "mountPath": "/more"}]
LISTS = {"extraEnv": [{"name": "MORE"}], "extraVolumes": [{"name": "more"}], "extraContainers": [{"name": "more"}]}
PORTS = ("ports", "issuerPorts")
# Tested elsewhere: with files of their own (test_chart_monitoring.py), and as what is refused without a Redis.
ELSEWHERE = ("metrics.prometheusRule", "metrics.dashboards", "valkey.enabled")


def changed(path: str, default: Any) -> Any:
    """Another value of the same kind."""
    name = path.rsplit(".", 1)[1] if "." in path else path
    if path in OTHER:
        return OTHER[path]
    if isinstance(default, bool):
        return not default
    if isinstance(default, int | float):
        return default + (0.5 if name == "sampleRatio" else 1)
    if isinstance(default, str):
        return "sha256:" + "1" * 64 if name == "digest" else "other"
    if isinstance(default, dict):
        return default | {"more": "other"} if name != "resources" else {"limits": {"cpu": "7"}}
    if name in PORTS:
        return [7]
    if name in ("hosts", "hostnames"):
        return ["notify.test"]
    return LISTS.get(name, NAMED if name == "extraVolumeMounts" else [{"podSelector": {}}, *default])


def needs(path: str) -> dict[str, Any]:
    """Of the value and of the groups that it is in."""
    parts = path.split(".")
    return merged(*(NEEDS.get(".".join(parts[: end + 1]), {}) for end in range(len(parts))))


def steady(objects: Objects) -> str:
    """Without what is made anew at each rendering."""
    told = [each if each["kind"] != "Secret" or "auth.conf" not in each["data"] else {} for each in objects]
    return json.dumps(
        [each if "seal-keys" not in each.get("data", {}) else each["metadata"] for each in told], sort_keys=True
    )


def paths() -> list[str]:
    """Of all values but those that are tested elsewhere."""
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    return [path for path in leaves(schema) if not path.startswith(ELSEWHERE)]


@pytest.fixture(scope="module")
def defaults() -> dict[str, Any]:
    """values.yaml."""
    return dict(yaml.safe_load((CHART / "values.yaml").read_text("utf-8")))


@pytest.mark.parametrize("path", paths())
def test_a_changed_value_changes_something(render: Render, defaults: dict[str, Any], path: str) -> None:
    """In the objects that are installed."""
    before = needs(path) if path.startswith("crds.") else merged({"crds": {"enabled": False}}, needs(path))
    after = merged(before, nested(path, changed(path, at(merged(defaults, before), path))))
    assert steady(render(after)) != steady(render(before))
