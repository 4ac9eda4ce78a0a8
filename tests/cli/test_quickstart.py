"""`angarium quickstart --once`: 0 when the delivery was verified, not 0 when it was not."""

import re
import shutil
from pathlib import Path

import pytest
from tests.cli.dev_process import angarium
from tests.ports import free_port

EXAMPLES = Path(__file__).parents[2] / "examples/quickstart"


@pytest.fixture(autouse=True)
def examples(folder: Path) -> None:
    """The real files, but for the receiver's port."""
    copy = folder / "examples/quickstart"
    shutil.copytree(EXAMPLES, copy)
    file = copy / "callback.yaml"
    file.write_text(file.read_text().replace("port: 8481", f"port: {free_port()}"))


async def test_once_tells_the_timeline_and_ends_well(folder: Path, port: int) -> None:
    async with angarium(folder, "quickstart", "--once", "--port", str(port)) as quickstart:
        assert await quickstart.ended() == 0
    told = "\n".join(quickstart.printed)
    for pattern in (
        r"product/shop +Ready +key  \.angarium/secrets/shop-angarium/api-key",
        r"callback/warehouse +Ready +order\.\*  → http://127\.0\.0\.1:\d+/hooks",
        r"not_\w+ order\.paid → warehouse",
        r"\+0\.000 s  accepted",
        r"attempt 1   503 Service Unavailable, \d+ ms   retry in 1\.\d s",
        r"attempt 2   200 OK, \d+ ms   the receiver verified the signature",
        r"s  delivered",
    ):
        found = re.search(pattern, told)
        assert found, f"{pattern} is not in\n{told}"
        told = told[found.end() :]


async def test_once_fails_when_the_receiver_rejects_the_signature(folder: Path, port: int) -> None:
    wrong = folder / "wrong-key"
    wrong.write_text("whsec_" + "A" * 43 + "=")
    arguments = ("--once", "--port", str(port), "--receiver-key", str(wrong))
    async with angarium(folder, "quickstart", *arguments) as quickstart:
        assert await quickstart.ended() == 1
    assert any("the receiver rejected the signature" in line for line in quickstart.printed)
    assert quickstart.printed[-1] == "angarium: the delivery was not verified"


async def test_it_stays_up_and_tells_what_others_send(folder: Path, port: int) -> None:
    async with angarium(folder, "quickstart", "--port", str(port)) as quickstart:
        line = await quickstart.says("s  delivered")
        async with angarium(folder, "send", "order.paid", '{"order": 2}') as send:
            assert await send.ended() == 0
        await quickstart.says("shop/warehouse  attempt 1  delivered", line)
        quickstart.process.terminate()
        assert await quickstart.ended() == 0
