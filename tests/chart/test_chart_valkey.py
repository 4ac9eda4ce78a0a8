"""The bundled Valkey, with a volume and without."""

import base64
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.chart.objects import CHART, Objects, Render, of_kind, one, pods


def test_it_keeps_its_data_on_a_volume_of_the_default_class(defaults: Objects) -> None:
    """With no values."""
    (claim,) = one(defaults, "StatefulSet", "angarium-valkey")["spec"]["volumeClaimTemplates"]
    assert claim["spec"] == {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "8Gi"}}}


def test_without_persistence_no_storage_class_is_needed(render: Render) -> None:
    """The data lies in the pod."""
    found = one(render({"valkey": {"persistence": {"enabled": False}}}), "StatefulSet", "angarium-valkey")
    assert "volumeClaimTemplates" not in found["spec"]
    assert {"name": "data", "emptyDir": {}} in found["spec"]["template"]["spec"]["volumes"]


def test_it_loses_nothing_it_was_given(defaults: Objects) -> None:
    """AOF, and no eviction (promises 1 and 7)."""
    config = one(defaults, "ConfigMap", "angarium-valkey")["data"]["valkey.conf"].splitlines()
    assert {"appendonly yes", "appendfsync everysec", "maxmemory-policy noeviction", "maxmemory 512mb"} <= set(config)


def test_its_password_is_asked_for(defaults: Objects) -> None:
    """The URL that the services read, and the server's configuration, hold the same."""
    data = {
        key: base64.b64decode(value).decode()
        for key, value in one(defaults, "Secret", "angarium-redis")["data"].items()
    }
    assert len(data["password"]) == 40
    assert data["auth.conf"].strip() == f"requirepass {data['password']}"
    assert data["redis-url"] == f"redis://:{data['password']}@angarium-valkey.system.svc:6379/0"
    assert "include /etc/valkey/auth/auth.conf" in one(defaults, "ConfigMap", "angarium-valkey")["data"]["valkey.conf"]


def test_its_name_stays_while_it_starts(defaults: Objects) -> None:
    """Else the cluster's DNS remembers for some seconds that there is none."""
    assert one(defaults, "Service", "angarium-valkey")["spec"]["publishNotReadyAddresses"] is True


def test_changed_settings_start_it_anew(render: Render) -> None:
    """It reads them at start."""
    first, second = (
        pods(render({"valkey": {"maxMemory": size}}))["valkey"]["metadata"]["annotations"]["checksum/config"]
        for size in ("1gb", "2gb")
    )
    assert first != second


def test_another_version_of_the_chart_leaves_it_running(defaults: Objects, helm: Any, tmp_path: Path) -> None:
    """Callers would be refused meanwhile, and nothing of it has changed."""
    shutil.copytree(CHART, tmp_path / "angarium")
    about = tmp_path / "angarium/Chart.yaml"
    about.write_text(re.sub(r"(?m)^(version|appVersion): .*", r"\1: 9.9.9", about.read_text(encoding="utf-8")), "utf-8")
    with helm.Chart.load(tmp_path / "angarium") as other:
        texts = other.render({}, name="angarium", namespace="system")
    wanted = [text for name, text in texts.items() if name.endswith(("statefulset.yaml", "gateway/deployment.yaml"))]
    later = [found for text in wanted for found in yaml.safe_load_all(text) if found]
    assert pods(later)["gateway"] != pods(defaults)["gateway"]
    assert pods(later)["valkey"] == pods(defaults)["valkey"]


@pytest.mark.parametrize(
    "url",
    [
        "rediss://redis.test:6380/0",
        "redis+sentinel://:pw@one:26379,two:26379/main/0?sentinel_password=pw",
        "rediss+cluster://one:6379,two:6379",
    ],
)
def test_an_own_redis_leaves_it_out(render: Render, url: str) -> None:
    """Whatever valkey.enabled says."""
    objects = render({"redis": {"url": url}})
    assert of_kind(objects, "StatefulSet") == []
