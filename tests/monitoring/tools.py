"""Prometheus and its promtool, where they are: on the PATH, or in the folder that ANGARIUM_TEST_PROMETHEUS names."""

import os
import shutil
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "helm/angarium/files/alerts"
DASHBOARDS = ROOT / "helm/angarium/files/dashboards"
RUNBOOKS = ROOT / "docs/runbooks"
HOW = "no Prometheus: apt-get install prometheus, or ANGARIUM_TEST_PROMETHEUS=FOLDER that holds prometheus and promtool"


def tool(name: str) -> str:
    """Its path; skips the test where there is none."""
    folder = os.environ.get("ANGARIUM_TEST_PROMETHEUS")
    found = shutil.which(name, path=folder) if folder else shutil.which(name)
    if found is None:
        pytest.skip(HOW)
    return found


def rules() -> list[dict[str, str]]:
    """All rules, recording and alerting."""
    files = [yaml.safe_load(file.read_text()) for file in sorted(ALERTS.glob("*.yaml"))]
    return [rule for file in files for group in file["groups"] for rule in group["rules"]]
