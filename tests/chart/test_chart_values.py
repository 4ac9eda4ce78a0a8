"""Values: wrong ones are refused in words, and each one does what its comment says."""

from collections.abc import Callable
from typing import Any

import pytest
from helm.generate import main
from helm.values_table import rows
from tests.chart.leaves import at, leaves
from tests.chart.objects import CHART, Render, container, environment, one, pods

Refused = Callable[[dict[str, Any]], str]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"gatway": {}}, "additional properties 'gatway' not allowed"),
        ({"gateway": {"replica": 3}}, "additional properties 'replica' not allowed"),
        ({"gateway": {"replicas": "3"}}, "got string, want integer"),
        ({"gateway": {"image": {"digest": "sha256:abc"}}}, "/gateway/image/digest"),
        ({"gateway": {"url": "notify.example.com"}}, "/gateway/url"),
        ({"gateway": {"publicUrl": "https://notify.example.com/?a=b"}}, "/gateway/publicUrl"),
        ({"deliverer": {"slots": 0}}, "/deliverer/slots"),
        ({"egress": {"allowedCIDRs": ["10.0.0.1"]}}, "/egress/allowedCIDRs/0"),
        ({"image": {"pullPolicy": "Sometimes"}}, "/image/pullPolicy"),
        ({"logLevel": "trace"}, "/logLevel"),
        ({"redis": {"url": "http://redis"}}, "/redis/url"),
        ({"valkey": {"maxMemory": "512Mi"}}, "/valkey/maxMemory"),
        ({"watchNamespaces": ["Shop"]}, "/watchNamespaces/0"),
        ({"deliverer": {"drainSeconds": 60}}, "terminationGracePeriodSeconds must be more than deliverer.drainSeconds"),
        ({"valkey": {"enabled": False}}, "Angarium needs Redis or Valkey: set redis.url"),
        ({"redis": {"url": "redis://a", "tls": {"caSecret": {"name": "b"}}}}, "redis.url must begin with rediss"),
        ({"redis": {"tls": {"caSecret": {"name": "b"}}}}, "redis.url must begin with rediss"),
        ({"gateway": {"tls": {"caSecret": {"name": "b"}}}}, "set gateway.tls.secretName, or gateway.url"),
        ({"gateway": {"drainDelaySeconds": 40}}, "more than gateway.drainDelaySeconds and gateway.shutdownSeconds"),
        ({"gateway": {"httpRoute": {"enabled": True}}}, "gateway.httpRoute.parentRefs must name a Gateway"),
        ({"gateway": {"rollout": {"maxSurge": 0}}}, "gateway.rollout.maxSurge and maxUnavailable can't both be 0"),
        ({"operator": {"serviceAccount": {"create": False}}}, "operator.serviceAccount.name is needed"),
        (
            {"deliverer": {"autoscaling": {"enabled": True, "kind": "KEDA"}}},
            "deliverer.autoscaling.keda.prometheusURL is needed",
        ),
        ({"deliverer": {"autoscaling": {"kind": "both"}}}, "/deliverer/autoscaling/kind"),
        ({"gateway": {"autoscaling": {"enabled": True, "minReplicas": 11}}}, "minReplicas is more than maxReplicas"),
        ({"metrics": {"podMonitor": {"enabled": True}, "serviceMonitor": {"enabled": True}}}, "counts twice"),
        ({"egress": {"deniedCIDRs": ["10.0.0.0/40"]}, "networkPolicy": {"enabled": True}}, "is no network"),
        ({"tracing": {"sampleRatio": 2}}, "/tracing/sampleRatio"),
        ({"redis": {"url": "redis://a", "existingSecret": {"name": "b"}}}, "set one of redis.url and"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_wrong_values_are_refused(refused: Refused, values: dict[str, Any], words: str) -> None:
    """The message names the value."""
    assert words in refused(values)


def test_defaults_are_whole(chart: Any) -> None:
    """values.yaml and the schema know the same values."""
    chart.validate_schema(chart.values)
    for path in leaves(chart.schema):
        at(chart.values, path)


def test_every_value_is_explained(chart: Any) -> None:
    """By a comment of its own in values.yaml, from which the README's table is made."""
    explained = {row.path for row in rows((CHART / "values.yaml").read_text("utf-8"))}
    assert explained == set(leaves(chart.schema))


def test_what_is_generated_is_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    """`make chart` would change nothing."""
    assert (main(["--check"]), capsys.readouterr().err) == (0, "")


def test_pods_are_placed_and_marked_as_told(render: Render) -> None:
    """The values that pods take as they are."""
    told = {
        "nodeSelector": {"disk": "fast"},
        "tolerations": [{"key": "spot", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "priorityClassName": "high",
    }
    marks = {"podLabels": {"team": "a"}, "podAnnotations": {"note": "b"}, "resources": {"limits": {"memory": "1Gi"}}}
    components = ("gateway", "deliverer", "operator", "valkey")
    objects = render({**{each: {**told, **marks} for each in components}, "imagePullSecrets": [{"name": "registry"}]})
    for component, pod in pods(objects).items():
        assert {key: pod["spec"][key] for key in told} == told, component
        assert pod["metadata"]["labels"]["team"] == "a"
        assert pod["metadata"]["annotations"]["note"] == "b"
        assert container(pod)["resources"]["limits"] == {"memory": "1Gi"}
        assert pod["spec"]["imagePullSecrets"] == [{"name": "registry"}]


def test_extra_environment_and_egress(render: Render) -> None:
    """They reach the processes that read them."""
    objects = render(
        {
            "egress": {"allowedCIDRs": ["10.1.0.0/16", "fd00::/8"], "deniedCIDRs": ["10.1.2.0/24"]},
            "gateway": {"extraEnv": [{"name": "ANGARIUM_GATEWAY_BODY_TIMEOUT", "value": "30"}]},
        }
    )
    found = pods(objects)
    assert environment(found["gateway"])["ANGARIUM_GATEWAY_BODY_TIMEOUT"] == "30"
    for component in ("deliverer", "operator", "gateway"):
        assert environment(found[component])["ANGARIUM_EGRESS_ALLOWED_CIDRS"] == "10.1.0.0/16,fd00::/8"
        assert environment(found[component])["ANGARIUM_EGRESS_DENIED_CIDRS"] == "10.1.2.0/24"


def test_names_can_be_chosen(chart: Any, render: Render) -> None:
    """And a release of another name shows in each of them."""
    one(render({"fullnameOverride": "courier"}), "Deployment", "courier-gateway")
    assert (
        "name: blue-angarium-gateway"
        in chart.render({}, name="blue", namespace="x")["angarium/templates/gateway/service.yaml"]
    )
