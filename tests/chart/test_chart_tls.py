"""TLS, and the ways from outside: what one value changes in several objects must agree."""

from typing import Any

import pytest
from tests.chart.objects import Objects, Render, container, environment, of_kind, one, pods

TLS = {"tls": {"secretName": "gateway-tls"}}


def files(pod: dict[str, Any]) -> dict[str, str]:
    """Path of each mounted folder, and the Secret that it holds."""
    secrets = {each["name"]: each["secret"]["secretName"] for each in pod["spec"]["volumes"] if "secret" in each}
    mounts = container(pod)["volumeMounts"]
    return {each["mountPath"]: secrets[each["name"]] for each in mounts if each["name"] in secrets}


@pytest.mark.parametrize(
    ("gateway", "port", "url"),
    [
        ({}, 80, "http://angarium-gateway.system.svc"),
        ({"service": {"port": 8080}}, 8080, "http://angarium-gateway.system.svc:8080"),
        (TLS, 443, "https://angarium-gateway.system.svc"),
        (TLS | {"service": {"port": 8443}}, 8443, "https://angarium-gateway.system.svc:8443"),
        (TLS | {"service": {"port": 80}}, 80, "https://angarium-gateway.system.svc:80"),
        (TLS | {"url": "https://notify.test"}, 443, "https://notify.test"),
    ],
)
def test_service_port_and_url_agree(render: Render, gateway: dict[str, Any], port: int, url: str) -> None:
    """What stands in the Secrets of Products leads to the Service, whose port leads to the pods'."""
    values = {
        "gateway": gateway
        | {"ingress": {"enabled": True}, "httpRoute": {"enabled": True, "parentRefs": [{"name": "g"}]}}
    }
    objects = render(values)
    (listed,) = one(objects, "Service", "angarium-gateway")["spec"]["ports"]
    scheme = "https" if "tls" in gateway else "http"
    assert listed == {"name": scheme, "port": port, "targetPort": scheme, "appProtocol": scheme}
    assert {"name": scheme, "containerPort": 8480} in container(pods(objects)["gateway"])["ports"]
    assert environment(pods(objects)["operator"])["ANGARIUM_GATEWAY_URL"] == url
    (rule,) = of_kind(objects, "Ingress")[0]["spec"]["rules"]
    assert rule["http"]["paths"][0]["backend"] == {"service": {"name": "angarium-gateway", "port": {"name": scheme}}}
    (rule,) = of_kind(objects, "HTTPRoute")[0]["spec"]["rules"]
    assert rule["backendRefs"] == [{"name": "angarium-gateway", "port": port}]


def test_the_certificate_is_a_file_of_the_gateway_alone(render: Render) -> None:
    """Probes stay plain: the kubelet trusts nobody's authority."""
    found = pods(render({"gateway": TLS}))
    told = environment(found["gateway"])
    assert told["ANGARIUM_GATEWAY_TLS_CERT"] == "/etc/angarium/tls/tls.crt"
    assert told["ANGARIUM_GATEWAY_TLS_KEY"] == "/etc/angarium/tls/tls.key"
    assert files(found["gateway"])["/etc/angarium/tls"] == "gateway-tls"
    assert "gateway-tls" not in {secret for name in ("deliverer", "operator") for secret in files(found[name]).values()}
    assert container(found["gateway"])["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "probes"}


def test_services_learn_the_authority_from_the_operator(render: Render) -> None:
    """Nobody else needs it."""
    values = {"gateway": {"tls": {"secretName": "gateway-tls", "caSecret": {"name": "root", "key": "root.pem"}}}}
    found = pods(render(values))
    assert environment(found["operator"])["ANGARIUM_GATEWAY_CA"] == "/etc/angarium/gateway-ca/ca.crt"
    assert files(found["operator"])["/etc/angarium/gateway-ca"] == "root"
    (volume,) = [each for each in found["operator"]["spec"]["volumes"] if each["name"] == "gateway-ca"]
    assert volume["secret"]["items"] == [{"key": "root.pem", "path": "ca.crt"}]
    assert "root" not in files(found["gateway"]).values()


def test_redis_is_trusted_and_trusts_us_by_files(render: Render) -> None:
    """In all three services."""
    tls = {"caSecret": {"name": "ca", "key": "root.pem"}, "clientSecret": {"name": "client"}}
    found = pods(render({"redis": {"existingSecret": {"name": "redis"}, "tls": tls}}))
    for pod in found.values():
        told = environment(pod)
        assert told["ANGARIUM_REDIS_CA"] == "/etc/angarium/redis-ca/ca.crt"
        assert told["ANGARIUM_REDIS_CERT"] == "/etc/angarium/redis-client/tls.crt"
        assert told["ANGARIUM_REDIS_KEY"] == "/etc/angarium/redis-client/tls.key"
        assert files(pod)["/etc/angarium/redis-ca"] == "ca"
        assert files(pod)["/etc/angarium/redis-client"] == "client"


def test_routes_go_where_they_are_told(render: Render) -> None:
    """Hosts, paths, classes, certificates."""
    ingress = {
        "enabled": True,
        "className": "nginx",
        "hosts": ["a.test", "b.test"],
        "path": "/v1",
        "tls": [{"secretName": "notify-tls", "hosts": ["a.test"]}],
    }
    route = {"enabled": True, "parentRefs": [{"name": "public", "namespace": "edge"}], "hostnames": ["a.test"]}
    objects = render({"gateway": {"ingress": ingress, "httpRoute": route}})
    (found,) = of_kind(objects, "Ingress")
    assert found["spec"]["ingressClassName"] == "nginx"
    assert [rule["host"] for rule in found["spec"]["rules"]] == ["a.test", "b.test"]
    assert {rule["http"]["paths"][0]["path"] for rule in found["spec"]["rules"]} == {"/v1"}
    assert found["spec"]["tls"] == ingress["tls"]
    (found,) = of_kind(objects, "HTTPRoute")
    assert (found["spec"]["parentRefs"], found["spec"]["hostnames"]) == (route["parentRefs"], ["a.test"])


def test_no_way_in_unless_asked(defaults: Objects) -> None:
    """From inside the cluster alone."""
    assert [each["kind"] for each in defaults if each["kind"] in ("Ingress", "HTTPRoute")] == []
    assert one(defaults, "Service", "angarium-gateway")["spec"]["type"] == "ClusterIP"


def test_traces_are_sent_by_those_on_the_way(render: Render) -> None:
    """And by nobody unless asked."""
    found = pods(render({"tracing": {"endpoint": "http://collector.test:4318", "sampleRatio": 0.5}}))
    for component, expected in (("gateway", "0.5"), ("deliverer", "0.5"), ("operator", None)):
        assert environment(found[component]).get("ANGARIUM_TRACES_RATIO") == expected
    assert "ANGARIUM_TRACES_ENDPOINT" not in environment(pods(render())["gateway"])
