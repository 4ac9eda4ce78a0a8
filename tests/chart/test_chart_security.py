"""Restricted Pod Security everywhere, tokens only where they are needed, secrets only in files."""

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.fernet import Fernet
from tests.chart.objects import CHART, Objects, Render, container, environment, of_kind, one, pods

COMPONENTS = ["gateway", "deliverer", "operator", "valkey"]


@pytest.mark.parametrize("component", COMPONENTS)
def test_pods_are_restricted(defaults: Objects, component: str) -> None:
    """As Pod Security's profile `restricted` asks, and a read-only root besides."""
    pod = pods(defaults)[component]
    assert (
        pod["spec"]["securityContext"].items()
        >= {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}.items()
    )
    assert pod["spec"]["securityContext"]["runAsUser"] > 0
    assert container(pod)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not [name for name in ("hostNetwork", "hostPID", "hostIPC") if name in pod["spec"]]


def test_only_the_operator_has_a_token(defaults: Objects) -> None:
    """Its pod asks for it; no account gives one by itself."""
    tokens = {component: pod["spec"]["automountServiceAccountToken"] for component, pod in pods(defaults).items()}
    assert tokens == {"gateway": False, "deliverer": False, "operator": True, "valkey": False}
    accounts = {
        each["metadata"]["name"]: each["automountServiceAccountToken"] for each in of_kind(defaults, "ServiceAccount")
    }
    assert accounts == {"angarium-gateway": False, "angarium-deliverer": False, "angarium-operator": False}


def test_roles_are_bound_to_the_operator_alone(defaults: Objects) -> None:
    """And hold what files/operator-rules.yaml says, which the operator's own tests use."""
    (binding,) = of_kind(defaults, "ClusterRoleBinding")
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "angarium-operator", "namespace": "system"}]
    rules = yaml.safe_load((CHART / "files/operator-rules.yaml").read_text("utf-8"))
    assert one(defaults, "ClusterRole", binding["roleRef"]["name"])["rules"] == rules
    assert not [rule for rule in rules if "*" in rule["verbs"] + rule["resources"] + rule["apiGroups"]]


