"""What platform teams add of their own: labels, annotations, volumes, containers, accounts, whole objects."""

from typing import Any

from tests.chart.objects import Render, of_kind, one, pods

SERVICES = ("gateway", "deliverer", "operator")


def test_common_labels_and_annotations_are_on_everything(render: Render) -> None:
    """But none of ours is overridden, for selectors go by them."""
    values = {"commonLabels": {"team": "a", "app.kubernetes.io/name": "other"}, "commonAnnotations": {"note": "b"}}
    objects = render(values | {"gateway": {"service": {"annotations": {"note": "c", "more": "d"}}}})
    for each in objects:
        assert each["metadata"]["labels"]["team"] == "a", each["metadata"]
        assert each["metadata"]["labels"]["app.kubernetes.io/name"] == "angarium"
        assert each["metadata"]["annotations"]["note"] in "bc", each["metadata"]
    service = one(objects, "Service", "angarium-gateway")
    assert service["metadata"]["annotations"] == {"note": "c", "more": "d"}
    assert {pod["metadata"]["labels"]["team"] for pod in pods(objects).values()} == {"a"}


def test_selectors_hold_nothing_that_may_change(render: Render) -> None:
    """They can't be changed in an upgrade."""
    names = {f"app.kubernetes.io/{name}" for name in ("name", "instance", "component")}
    values: dict[str, Any] = {"commonLabels": {"team": "a"}, "gateway": {"podLabels": {"x": "y"}}}
    for each in render(values):
        if each["kind"] in ("Deployment", "StatefulSet"):
            wanted = each["spec"]["selector"]["matchLabels"]
            assert set(wanted) == names
            assert wanted.items() <= each["spec"]["template"]["metadata"]["labels"].items()


def test_volumes_and_containers_are_added(render: Render) -> None:
    """Beside ours."""
    more = {
        "extraVolumes": [{"name": "more", "emptyDir": {}}],
        "extraVolumeMounts": [{"name": "more", "mountPath": "/more"}],
        "extraContainers": [{"name": "proxy", "image": "proxy:1"}],
    }
    found = pods(render(dict.fromkeys(SERVICES, more)))
    for service in SERVICES:
        ours, proxy = found[service]["spec"]["containers"]
        assert (ours["name"], proxy) == (service, {"name": "proxy", "image": "proxy:1"})
        assert ours["volumeMounts"][-1] == {"name": "more", "mountPath": "/more"}
        assert found[service]["spec"]["volumes"][-1] == {"name": "more", "emptyDir": {}}


def test_accounts_may_be_made_elsewhere(render: Render) -> None:
    """The operator's Roles go to the one that is named."""
    values = {"operator": {"serviceAccount": {"create": False, "name": "mine"}}}
    objects = render(values)
    assert {each["metadata"]["name"] for each in of_kind(objects, "ServiceAccount")} == {
        "angarium-gateway",
        "angarium-deliverer",
    }
    assert pods(objects)["operator"]["spec"]["serviceAccountName"] == "mine"
    bindings = of_kind(objects, "ClusterRoleBinding") + of_kind(objects, "RoleBinding")
    assert {each["subjects"][0]["name"] for each in bindings} == {"mine"}


def test_more_objects_are_templates_too(render: Render) -> None:
    """As objects, or as text."""
    text = "{apiVersion: v1, kind: ConfigMap, metadata: {name: '{{ .Release.Name }}-text'}}"
    whole = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-whole"}}
    objects = render({"extraObjects": [text, whole]})
    assert {each["metadata"]["name"] for each in of_kind(objects, "ConfigMap")} >= {"angarium-text", "angarium-whole"}


def test_every_pod_is_spread_and_rolls_without_a_gap(render: Render) -> None:
    """Where there are zones and nodes; one new pod first, then an old one goes. Nothing needs a preStop."""
    objects = render()
    for service in SERVICES:
        deployment = one(objects, "Deployment", f"angarium-{service}")
        strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
        assert deployment["spec"]["strategy"] == strategy
        pod = deployment["spec"]["template"]["spec"]
        keys = [each["topologyKey"] for each in pod["topologySpreadConstraints"]]
        assert keys == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
        assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(pod["containers"][0])
        assert "lifecycle" not in pod["containers"][0]  # SIGTERM begins the drain, delay and all
