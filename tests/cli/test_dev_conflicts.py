"""What is in the way of a start is said in a line that names what to do."""

import socket
from pathlib import Path

from tests.cli.dev_process import Angarium, Receiver, angarium, callback, product


async def refusal(folder: Path, *arguments: str) -> tuple[int, str]:
    """Exit code and message of a command that can't start."""
    async with angarium(folder, *arguments) as command:
        code = await command.ended()
        text = "\n".join(command.printed)
        assert "Traceback" not in text
        return code, text


async def test_a_port_that_is_taken_is_named_with_the_option(folder: Path) -> None:
    (folder / "yaml/shop.yaml").write_text(product())
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        code, text = await refusal(folder, "dev", "yaml", "--port", str(port))
    assert code == 4
    assert f"127.0.0.1:{port}" in text
    assert "choose another port with --port" in text


async def test_one_process_for_one_state(folder: Path, port: int, receiver: Receiver) -> None:
    (folder / "yaml/shop.yaml").write_text(product() + callback("warehouse", receiver.url))
    async with angarium(folder, "dev", "yaml", "--port", str(port)) as dev:
        await dev.ready()
        code, text = await refusal(folder, "dev", "yaml")
        assert code == 4
        assert f"in use by another angarium dev (process {dev.process.pid})" in text
        assert await _still_serves(dev)


async def _still_serves(dev: Angarium) -> bool:
    async with angarium(dev.folder, "me") as me:
        return await me.ended() == 0


async def test_another_folder_does_not_take_over_the_state(folder: Path, port: int) -> None:
    (folder / "yaml/shop.yaml").write_text(product())
    (folder / "others").mkdir()
    async with angarium(folder, "dev", "yaml", "--port", str(port)) as dev:
        await dev.ready()
        dev.process.terminate()
        await dev.ended()
    code, text = await refusal(folder, "dev", "others", "--port", str(port))
    assert code == 2
    assert ".angarium keeps the state of yaml, not of others" in text


async def test_a_redis_that_is_away(folder: Path, port: int) -> None:
    code, text = await refusal(folder, "dev", "yaml", "--port", str(port), "--redis", "redis://127.0.0.1:1/0")
    assert code == 3
    assert "the Redis of --redis can't be used" in text


async def test_a_redis_url_that_is_none(folder: Path, port: int) -> None:
    code, text = await refusal(folder, "dev", "yaml", "--port", str(port), "--redis", "http://secret@host")
    assert code == 2
    assert "--redis must be a redis://, rediss:// or unix:// URL" in text
    assert "secret" not in text


async def test_a_folder_that_is_not_there(folder: Path) -> None:
    code, text = await refusal(folder, "dev", "nowhere")
    assert code == 2
    assert "nowhere" in text
