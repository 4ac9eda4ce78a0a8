"""The objects of `helm test`."""

from tests.chart.objects import Objects, Render, container, environment, of_kind, one, pods


def test_it_makes_what_it_needs_and_takes_it_away(render_tests: Render, render: Render) -> None:
    """A Product, a Callback to its own pod, and that pod, which must also pass the NetworkPolicies."""
    objects = render_tests()
    assert {each["kind"] for each in objects} == {"Product", "Callback", "Service", "ConfigMap", "Pod"}
    for each in objects:
        assert each["metadata"]["annotations"]["helm.sh/hook"] == "test"
        policy = each["metadata"]["annotations"]["helm.sh/hook-delete-policy"]
        assert policy == "before-hook-creation,hook-succeeded"
    (pod,), (callback,), (service,) = (of_kind(objects, kind) for kind in ("Pod", "Callback", "Service"))
    assert callback["spec"]["serviceRef"] == {"name": service["metadata"]["name"], "port": 8481}
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    weights = {each["kind"]: int(each["metadata"]["annotations"].get("helm.sh/hook-weight", 0)) for each in objects}
    assert max(weight for kind, weight in weights.items() if kind != "Pod") < weights["Pod"]
    allowed = one(render({"networkPolicy": {"enabled": True}}), "NetworkPolicy", "angarium-test")
    assert allowed["spec"]["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()


def test_it_waits_for_the_secrets_that_the_operator_makes(render_tests: Render) -> None:
    """The pod can't start before."""
    objects = render_tests()
    (pod,), (product,), (callback,) = (of_kind(objects, kind) for kind in ("Pod", "Product", "Callback"))
    secrets = {each["name"]: each["secret"] for each in pod["spec"]["volumes"] if "secret" in each}
    assert secrets["binding"]["secretName"] == product["spec"]["credentials"]["secretName"]
    assert secrets["signing"]["secretName"] == callback["spec"]["signing"]["secretName"]
    assert not any("optional" in each for each in secrets.values())


def test_it_goes_to_the_service_whatever_the_url(render_tests: Render) -> None:
    """An address from outside need not be reached from inside."""
    told = [
        environment(of_kind(render_tests({"gateway": values}), "Pod")[0])["GATEWAY"]
        for values in ({"url": "https://notify.test"}, {"tls": {"secretName": "tls"}})
    ]
    assert told == ["http://angarium-gateway.system.svc", "https://angarium-gateway.system.svc"]


def test_it_says_when_it_is_skipped(render_tests: Render) -> None:
    """Nobody would serve its Product."""
    (pod,) = render_tests({"watchNamespaces": ["shop"]})
    assert "SKIPPED: watchNamespaces leaves out system" in container(pod)["command"][2]
    assert len(render_tests({"watchNamespaces": ["shop", "system"]})) == 5


def test_nothing_of_it_is_installed(defaults: Objects) -> None:
    """Only `helm test` makes it."""
    assert not [each for each in defaults if each["metadata"]["name"].endswith("-test")]
    assert "test" not in pods(defaults)
