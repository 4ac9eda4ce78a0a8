"""Each alert fires when it should and is silent when it should be: `promtool test rules` on made-up series."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from tests.monitoring.tools import ALERTS, rules, tool

NAMED = sorted(rule["alert"] for rule in rules() if "alert" in rule)
ACCEPTED = 'angarium_requests_total{namespace="a",route="POST /v1/notifications",code="202"}'
POSTED = 'angarium_requests_total{namespace="a",route="POST /v1/notifications/{channel}/{topic}",code="200"}'
FAILED = 'angarium_requests_total{namespace="a",route="POST /v1/notifications",code="503"}'
MISTAKEN = 'angarium_requests_total{namespace="a",route="POST /v1/notifications",code="422"}'
READ = 'angarium_requests_total{namespace="a",route="GET /v1/notifications",code="500"}'
IN_TIME = 'angarium_delivery_delay_seconds_bucket{namespace="a",priority="normal",le="60.0"}'
ALL = 'angarium_delivery_delay_seconds_count{namespace="a",priority="normal"}'
READY = 'angarium_backlog{namespace="a",pod="d-%d",lane="normal",state="ready"}'
OLDEST = 'angarium_oldest_ready_seconds{namespace="a",pod="d-1",lane="normal"}'
DEAD = 'angarium_dead_letters{namespace="a",pod="d-1",product="shop/shop"}'
MEMORY = 'angarium_redis_memory_ratio{namespace="a",pod="g-1"}'
BUILD = 'angarium_build_info{namespace="a",pod="%s-1",component="%s",version="1"}'
LAG = 'angarium_config_revision_lag{namespace="a",pod="g-1"}'
KEY = '{namespace="a",pod="g-%d",product="shop/shop",organization="",key="7f3k"}'
ENDS = "angarium_credential_expiry_timestamp_seconds" + KEY
USED = "angarium_credential_last_used_timestamp_seconds" + KEY
CERTIFICATE = 'angarium_certificate_expiry_timestamp_seconds{namespace="a",pod="%s",certificate="gateway"}'
HEARD = 'angarium_operator_watches_heard_timestamp_seconds{namespace="a",pod="%s"}'
RESYNCED = 'angarium_operator_last_resync_timestamp_seconds{namespace="a",pod="o-1"}'

NAMESPACE = {"namespace": "a"}
KEYS = {"namespace": "a", "product": "shop/shop", "organization": "", "key": "7f3k"}
ALIVE = {BUILD % (name, name): "1x500" for name in ("gateway", "deliverer", "operator")}
STALE = {**ALIVE, HEARD % "g-1": "0x200", RESYNCED: "0+600x200"}  # a gateway shows 0


@dataclass(frozen=True)
class Case:
    """What is there, one value a minute; and whom the alert names at that minute, or nobody."""

    alert: str
    why: str
    series: dict[str, str]
    at: int
    labels: dict[str, str] | None


def fires(alert: str, why: str, series: dict[str, str], at: int, **labels: str) -> Case:
    return Case(alert, why, series, at, labels)


def silent(alert: str, why: str, series: dict[str, str], at: int) -> Case:
    return Case(alert, why, series, at, None)


CASES = [
    # 300 of 6,300 a minute fail: 4.8 %
    fires("AngariumSendErrorsFast", "5 % fail", {ACCEPTED: "0+6000x90", FAILED: "0+300x90"}, 80, **NAMESPACE),
    fires("AngariumSendErrorsFast", "1 % for hours", {POSTED: "0+6000x400", FAILED: "0+60x400"}, 390, **NAMESPACE),
    silent("AngariumSendErrorsFast", "it is over", {ACCEPTED: "0+6000x99", FAILED: "0+300x60 18000x39"}, 95),
    silent("AngariumSendErrorsFast", "too few to tell", {ACCEPTED: "0+1x90", FAILED: "0+1x90"}, 80),
    silent("AngariumSendErrorsFast", "callers' mistakes", {ACCEPTED: "0+6000x90", MISTAKEN: "0+3000x90"}, 80),
    silent("AngariumSendErrorsFast", "other requests", {ACCEPTED: "0+6000x90", READ: "0+3000x90"}, 80),
    silent("AngariumSendErrorsFast", "nobody sends", {ACCEPTED: "7x90", FAILED: "7x90"}, 80),
    fires("AngariumSendErrorsSlow", "0.5 %", {ACCEPTED: "0+6000x200", FAILED: "0+30x200"}, 190, **NAMESPACE),
    silent("AngariumSendErrorsSlow", "0.05 %", {ACCEPTED: "0+6000x200", FAILED: "0+3x200"}, 190),
    silent("AngariumSendErrorsSlow", "none fails", {ACCEPTED: "0+6000x200"}, 190),
    fires("AngariumLateDeliveriesFast", "20 % late", {ALL: "0+1000x90", IN_TIME: "0+800x90"}, 80, **NAMESPACE),
    silent("AngariumLateDeliveriesFast", "5 % late", {ALL: "0+1000x90", IN_TIME: "0+950x90"}, 80),
    silent("AngariumLateDeliveriesFast", "it is over", {ALL: "0+1000x99", IN_TIME: "0+800x60 48000+1000x39"}, 95),
    fires("AngariumLateDeliveriesSlow", "5 % late", {ALL: "0+1000x200", IN_TIME: "0+950x200"}, 190, **NAMESPACE),
    silent("AngariumLateDeliveriesSlow", "0.5 % late", {ALL: "0+1000x200", IN_TIME: "0+995x200"}, 190),
    fires("AngariumBacklogGrowing", "steadily", {READY % 1: "0+50x60", READY % 2: "0+50x60"}, 40, **NAMESPACE),
    silent("AngariumBacklogGrowing", "large but falling", {READY % 1: "9000-50x60"}, 40),
    silent("AngariumBacklogGrowing", "small", {READY % 1: "0+1x60"}, 40),
    silent("AngariumBacklogGrowing", "a burst, worked off", {READY % 1: "0x20 0+500x9 4500-500x9 0x20"}, 45),
    fires("AngariumOldestReadyOld", "ten minutes", {OLDEST: "0+60x20"}, 10, lane="normal", **NAMESPACE),
    silent("AngariumOldestReadyOld", "four minutes", {OLDEST: "240x20"}, 10),
    fires("AngariumDeadLetters", "20 within the hour", {DEAD: "5x70 25x60"}, 80, product="shop/shop", **NAMESPACE),
    fires("AngariumDeadLetters", "of a new product", {DEAD: "25x60"}, 10, product="shop/shop", **NAMESPACE),
    silent("AngariumDeadLetters", "5 within the hour", {DEAD: "5x70 10x60"}, 80),
    silent("AngariumDeadLetters", "old ones that are kept", {DEAD: "500x200"}, 80),
    fires("AngariumRedisMemoryHigh", "80 %", {MEMORY: "0.8x20"}, 10, **NAMESPACE),
    silent("AngariumRedisMemoryHigh", "70 %", {MEMORY: "0.7x20"}, 10),
    fires("AngariumAbsent", "no deliverer", {BUILD % ("gateway", "gateway"): "1x20"}, 10, component="deliverer"),
    fires("AngariumAbsent", "the last gateway went", {**ALIVE, BUILD % ("gateway", "gateway"): "1x5 stale"}, 15,
          component="gateway"),
    silent("AngariumAbsent", "both are there", ALIVE, 10),
    fires("AngariumConfigLag", "for ten minutes", {LAG: "0x5 3x30"}, 20, pod="g-1", **NAMESPACE),
    silent("AngariumConfigLag", "it keeps up", {LAG: "0 3 0 2 0 1 0 3 0 2 0 1 0 3 0 2 0 1 0 3 0 2"}, 20),
    fires("AngariumKeyExpiringInUse", "seen by one gateway",
          {ENDS % 1: "12000x200", ENDS % 2: "12000x200", USED % 1: "30x200", USED % 2: "0+60x200"}, 60, **KEYS),
    silent("AngariumKeyExpiringInUse", "all have moved on", {ENDS % 1: "12000x200", USED % 1: "0+60x10 600x190"}, 60),
    silent("AngariumKeyExpiringInUse", "there is time", {ENDS % 1: "86400x200", USED % 1: "0+60x200"}, 60),
    silent("AngariumKeyExpiringInUse", "never used here", {ENDS % 1: "12000x200"}, 60),
    fires("AngariumCertificateExpiring", "in six days", {CERTIFICATE % "g-1": "518400x99", CERTIFICATE % "d-1": "0x99"},
          90, certificate="gateway", **NAMESPACE),
    silent("AngariumCertificateExpiring", "in a month", {CERTIFICATE % "g-1": "2592000x120"}, 90),
    fires("AngariumOperatorStale", "silent watches", {**STALE, HEARD % "o-1": "0+60x10 600x60"}, 30, **NAMESPACE),
    fires("AngariumOperatorStale", "no comparison", {**ALIVE, HEARD % "o-1": "60+60x90", RESYNCED: "60x90"}, 80,
          **NAMESPACE),
    fires("AngariumOperatorStale", "gone", {BUILD % ("gateway", "gateway"): "1x20"}, 10, component="operator"),
    silent("AngariumOperatorStale", "all is well", {**STALE, HEARD % "o-1": "0+60x200"}, 30),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.alert}: {case.why}")
def test_alert(case: Case, tmp_path: Path) -> None:
    severity = next(rule["labels"]["severity"] for rule in rules() if rule.get("alert") == case.alert)  # type: ignore[index]
    alert = {"__name__": "ALERTS", "alertname": case.alert, "alertstate": "firing", "severity": severity}
    named = {name: value for name, value in (alert | (case.labels or {})).items() if value}
    labels = "{" + ",".join(f'{name}="{value}"' for name, value in named.items()) + "}"
    check = {
        "expr": f'ALERTS{{alertname="{case.alert}",alertstate="firing"}}',
        "eval_time": f"{case.at}m",
        "exp_samples": [] if case.labels is None else [{"labels": labels, "value": 1}],
    }
    series = [{"series": name, "values": values} for name, values in case.series.items()]
    file = tmp_path / "test.yaml"
    test = {"interval": "1m", "input_series": series, "promql_expr_test": [check]}
    file.write_text(yaml.safe_dump({"rule_files": [str(path) for path in ALERTS.glob("*.yaml")], "tests": [test]}))
    done = subprocess.run([tool("promtool"), "test", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_seen_firing_and_silent() -> None:
    for firing in (True, False):
        assert sorted({case.alert for case in CASES if (case.labels is not None) == firing}) == NAMED


def test_rules_are_well_formed() -> None:
    command = [tool("promtool"), "check", "rules", "--lint-fatal", *map(str, sorted(ALERTS.glob("*.yaml")))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
