"""Logs and probes, as those see them who run the system."""

import asyncio
import io
import json
import logging
import subprocess
import sys

import httpx
import pytest

from angarium.telemetry import logs, metrics
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


def test_times_are_utc_to_the_millisecond() -> None:
    assert logs.moment(1_700_000_000.5) == "2023-11-14T22:13:20.500Z"
    assert logs.moment(1_700_000_000) == "2023-11-14T22:13:20.000Z"
    assert logs.moment(1_700_000_000.0019) == "2023-11-14T22:13:20.001Z"


class Stream(io.BytesIO):
    """Counts the writes, each of which is flushed."""

    writes = 0

    def flush(self) -> None:
        """One more."""
        self.writes += 1
        super().flush()


async def test_the_lines_of_one_turn_are_written_at_once() -> None:
    stream = Stream()
    lines = logs.Lines(stream)
    for number in range(3):
        lines.add(b"%d\n" % number)
    assert stream.writes == 0
    await asyncio.sleep(0)
    assert (stream.writes, stream.getvalue()) == (1, b"0\n1\n2\n")
    lines.add(b"3\n")
    await asyncio.sleep(0)
    assert (stream.writes, stream.getvalue()) == (2, b"0\n1\n2\n3\n")


def test_without_an_event_loop_each_line_is_written() -> None:
    stream = Stream()
    lines = logs.Lines(stream)
    lines.add(b"0\n")
    assert stream.getvalue() == b"0\n"


def test_the_lines_of_a_loop_that_is_gone_are_not_lost() -> None:
    stream = Stream()
    lines = logs.Lines(stream)

    async def last_words() -> None:
        asyncio.get_running_loop().call_later(0, asyncio.get_running_loop().stop)
        lines.add(b"0\n")

    loop = asyncio.new_event_loop()
    loop.run_until_complete(last_words())
    loop.close()
    lines.add(b"1\n")
    assert stream.getvalue() == b"0\n1\n"


async def test_a_warning_does_not_wait_and_keeps_its_place() -> None:
    stream = Stream()
    lines = logs.Lines(stream)
    handler = logs.LinesHandler(lines)
    lines.add(b"before\n")
    handler.handle(logging.makeLogRecord({"msg": "now", "levelno": logging.WARNING}))
    assert stream.getvalue() == b"before\nnow\n"


async def test_a_reader_that_is_gone_stops_nobody() -> None:
    stream = Stream()
    lines = logs.Lines(stream)
    stream.close()
    lines.add(b"0\n")
    lines.write()


PROCESS = """
import asyncio, logging, os, signal
from angarium.process import until_signalled
from angarium.telemetry import logs

log = logging.getLogger("angarium.x")

async def run(stop):
    logs.info(log, "first", {"n": 1})
    os.kill(os.getpid(), signal.SIGTERM)
    await stop.wait()
    for number in range(1000):
        logs.info(log, "many", {"n": number})
    log.info("last")

logs.configure("LEVEL")
asyncio.run(until_signalled(run))
"""


@pytest.mark.parametrize(("level", "count"), [("info", 1002), ("warning", 0)])
def test_a_process_that_is_terminated_leaves_all_its_lines(level: str, count: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROCESS.replace("LEVEL", level)], capture_output=True, text=True, check=True
    )
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines] == (["first"] + ["many"] * 1000 + ["last"])[:count]
    assert all(line.keys() >= {"time", "level", "event"} for line in lines)


def test_where_nobody_has_set_logs_up_lines_go_the_usual_way(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(logs, "_lines", None)
    with caplog.at_level(logging.INFO, "angarium.x"):
        logs.info(logging.getLogger("angarium.x"), "attempt", {"delivery": "dlv_1"})
    assert [(record.message, record.__dict__["delivery"]) for record in caplog.records] == [("attempt", "dlv_1")]


async def test_probes_tell_what_is_wrong() -> None:
    metrics.show_running("gateway")
    probes = Probes()
    wrong: list[str] = []
    probes.ready["redis"] = lambda: wrong[0] if wrong else None
    async with probes.serve("127.0.0.1", 0), httpx.AsyncClient(base_url=f"http://127.0.0.1:{probes.port}") as client:
        assert (await client.get("/readyz")).status_code == 200
        wrong.append("it does not answer")
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()) == (503, {"ok": False, "failures": {"redis": "it does not answer"}})
        assert (await client.get("/healthz")).status_code == 200
        assert 'angarium_build_info{component="gateway"' in (await client.get("/metrics")).text
        assert (await client.get("/secrets")).status_code == 404


async def test_a_blocked_loop_is_told_although_it_can_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("angarium.telemetry.probes.STALLED_AFTER", -1.0)
    probes = Probes()
    async with probes.serve("127.0.0.1", 0):
        answer = await asyncio.to_thread(httpx.get, f"http://127.0.0.1:{probes.port}/healthz")
    assert answer.status_code == 503
    assert "event loop" in answer.json()["failures"]
