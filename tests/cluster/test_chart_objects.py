"""A real API server takes what the chart renders: field by field, and its pods under Pod Security `restricted`."""

import json
from typing import Any

import pytest
import yaml
from tests.chart.objects import CHART, Object, Objects, pods
from tests.cluster.api import Api
from tests.cluster.conftest import Kubectl

FOREIGN = ("PodMonitor", "ServiceMonitor", "PrometheusRule", "ScaledObject", "HTTPRoute")
POD: dict[str, Any] = {
    "extraEnv": [{"name": "MORE", "value": "1"}],
    "extraVolumes": [{"name": "more", "emptyDir": {}}],
    "extraVolumeMounts": [{"name": "more", "mountPath": "/more"}],
    "tolerations": [{"key": "spot", "operator": "Exists"}],
    "nodeSelector": {"disk": "fast"},
    "priorityClassName": "",
    "serviceAccount": {"annotations": {"note": "b"}},
}
EVERYTHING: dict[str, Any] = {
    "commonLabels": {"team": "a"},
    "commonAnnotations": {"note": "b"},
    "imagePullSecrets": [{"name": "registry"}],
    "redis": {"url": "rediss://redis.test", "tls": {"caSecret": {"name": "ca"}, "clientSecret": {"name": "client"}}},
    "egress": {"allowedCIDRs": ["10.1.0.0/16", "fd00:1::/48"], "deniedCIDRs": ["10.1.2.0/24", "8.8.8.0/24"]},
    "networkPolicy": {"enabled": True, "gateway": {"from": [{"podSelector": {}}]}},
    "metrics": {"serviceMonitor": {"enabled": True}, "dashboards": {"enabled": True}},
    "tracing": {"endpoint": "http://collector.test:4318"},
    "gateway": POD
    | {
        "tls": {"secretName": "tls", "caSecret": {"name": "ca"}},
        "autoscaling": {"enabled": True},
        "ingress": {"enabled": True, "hosts": ["notify.test"], "tls": [{"secretName": "tls"}]},
    },
    "deliverer": POD | {"autoscaling": {"enabled": True}},
    "operator": POD,
    "extraObjects": ["{apiVersion: v1, kind: ConfigMap, metadata: {name: '{{ .Release.Name }}-more'}}"],
}


def rendered(namespace: str, values: dict[str, Any]) -> Objects:
    """Of kinds that a bare cluster and our CRDs know."""
    helm = pytest.importorskip("helm_python")
    with helm.Chart.load(CHART) as chart:
        texts = chart.render({"crds": {"enabled": False}} | values, name="angarium", namespace=namespace)
    found = [each for name, text in texts.items() if not name.endswith(".txt") for each in yaml.safe_load_all(text)]
    return [each for each in found if each and each["kind"] not in FOREIGN]


def bare(namespace: str, component: str, template: Object) -> Object:
    """The pod that a controller would make, which Pod Security judges."""
    metadata = template["metadata"] | {"name": component, "namespace": namespace}
    claims = [{"name": "data", "emptyDir": {}}] if component == "valkey" else []
    volumes = {each["name"]: each for each in [*claims, *template["spec"].get("volumes", [])]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": template["spec"] | {"volumes": list(volumes.values())},
    }


@pytest.mark.parametrize("values", [{}, EVERYTHING, {"watchNamespaces": ["default"]}], ids=["bare", "all", "watch"])
async def test_every_object_is_taken(
    api: Api, namespace: str, kubectl: Kubectl, crds_installed: None, values: dict[str, Any]
) -> None:
    """Without a field that it doesn't know, a value that it refuses, or a warning."""
    labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
    await api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}})
    objects = rendered(namespace, values)
    made = [bare(namespace, component, template) for component, template in pods(objects).items()]
    whole = {"apiVersion": "v1", "kind": "List", "items": [*objects, *made]}
    dry = ("--dry-run=server", "--validate=strict", "--warnings-as-errors")
    told = kubectl("create", *dry, "-f", "-", stdin=json.dumps(whole))
    assert len(told.splitlines()) == len(whole["items"])
