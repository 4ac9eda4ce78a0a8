"""What a process is given and gives back."""

import os
import resource
import socket
import subprocess
import sys

import pytest

from angarium.process import EX_CONFIG
from angarium.sealing import generate_seal_key

STARTED = """
import asyncio, resource
from angarium.process import until_signalled

async def run(stop):
    print(*resource.getrlimit(resource.RLIMIT_NOFILE))

_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (256, most))
asyncio.run(until_signalled(run))
"""


def test_a_process_takes_the_open_files_that_it_may_have() -> None:
    done = subprocess.run([sys.executable, "-c", STARTED], capture_output=True, text=True, check=True)
    now, most = map(int, done.stdout.split())
    assert now == most == resource.getrlimit(resource.RLIMIT_NOFILE)[1]


@pytest.mark.parametrize(("service", "variables"), [
    ("gateway", "ANGARIUM_GATEWAY_HOST, ANGARIUM_GATEWAY_PORT"),
    ("gateway", "ANGARIUM_PROBE_HOST, ANGARIUM_PROBE_PORT"),
    ("deliverer", "ANGARIUM_PROBE_HOST, ANGARIUM_PROBE_PORT"),
])  # fmt: skip
def test_a_port_that_is_taken_stops_the_process_and_names_the_variables(service: str, variables: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        host, port = variables.split(", ")
        given = {"ANGARIUM_PROBE_PORT": "0", "ANGARIUM_SEAL_KEYS": generate_seal_key(), host: "127.0.0.1"}
        given[port] = str(taken.getsockname()[1])
        command = [sys.executable, "-m", f"angarium_{service}"]
        done = subprocess.run(command, env=os.environ | given, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == EX_CONFIG
    assert [line for line in done.stderr.splitlines() if not line.startswith("{")] == [
        f"{variables}: can't listen at 127.0.0.1:{given[port]}: Address already in use"
    ]
