"""`angarium token` against `angarium dev`: minted from its Secret, taken by its gateway, refused in words."""

import asyncio
import json
from pathlib import Path

import jwt
import pytest
from tests.cli.dev_process import Receiver, angarium, callback, product
from tests.gateway.issuing import EC, claims, issuing

from angarium.tokens import token_key

SECRET = ".angarium/secrets/shop-angarium"


async def run(folder: Path, *arguments: str) -> tuple[int, str]:
    async with angarium(folder, *arguments) as command:
        return await command.ended(), "\n".join(command.printed)


async def made(folder: Path, *arguments: str) -> str:
    """A token; nothing else is printed."""
    code, text = await run(folder, "token", "create", *arguments)
    assert code == 0, text
    assert len(text.split(".")) == 3
    assert "\n" not in text
    return text


async def test_a_token_sends_reads_and_may_not_redrive(folder: Path, port: int, receiver: Receiver) -> None:
    once = callback("warehouse", receiver.url, delivery="{retry: {schedule: []}}")
    (folder / "yaml/shop.yaml").write_text(product() + once)
    receiver.failures_left = 1
    async with angarium(folder, "dev", "yaml", "--port", str(port)) as dev:
        await dev.ready()
        url = ("--url", f"http://127.0.0.1:{port}", "-o", "json")
        token = await made(folder, "--subject", "ci", "--ttl", "5m")
        _, said = await run(folder, "me", "--key", token, *url)
        assert json.loads(said)["scopes"] == ["send", "read"]
        code, said = await run(folder, "send", "order.paid", "1", "--key", token, "--follow", *url)
        assert code == 1, said
        name = json.loads(said)["id"]
        code, said = await run(folder, "retry", name, "--key", token, *url)
        assert code == 1
        assert "403" in said
        assert "it lacks the scope admin" in said
        admin = await made(folder, "--secret", f"{SECRET}/jwt-private-key", "--scope", "admin,read", "--subject", "eva")
        code, said = await run(folder, "retry", name, "--key", admin, *url)
        assert code == 0, said
        _, said = await run(folder, "timeline", name, "--key", token, *url)
        assert [each["by"].split()[1] for each in json.loads(said)["entries"] if "by" in each] == ["ci", "eva"]
        await receiver.has(1)


async def test_a_token_of_a_trusted_issuer_on_this_machine(folder: Path, port: int) -> None:
    """`angarium dev` may dial loopback; see tests/gateway for all that an issuer can do wrong."""
    async with issuing() as issuer:
        trust = f"{{issuer: '{issuer.url}', audience: shop-api}}"
        (folder / "yaml/shop.yaml").write_text(product(jwt=trust))
        async with angarium(folder, "dev", "yaml", "--port", str(port)) as dev:
            await dev.ready()
            said = claims(issuer.url, aud="shop-api", sub="robot", scope=None, scp=["angarium:read"])
            token = jwt.encode(said, EC, algorithm="ES256", headers={"kid": "ec-1"})
            async with asyncio.timeout(10):
                while True:
                    url = ("--url", f"http://127.0.0.1:{port}", "-o", "json")
                    code, text = await run(folder, "me", "--key", token, *url)
                    if code == 0:
                        break
                    assert "503" in text
            assert json.loads(text)["subject"] == "robot"
            assert json.loads(text)["scopes"] == ["read"]


@pytest.fixture
def secret(folder: Path) -> Path:
    """A manifest as kubectl writes it."""
    text = {"jwt-private-key": token_key("any text").private, "jwt-key-id": "abcd2345", "jwt-issuer": "prd_1"}
    path = folder / "secret.json"
    path.write_text(json.dumps({"kind": "Secret", "stringData": text}))
    return path


async def test_show_tells_what_a_token_says(folder: Path, secret: Path) -> None:
    token = await made(folder, "--secret", str(secret), "--ttl", "24h", "--scope", "read", "--subject", "ci")
    code, text = await run(folder, "token", "show", token)
    assert code == 0
    shown = json.loads(text)
    assert shown["header"] == {"alg": "EdDSA", "kid": "abcd2345", "typ": "JWT"}
    assert (shown["claims"]["iss"], shown["claims"]["sub"], shown["claims"]["scope"]) == ("prd_1", "ci", "read")
    said = jwt.decode(token, options={"verify_signature": False})
    assert said["exp"] - said["iat"] == 86400


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--ttl", "30s"], "--ttl is from 1m to 24h"),
        (["--ttl", "25h"], "--ttl is from 1m to 24h"),
        (["--ttl", "soon"], "no duration"),
        (["--scope", "everything"], "--scope takes send, read, admin"),
        (["--subject", ""], "--subject is 1 to 128"),
        (["--product", "shop"], "give one of"),
    ],
)
async def test_mistakes_are_told(folder: Path, secret: Path, arguments: list[str], said: str) -> None:
    code, text = await run(folder, "token", "create", "--secret", str(secret), *arguments)
    assert code == 2
    assert said in text


NO_KEY = '{"kind": "Secret", "stringData": {"jwt-private-key": "x", "jwt-key-id": "k", "jwt-issuer": "i"}}'


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"kind": "Secret", "data": {"a": "Yg=="}}', "holds no jwt-private-key"),
        ('{"kind": "Secret", "data": {"a": "?"}}', "is not base64"),
        ('{"kind": "Pod"}', "is no Secret"),
        (NO_KEY, "no Ed25519 key"),
    ],
)
async def test_secrets_that_hold_no_key_are_told(folder: Path, content: str, said: str) -> None:
    (folder / "secret.json").write_text(content)
    code, text = await run(folder, "token", "create", "--secret", "secret.json")
    assert code == 2
    assert said in text


async def test_without_a_secret_it_says_where_to_get_one(folder: Path) -> None:
    code, text = await run(folder, "token", "create")
    assert code == 2
    assert "no Secret: give --secret or --product" in text
    code, text = await run(folder, "token", "show", "abc")
    assert code == 2
    assert "this is no token" in text
