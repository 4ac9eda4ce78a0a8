"""Keys for tokens on a real API server: the Secret signs, the record checks, and `angarium token create` finds it."""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

import jwt
from tests.cluster.operating import Stage, applied, plain

from angarium.config import ConfigTail
from angarium.records import ProductRecord
from angarium.tokens import AUDIENCE, read_public


def public_keys(tail: ConfigTail, namespace: str, name: str = "shop") -> dict[str, str]:
    """By key id, as gateways know them."""
    record = tail.records.get(f"product/{namespace}/{name}")
    return {key.id: key.public_key for key in record.keys} if isinstance(record, ProductRecord) else {}


def subject(text: str, known: dict[str, str]) -> str:
    """Checked as a gateway checks."""
    key = read_public(known[jwt.get_unverified_header(text)["kid"]])
    return str(jwt.decode(text, key, algorithms=["EdDSA"], audience=AUDIENCE)["sub"])


async def created(kubeconfig: Path, *arguments: str, stdin: str = "") -> tuple[int, str, str]:
    """`angarium token create`."""
    command = [sys.executable, "-m", "angarium_cli", "token", "create", *arguments]
    environment = os.environ | {"KUBECONFIG": str(kubeconfig)}
    process = await asyncio.create_subprocess_exec(
        *command,
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate(stdin.encode())
    return process.returncode or 0, out.decode().strip(), err.decode().strip()


async def test_what_is_minted_from_the_cluster_is_checked_by_what_is_published(stage: Stage, kubeconfig: Path) -> None:
    async with stage.data_plane() as gateway, stage.operator():
        await stage.product(credentials={"rotation": {"overlap": "1h"}})
        await stage.ready("Product", "shop")
        asked = ("--product", "shop", "-n", stage.namespace, "--subject", "ci")
        code, first, said = await created(kubeconfig, *asked)
        assert code == 0, said
        assert subject(first, public_keys(gateway, stage.namespace)) == "ci"

        held = (await stage.secret("shop-angarium"))["jwt-key-id"]
        await stage.annotate("Product", "shop", rotate_requested_at="now")
        await stage.secret("shop-angarium", lambda seen: plain(seen)["jwt-key-id"] != held)
        await applied(gateway, lambda tail: len(public_keys(tail, stage.namespace)) == 2)
        code, second, said = await created(kubeconfig, *asked)
        assert code == 0, said
        known = public_keys(gateway, stage.namespace)
        assert subject(first, known) == subject(second, known) == "ci"
        assert jwt.get_unverified_header(first)["kid"] != jwt.get_unverified_header(second)["kid"]
        product = await stage.ready("Product", "shop")
    assert [c["publicKey"] for c in product["status"]["credentials"]] == [
        known[jwt.get_unverified_header(text)["kid"]] for text in (second, first)
    ]


async def test_what_kubectl_prints_is_enough(stage: Stage, kubectl: Callable[..., str], kubeconfig: Path) -> None:
    async with stage.data_plane() as gateway, stage.operator():
        await stage.product()
        await stage.ready("Product", "shop")
        for form in ("json", "yaml"):
            secret = await asyncio.to_thread(
                kubectl, "get", "secret", "shop-angarium", "-n", stage.namespace, "-o", form
            )
            code, text, said = await created(kubeconfig, "--secret", "-", "--subject", "ci", stdin=secret)
            assert code == 0, said
            assert subject(text, public_keys(gateway, stage.namespace)) == "ci"


async def test_what_is_not_there_is_said_in_a_line(stage: Stage, kubeconfig: Path) -> None:
    code, _, said = await created(kubeconfig, "--product", "nobody", "-n", stage.namespace)
    assert code == 1
    assert said == f"angarium: the cluster says 404 Not Found for the product {stage.namespace}/nobody"
    await stage.product()  # and no operator
    code, _, said = await created(kubeconfig, "--product", "shop", "-n", stage.namespace)
    assert code == 1
    assert "has no Secret yet" in said


async def test_an_issuer_reaches_the_gateways_and_its_audience_one_product(stage: Stage) -> None:
    trust = {"issuer": "https://id.example.com", "audience": stage.namespace}
    async with stage.data_plane() as gateway, stage.operator():
        await stage.product(jwt=trust)
        await stage.ready("Product", "shop")
        await asyncio.sleep(1.1)  # creationTimestamp has whole seconds
        await stage.product("late", jwt=trust)
        message = await stage.verdict("Product", "late", "Accepted", "AudienceTaken")
        assert stage.namespace in message
        record = gateway.records[f"product/{stage.namespace}/shop"]
        assert isinstance(record, ProductRecord)
        assert record.jwt is not None
        assert record.jwt.audience == stage.namespace
        await stage.api.patch(stage.named("Product", "shop"), {"spec": {"jwt": None}})
        await stage.ready("Product", "late")
