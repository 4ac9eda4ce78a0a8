"""The doctor before a real API server: rights, CRDs, Deployments and the lease as they are, and as they must not be."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.aio.config import kube_config
from tests.cluster.api import Api as Admin
from tests.cluster.conftest import ROOT, ActAs
from tests.cluster.operating import RULES

from angarium.checkup import Item, exit_code
from angarium.settings import RedisSettings
from angarium_operator.api import Api
from angarium_operator.doctor.command import examine
from angarium_operator.doctor.judging import expected_paths, judge_cluster
from angarium_operator.doctor.looking import ClusterFacts, Looking
from angarium_operator.doctor.permissions import permissions

LABELS = {"app.kubernetes.io/name": "angarium", "app.kubernetes.io/part-of": "angarium"}


def deployment(part: str, namespace: str, **env: str) -> dict[str, Any]:
    """As the chart makes it, as far as the doctor looks; nobody starts its pods here."""
    labels = LABELS | {"app.kubernetes.io/component": part}
    variables = [{"name": name, "value": value} for name, value in env.items()]
    container = {"name": part, "image": f"angarium/{part}:1", "env": variables}
    metadata = {"name": f"angarium-{part}", "namespace": namespace, "labels": labels}
    spec = {
        "replicas": 2,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"serviceAccountName": part, "containers": [container]}},
    }
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


async def look(kubeconfig: Path, namespace: str) -> ClusterFacts:
    """What is seen with a kubeconfig."""
    async with Api(str(kubeconfig)) as api:
        return await Looking(api, namespace, kubeconfig=str(kubeconfig)).facts()


def told(items: list[Item], check: str) -> list[tuple[str, str]]:
    """Level and words of each item of a check."""
    return [(each.level.value, each.found) for each in items if each.check == check]


def test_it_asks_for_the_rights_that_the_chart_grants() -> None:
    rules = yaml.safe_load((ROOT / "helm/angarium/files/operator-rules.yaml").read_text())
    granted = {
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert {(each.group, each.resource, each.verb) for each in permissions()} == granted


async def test_all_is_there(api: Admin, namespace: str, kubeconfig: Path, crds_installed: None, act_as: ActAs) -> None:
    await act_as("operator", rules=RULES)
    for part in ("gateway", "deliverer"):
        await api.create(deployment(part, namespace))
    await api.create(deployment("operator", namespace, ANGARIUM_OPERATOR_LEASE="angarium-operator"))
    items = judge_cluster(await look(kubeconfig, namespace))
    assert told(items, "crds") == [("ok", "7 kinds are served, with all fields of this version")]
    user = f"system:serviceaccount:{namespace}:operator"
    assert told(items, "rbac") == [("ok", f"{user} may do all that the operator must")]
    for part in ("gateway", "deliverer", "operator"):  # no pod runs here
        assert told(items, part) == [("problem", f"{namespace}/angarium-{part}: 0 of 2 ready, angarium/{part}:1")]
    assert told(items, "service")[0][0] == "problem"
    assert told(items, "lease") == [("problem", "nobody holds angarium-operator: no operator works")]


async def test_rights_that_are_missing(
    api: Admin, namespace: str, kubeconfig: Path, crds_installed: None, act_as: ActAs
) -> None:
    await act_as("operator", rules=[rule for rule in RULES if rule["apiGroups"] != ["events.k8s.io"]])
    await api.create(deployment("operator", namespace))
    [(level, found)] = told(judge_cluster(await look(kubeconfig, namespace)), "rbac")
    assert (level, found) == (
        "problem",
        f"system:serviceaccount:{namespace}:operator may not: create events.events.k8s.io",
    )


async def test_an_account_that_may_see_next_to_nothing(
    api: Admin, namespace: str, crds_installed: None, act_as: ActAs, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = judge_cluster(await look(await act_as("stranger"), namespace))
    assert told(items, "crds")[0][0] == "ok"  # everybody may read what is served
    assert {each.level.value for each in items if each.check != "crds"} == {"unknown"}
    assert exit_code(items) == 0


async def test_the_lease(api: Admin, namespace: str, kubeconfig: Path, crds_installed: None, act_as: ActAs) -> None:
    await act_as("operator", rules=RULES)
    await api.create(deployment("operator", namespace, ANGARIUM_OPERATOR_LEASE="it"))

    async def judged(age: float) -> tuple[str, str]:
        renewed = (datetime.now(UTC) - timedelta(seconds=age)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {"holderIdentity": "pod-1", "leaseDurationSeconds": 12, "renewTime": renewed}
        metadata = {"name": "it", "namespace": namespace}
        await api.apply({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec})
        return told(judge_cluster(await look(kubeconfig, namespace)), "lease")[0]

    assert (await judged(1))[0] == "ok"
    level, found = await judged(3600)
    assert level == "problem"
    assert found.startswith("it is held by pod-1, which has not renewed it for 360")


def test_fields_that_are_missing_are_named() -> None:
    served = expected_paths() - {"Callback.spec.suspend"}
    plurals = frozenset({"products", "organizations", "callbacks", "providers", "topics", "replays", "callbacktests"})
    [(level, found)] = told(judge_cluster(ClusterFacts(served=plurals, paths=served)), "crds")
    assert (level, found.split(";")[0]) == (
        "problem",
        "1 fields of this version are missing: Callback.spec.suspend",
    )
    [(_, found)] = told(judge_cluster(ClusterFacts(served=plurals - {"topics"}, paths=served)), "crds")
    assert found == "not served: topics"


async def test_with_redis_alone_and_with_nothing(
    redis_settings: RedisSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    nowhere = str(tmp_path / "none")
    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", nowhere)
    items = await examine(redis_settings.url.get_secret_value())
    assert told(items, "kubernetes")[0][0] == "unknown"
    assert told(items, "redis acl")[0][0] == "ok"
    for name in ("ANGARIUM_REDIS_URL", "ANGARIUM_REDIS_URL_FILE"):
        monkeypatch.delenv(name, raising=False)
    items = await examine()
    assert {each.level.value for each in items} == {"unknown"}
    assert exit_code(items) == 1
    items = await examine("http://x", nowhere)
    assert {(each.check, each.level.value) for each in items} == {("redis", "problem"), ("kubernetes", "problem")}


@pytest.mark.parametrize("command", [["angarium_operator", "doctor"], ["angarium_cli", "doctor"]])
def test_both_commands(
    command: list[str], kubeconfig: Path, crds_installed: None, redis_settings: RedisSettings
) -> None:
    asked = [sys.executable, "-m", *command, "--kubeconfig", str(kubeconfig), "-o", "json"]
    environment = os.environ | {"ANGARIUM_REDIS_URL": redis_settings.url.get_secret_value()}
    done = subprocess.run(asked, env=environment, capture_output=True, text=True, timeout=60, check=False)
    read = json.loads(done.stdout)
    assert (done.returncode, read["ok"], done.stderr) == (1, False, "")  # no operator has published anything
    assert {"redis version", "crds", "config"} <= {each["check"] for each in read["checks"]}
