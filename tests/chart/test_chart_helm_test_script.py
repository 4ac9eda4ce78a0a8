"""The script of `helm test` beside a real gateway and deliverer, with the objects that the chart makes for it."""

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.chart.objects import CHART, Render, of_kind
from tests.cli.dev_process import angarium, end_leftover
from tests.ports import free_port


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where `angarium dev` runs."""
    (tmp_path / "yaml").mkdir()
    yield tmp_path
    end_leftover(tmp_path)


async def run(folder: Path, gateway: int, port: int) -> tuple[int | None, str]:
    """Exit code, and all that it printed."""
    environment = {"PATH": os.environ["PATH"], "FOLDER": str(folder), "PORT": str(port)}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(CHART / "files/helm-test.py"),
        env=environment | {"GATEWAY": f"http://127.0.0.1:{gateway}"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await process.communicate()
    return process.returncode, printed.decode()


async def test_it_sends_receives_and_sees_it_delivered(folder: Path, render_tests: Render) -> None:
    """Signature and all."""
    objects = render_tests()
    (product,), (callback,) = (of_kind(objects, kind) for kind in ("Product", "Callback"))
    gateway, port = free_port(), free_port()
    callback["spec"]["serviceRef"]["port"] = port  # which `angarium dev` looks for on this machine
    (folder / "yaml/all.yaml").write_text(yaml.safe_dump_all([product, callback]))
    async with angarium(folder, "dev", "yaml", "--port", str(gateway)) as dev:
        await dev.says("Send one yourself")
        for name, secret in (
            ("binding", product["spec"]["credentials"]["secretName"]),
            ("signing", callback["spec"]["signing"]["secretName"]),
        ):
            (folder / name).symlink_to(folder / ".angarium/secrets" / secret)
        code, printed = await run(folder, gateway, port)
        dev.process.terminate()
        assert await dev.ended() == 0
    words = [line.split()[0] for line in printed.splitlines()]  # it may be received before the answer has been read
    assert (code, sorted(words[:2]), words[2:]) == (0, ["accepted", "received"], ["delivered"]), printed
    assert "signature good" in printed