def test_the_lease_is_the_only_thing_of_its_own_namespace(render: Render) -> None:
    """Whichever namespaces the operator serves; the Lease's name is told to it."""
    for values in ({}, {"watchNamespaces": ["shop"]}):
        objects = render(values)
        role = one(objects, "Role", "angarium-operator-lease")
        assert role["metadata"]["namespace"] == "system"
        assert role["rules"] == [
            {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update"]}
        ]
        assert one(objects, "RoleBinding", "angarium-operator-lease")["subjects"][0]["name"] == "angarium-operator"
        told = environment(pods(objects)["operator"])
        assert (told["ANGARIUM_OPERATOR_LEASE"], told["ANGARIUM_OPERATOR_LEASE_NAMESPACE"]) == (
            "angarium-operator",
            "system",
        )


def test_callbacks_are_written_only_where_callers_may_make_them(defaults: Objects, render: Render) -> None:
    """And nothing else of ours is, ever."""
    off = render({"api": {"callbacks": {"enabled": False}}})
    for objects, writes in ((defaults, {("callbacks", verb) for verb in ("create", "patch", "delete")}), (off, set())):
        rules = one(objects, "ClusterRole", "system-angarium-operator")["rules"]
        given = {(name, verb) for rule in rules for name in rule["resources"] for verb in rule["verbs"]}
        ours = {(name, verb) for name, verb in given if name in ("products", "organizations", "callbacks")}
        assert {(name, verb) for name, verb in ours if verb not in ("get", "list", "watch")} == writes
    assert environment(pods(off)["operator"])["ANGARIUM_API_CALLBACKS"] == "false"
    assert "ANGARIUM_API_CALLBACKS" not in environment(pods(defaults)["operator"])


def test_watch_namespaces_makes_roles_only(render: Render) -> None:
    """One in each namespace, without what no Role can give."""
    objects = render({"watchNamespaces": ["shop", "billing"]})
    assert of_kind(objects, "ClusterRoleBinding") == []
    assert "system-angarium-operator" not in [each["metadata"]["name"] for each in of_kind(objects, "ClusterRole")]
    for kind in ("Role", "RoleBinding"):
        assert [each["metadata"]["namespace"] for each in of_kind(objects, kind)] == ["shop", "billing", "system"]
    assert {each["subjects"][0]["namespace"] for each in of_kind(objects, "RoleBinding")} == {"system"}
    resources = [name for rule in of_kind(objects, "Role")[0]["rules"] for name in rule["resources"]]
    assert "products" in resources
    assert "namespaces" not in resources
    assert environment(pods(objects)["operator"])["ANGARIUM_WATCH_NAMESPACES"] == "shop,billing"


def test_viewers_may_not_change_and_nobody_gets_secrets(defaults: Objects) -> None:
    """The aggregated roles."""
    view, edit = (one(defaults, "ClusterRole", f"system-angarium-{name}") for name in ("view", "edit"))
    assert view["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-view"] == "true"
    assert "rbac.authorization.k8s.io/aggregate-to-view" not in edit["metadata"]["labels"]
    assert {verb for rule in view["rules"] for verb in rule["verbs"]} == {"get", "list", "watch"}
    assert {group for rule in view["rules"] + edit["rules"] for group in rule["apiGroups"]} == {"angarium.dev"}


def test_seal_keys_reach_operator_and_deliverer_alone(defaults: Objects) -> None:
    """Never the gateway."""
    name = "angarium-seal-keys"
    holders = {component for component, pod in pods(defaults).items() if name in _secrets_of(pod)}
    assert holders == {"operator", "deliverer"}
    Fernet(base64.b64decode(one(defaults, "Secret", name)["data"]["seal-keys"]))
    assert one(defaults, "Secret", name)["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_no_secret_stands_in_the_environment(render: Render) -> None:
    """Nor anywhere outside Secrets."""
    url = "redis://user:open-sesame@redis.test:6379/0"
    objects = render({"redis": {"url": url}})
    assert [each["metadata"]["name"] for each in objects if "open-sesame" in str(each)] == []
    assert base64.b64decode(one(objects, "Secret", "angarium-redis")["data"]["redis-url"]).decode() == url
    assert {environment(pod)["ANGARIUM_REDIS_URL_FILE"] for pod in pods(objects).values()} == {
        "/etc/angarium/redis/url"
    }


def test_pods_follow_a_changed_url(render: Render) -> None:
    """It is read at start, so that they must start anew."""
    first, second = (
        pods(render({"redis": {"url": f"redis://{host}:6379/0"}}))["gateway"]["metadata"]["annotations"]
        for host in ("one", "two")
    )
    assert first["checksum/redis"] != second["checksum/redis"]


def test_existing_secrets_are_used_and_none_is_made(render: Render) -> None:
    """With their own keys."""
    values: dict[str, Any] = {
        "redis": {"existingSecret": {"name": "my-redis", "key": "uri"}},
        "sealKeys": {"existingSecret": {"name": "my-seals", "key": "fernet"}},
    }
    objects = render(values)
    assert of_kind(objects, "Secret") == of_kind(objects, "StatefulSet") == []
    volumes = {each["name"]: each["secret"] for each in pods(objects)["deliverer"]["spec"]["volumes"]}
    assert (volumes["redis"]["secretName"], volumes["redis"]["items"][0]["key"]) == ("my-redis", "uri")
    assert (volumes["seal-keys"]["secretName"], volumes["seal-keys"]["items"][0]["key"]) == ("my-seals", "fernet")
    mount = container(pods(objects)["deliverer"])["volumeMounts"][0]
    assert str(Path(mount["mountPath"]) / volumes["redis"]["items"][0]["path"]) == "/etc/angarium/redis/url"


def _secrets_of(pod: dict[str, Any]) -> list[str]:
    return [volume["secret"]["secretName"] for volume in pod["spec"]["volumes"] if "secret" in volume]
