"""What a process is given and gives back."""

import resource
import subprocess
import sys

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
