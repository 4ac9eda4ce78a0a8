"""`helm install` with no values: complete, consistent with the package, and nothing that wasn't asked for."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic_settings import BaseSettings
from tests.chart.objects import CHART, Objects, Render, container, environment, of_kind, one, pods

import angarium
from angarium.resources import KINDS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("values", [{}, {"watchNamespaces": ["a"]}, {"metrics": {"podMonitor": {"enabled": True}}}])
def test_lint_finds_nothing_to_mend(helm: Any, values: dict[str, Any]) -> None:
    """Strictly; an icon is only recommended."""
    report = helm.lint(CHART, values, strict=True, kube_version="v1.36.0")
    told = [message["error"] for message in report["messages"] if message["error"] != "icon is recommended"]
    assert (told, report["errors"]) == ([], [])


def test_three_services_and_a_valkey_and_no_more(defaults: Objects) -> None:
    """What a bare cluster gets."""
    found = {
        (each["kind"], each["metadata"]["name"]) for each in defaults if each["kind"] != "CustomResourceDefinition"
    }
    assert found == {
        *(("Deployment", f"angarium-{service}") for service in ("gateway", "deliverer", "operator")),
        *(("ServiceAccount", f"angarium-{service}") for service in ("gateway", "deliverer", "operator")),
        *(("PodDisruptionBudget", f"angarium-{service}") for service in ("gateway", "deliverer", "operator")),
        *((kind, "angarium-valkey") for kind in ("StatefulSet", "Service", "ConfigMap")),
        ("Service", "angarium-gateway"),
        *(("Secret", f"angarium-{name}") for name in ("redis", "seal-keys")),
        *(("ClusterRole", f"system-angarium-{name}") for name in ("operator", "view", "edit")),
        ("ClusterRoleBinding", "system-angarium-operator"),
        *((kind, "angarium-operator-lease") for kind in ("Role", "RoleBinding")),
    }


def test_versions_are_the_packages(chart: Any) -> None:
    """One number for package, chart and images."""
    assert chart.metadata["appVersion"] == chart.version == angarium.__version__
    assert f'org.opencontainers.image.version="{angarium.__version__}"' in (ROOT / "Dockerfile").read_text("utf-8")


def test_images_are_pinned_by_tag_or_digest(render: Render) -> None:
    """A digest wins."""
    digest = "sha256:" + "0" * 64
    objects = render({"image": {"registry": "registry.test", "tag": "7"}, "gateway": {"image": {"digest": digest}}})
    images = {component: container(pod)["image"] for component, pod in pods(objects).items()}
    assert images["gateway"] == f"registry.test/angarium/gateway@{digest}"
    assert images["deliverer"] == "registry.test/angarium/deliverer:7"
    assert not [image for image in images.values() if image.endswith(":latest")]


@pytest.mark.parametrize("name", ["products", "organizations", "callbacks"])
def test_crds_are_those_of_the_repository(defaults: Objects, name: str) -> None:
    """The chart adds labels and the policy that keeps them, and changes nothing."""
    found = one(defaults, "CustomResourceDefinition", f"{name}.angarium.dev")
    wanted = yaml.safe_load((ROOT / f"crds/{name}.angarium.dev.yaml").read_text("utf-8"))
    assert found["metadata"]["annotations"].pop("helm.sh/resource-policy") == "keep"
    assert found["spec"] == wanted["spec"]
    assert found["metadata"]["annotations"] == wanted["metadata"].get("annotations", {})


def test_crds_can_be_left_out_or_let_go(render: Render) -> None:
    """crds.enabled and crds.keep."""
    assert of_kind(render({"crds": {"enabled": False}}), "CustomResourceDefinition") == []
    loose = of_kind(render({"crds": {"keep": False}}), "CustomResourceDefinition")
    assert len(loose) == len(KINDS)
    assert not [found for found in loose if "helm.sh/resource-policy" in found["metadata"].get("annotations", {})]


def test_every_object_says_whose_it_is(defaults: Objects) -> None:
    """app.kubernetes.io/*, and a namespace where there is one to name."""
    for found in defaults:
        labels = found["metadata"]["labels"]
        assert labels["app.kubernetes.io/instance"] == "angarium", found["metadata"]
        assert labels["app.kubernetes.io/managed-by"] == "Helm"
        assert {f"app.kubernetes.io/{name}" for name in ("name", "component", "part-of", "version")} <= set(labels)
        assert found["metadata"].get("namespace") in ("system", None)


def test_ports_probes_and_settings_agree_with_the_services(defaults: Objects) -> None:
    """The defaults of the settings stand in the chart as numbers."""
    from angarium_deliverer.settings import DelivererSettings
    from angarium_gateway.settings import GatewaySettings
    from angarium_operator.settings import OperatorSettings

    services: tuple[tuple[str, type[BaseSettings]], ...]
    services = ("gateway", GatewaySettings), ("deliverer", DelivererSettings), ("operator", OperatorSettings)
    for service, model in services:
        pod = pods(defaults)[service]
        ports = {port["name"]: port["containerPort"] for port in container(pod)["ports"]}
        assert ports["probes"] == model.model_fields["probe_port"].default
        assert model.model_config["env_prefix"] == "ANGARIUM_"
        known = {f"ANGARIUM_{name.upper()}" for name in model.model_fields} | {"ANGARIUM_REDIS_URL"}
        assert {name.removesuffix("_FILE") for name in environment(pod)} <= known
    api = {port["name"]: port["containerPort"] for port in container(pods(defaults)["gateway"])["ports"]}
    assert api["http"] == GatewaySettings.model_fields["gateway_port"].default


def test_service_links_are_off(defaults: Objects) -> None:
    """They would set ANGARIUM_GATEWAY_PORT to tcp://…, which the gateway would take for its port."""
    assert {pod["spec"]["enableServiceLinks"] for pod in pods(defaults).values()} == {False}


def test_secrets_name_the_service(render: Render) -> None:
    """What the operator writes into Secrets is an address that pods of any namespace reach."""
    urls = [
        environment(pods(render(values))["operator"])["ANGARIUM_GATEWAY_URL"]
        for values in ({}, {"gateway": {"service": {"port": 8480}}}, {"gateway": {"url": "https://notify.example.com"}})
    ]
    assert urls == [
        "http://angarium-gateway.system.svc",
        "http://angarium-gateway.system.svc:8480",
        "https://notify.example.com",
    ]


def test_deliverers_know_where_carriers_reach_the_gateway(render: Render) -> None:
    """Only where it is said; the gateways need not know."""
    for values, url in (
        ({}, None),
        ({"gateway": {"publicUrl": "https://notify.example.com"}}, "https://notify.example.com"),
    ):
        found = pods(render(values))
        assert environment(found["deliverer"]).get("ANGARIUM_PUBLIC_URL") == url
        assert "ANGARIUM_PUBLIC_URL" not in environment(found["gateway"])


def test_a_pod_has_time_to_drain(defaults: Objects) -> None:
    """SIGKILL comes after what the service itself takes."""
    found = pods(defaults)
    drain = float(environment(found["deliverer"])["ANGARIUM_DRAIN_SECONDS"])
    assert found["deliverer"]["spec"]["terminationGracePeriodSeconds"] >= drain + 15
    told = environment(found["gateway"])
    wait = float(told["ANGARIUM_GATEWAY_DRAIN_DELAY"]) + float(told["ANGARIUM_GATEWAY_SHUTDOWN_TIMEOUT"])
    grace = found["gateway"]["spec"]["terminationGracePeriodSeconds"]
    assert grace >= wait + 15
    longest = float(told["ANGARIUM_GATEWAY_DRAIN_LIMIT"]) + float(told["ANGARIUM_GATEWAY_SHUTDOWN_TIMEOUT"])
    assert wait < longest < grace


def test_a_single_replica_has_no_disruption_budget(render: Render) -> None:
    """It would stop every drain of its node."""
    objects = render(
        {"gateway": {"replicas": 1}, "deliverer": {"pdb": {"enabled": False}}, "operator": {"replicas": 1}}
    )
    assert of_kind(objects, "PodDisruptionBudget") == []
