"""Logs and probes, as those see them who run the system."""

import asyncio
import json
import logging

import httpx
import pytest

from angarium.telemetry import logs
from angarium.telemetry.probes import Probes


def test_a_log_line_is_one_json_object() -> None:
    record = logging.makeLogRecord(
        {"name": "angarium.x", "levelname": "INFO", "msg": "attempt", "created": 1_700_000_000.5}
    )
    record.delivery, record.odd = "dlv_1", object
    line = json.loads(logs.JsonFormatter().format(record))
    assert line["event"] == "attempt"
    assert line["time"] == "2023-11-14T22:13:20.500Z"
    assert line["delivery"] == "dlv_1"
    assert "logger" not in line


def test_a_trace_stays_on_its_line() -> None:
    error = ValueError("two\nlines")
    record = logging.makeLogRecord({"name": "kopf", "msg": "it failed", "exc_info": (ValueError, error, None)})
    [line] = logs.JsonFormatter().format(record).splitlines()
    assert "ValueError" in json.loads(line)["exception"]
    assert json.loads(line)["logger"] == "kopf"


async def test_probes_tell_what_is_wrong() -> None:
    probes = Probes()
    wrong: list[str] = []
    probes.ready["redis"] = lambda: wrong[0] if wrong else None
    async with probes.serve("127.0.0.1", 0), httpx.AsyncClient(base_url=f"http://127.0.0.1:{probes.port}") as client:
        assert (await client.get("/readyz")).status_code == 200
        wrong.append("it does not answer")
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()) == (503, {"ok": False, "failures": {"redis": "it does not answer"}})
        assert (await client.get("/healthz")).status_code == 200
        assert "angarium_build_info" in (await client.get("/metrics")).text
        assert (await client.get("/secrets")).status_code == 404


async def test_a_blocked_loop_is_told_although_it_can_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("angarium.telemetry.probes.STALLED_AFTER", -1.0)
    probes = Probes()
    async with probes.serve("127.0.0.1", 0):
        answer = await asyncio.to_thread(httpx.get, f"http://127.0.0.1:{probes.port}/healthz")
    assert answer.status_code == 503
    assert "event loop" in answer.json()["failures"]
