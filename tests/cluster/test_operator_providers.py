"""Providers from YAML to the record that deliverers get: their Secret is read, watched, and tried on a real server."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from tests.cluster.conftest import Kubectl
from tests.cluster.operating import PATIENCE, Stage, applied, condition
from tests.cluster.proxy import Proxy
from tests.listening import listening
from tests.mailing import MailServer, mail_server

from angarium.config import ConfigTail
from angarium.records import ProviderRecord
from angarium_operator.service import policy_of

LOOPBACK = "127.0.0.0/8"


@pytest.fixture
async def mail() -> AsyncIterator[MailServer]:
    """A mail server."""
    async with mail_server() as server:
        yield server


def record(stage: Stage, tail: ConfigTail) -> ProviderRecord | None:
    """What deliverers know of the provider."""
    found = tail.records.get(f"provider/{stage.namespace}/mail")
    return found if isinstance(found, ProviderRecord) else None


def password(stage: Stage, tail: ConfigTail) -> str | None:
    """With which deliverers log in."""
    found = record(stage, tail)
    if found is None:
        return None
    opened = orjson.loads(policy_of(stage.settings()).sealer.open(found.sealed_credentials))
    return str(opened["password"])


async def give_secret(stage: Stage, **data: str) -> None:
    """Create the Secret as a person does."""
    await stage.api.create(stage.named("Secret", "mail") | {"stringData": data})


async def metadata_watched(proxy: Proxy) -> None:
    """Once the watch of all Secrets' metadata is open."""
    async with asyncio.timeout(PATIENCE):
        while not any("watch=true" in path and "labelSelector" not in path for path in secrets_asked(proxy)):
            await asyncio.sleep(0.05)


def secrets_asked(proxy: Proxy) -> list[str]:
    """Lists and watches of Secrets."""
    return [path for method, path in proxy.requests if method == "GET" and "/secrets?" in path]


async def test_a_provider_with_its_secret_is_ready_and_authenticated(stage: Stage, mail: MailServer) -> None:
    async with stage.data_plane() as deliverer, stage.operator(egress_allowed_cidrs=LOOPBACK):
        await stage.product()
        await give_secret(stage, **mail.secret())
        await stage.create("Provider", "mail", mail.spec())
        found = await stage.ready("Provider", "mail")
        message = await stage.verdict("Provider", "mail", "Authenticated", "Authenticated")
        published = record(stage, deliverer)
        assert password(stage, deliverer) == mail.account.password
    assert message == "127.0.0.1 took the login"
    assert mail.account.logins == [True]
    assert published is not None
    assert (published.type, published.channels) == ("smtp", ("email",))
    assert published.settings["tls"] == "StartTLS"
    assert published.id == found["status"]["providerID"]
    assert published.id.startswith("prv_")
    assert (found["status"]["type"], found["status"]["channels"]) == ("smtp", ["email"])


async def test_a_wrong_password_is_told_without_it(stage: Stage, mail: MailServer) -> None:
    wrong = "not-the-password"
    async with stage.data_plane(), stage.operator(egress_allowed_cidrs=LOOPBACK):
        await stage.product()
        await give_secret(stage, **mail.secret(password=wrong))
        await stage.create("Provider", "mail", mail.spec())
        message = await stage.verdict("Provider", "mail", "Authenticated", "CredentialsRefused")
        found = await stage.ready("Provider", "mail")  # which it is all the same
        event = await stage.event("CredentialsRefused", "mail")
    assert message.startswith("535 5.7.8")
    assert condition(found, "Authenticated")["status"] == "False"
    assert wrong not in orjson.dumps(found).decode() + orjson.dumps(event).decode()
    assert set(mail.account.logins) == {False}  # one for each mechanism


async def test_a_changed_secret_reaches_deliverers_and_is_tried(stage: Stage, mail: MailServer) -> None:
    async with stage.data_plane() as deliverer, stage.operator(egress_allowed_cidrs=LOOPBACK):
        await stage.product()
        await give_secret(stage, **mail.secret(password="the-old-one"))
        await stage.create("Provider", "mail", mail.spec())
        await stage.verdict("Provider", "mail", "Authenticated", "CredentialsRefused")
        change = {"stringData": {"password": mail.account.password}}
        await stage.api.patch(stage.named("Secret", "mail"), change)
        await applied(deliverer, lambda tail: password(stage, tail) == mail.account.password)
        await stage.verdict("Provider", "mail", "Authenticated", "Authenticated")


async def test_a_secret_that_comes_later_and_goes_again(stage: Stage, mail: MailServer) -> None:
    async with stage.data_plane() as deliverer, stage.operator(egress_allowed_cidrs=LOOPBACK):
        await stage.product()
        await stage.create("Provider", "mail", mail.spec())
        message = await stage.verdict("Provider", "mail", "ResolvedRefs", "SecretNotFound")
        await stage.verdict("Provider", "mail", "Ready", "SecretNotFound")
        await give_secret(stage, **mail.secret())
        await stage.ready("Provider", "mail")
        assert record(stage, deliverer) is not None
        await stage.api.delete(stage.named("Secret", "mail"))
        await stage.verdict("Provider", "mail", "ResolvedRefs", "SecretNotFound")
        await applied(deliverer, lambda tail: record(stage, tail) is None)
    assert message == f'secret "mail" does not exist in namespace "{stage.namespace}"'


async def test_a_missing_key_is_named_and_the_last_good_record_stays(stage: Stage, mail: MailServer) -> None:
    async with stage.data_plane() as deliverer, stage.operator(egress_allowed_cidrs=LOOPBACK):
        await stage.product()
        await give_secret(stage, **mail.secret())
        await stage.create("Provider", "mail", mail.spec())
        await stage.ready("Provider", "mail")
        await stage.api.patch(stage.named("Secret", "mail"), {"data": {"password": None, "ca.crt": None}})
        message = await stage.verdict("Provider", "mail", "ResolvedRefs", "SecretKeyMissing")
        assert password(stage, deliverer) == mail.account.password
    assert message == (
        'secret "mail" lacks the key "password" and the key "ca.crt"; what was published last stays in use'
    )


async def test_a_private_host_is_refused_before_it_is_asked(stage: Stage, mail: MailServer) -> None:
    async with stage.data_plane() as deliverer, stage.operator():
        await stage.product()
        await give_secret(stage, **mail.secret())
        await stage.create("Provider", "mail", mail.spec())
        message = await stage.verdict("Provider", "mail", "Accepted", "AddressRefused")
        named = mail.spec(host="localhost")
        await stage.api.patch(stage.named("Provider", "mail"), {"spec": named})
        found = await stage.verdict("Provider", "mail", "Authenticated", "AddressRefused")  # by its address, after DNS
        await applied(deliverer, lambda tail: record(stage, tail) is not None)
    assert message == "127.0.0.1 is a loopback address; only a range of its own in egress.allowedCIDRs opens it"
    assert "is a loopback address" in found
    assert mail.account.logins == []


async def test_a_provider_waits_for_its_product_and_goes_with_it(stage: Stage, mail: MailServer) -> None:
    async with stage.data_plane() as deliverer, stage.operator(egress_allowed_cidrs=LOOPBACK):
        await give_secret(stage, **mail.secret())
        await stage.create("Provider", "mail", mail.spec())
        message = await stage.verdict("Provider", "mail", "ResolvedRefs", "ProductNotFound")
        await stage.product()
        await stage.ready("Provider", "mail")
        await stage.api.delete(stage.named("Provider", "mail"))
        await applied(deliverer, lambda tail: record(stage, tail) is None)
    assert message == f'product "shop" does not exist in namespace "{stage.namespace}"'


async def test_what_the_status_says_holds_over_a_restart(stage: Stage, mail: MailServer) -> None:
    async with stage.data_plane():
        async with stage.operator(egress_allowed_cidrs=LOOPBACK):
            await stage.product()
            await give_secret(stage, **mail.secret())
            await stage.create("Provider", "mail", mail.spec())
            await stage.verdict("Provider", "mail", "Authenticated", "Authenticated")
            before = await stage.ready("Provider", "mail")
        async with stage.operator(egress_allowed_cidrs=LOOPBACK):
            await stage.measured(lambda: len(mail.account.logins) == 2)
            await stage.product("marker")
            await stage.ready("Product", "marker")
            after = await stage.api.get(stage.named("Provider", "mail"))
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


async def test_of_other_secrets_only_the_metadata_is_watched(stage: Stage, proxy: Proxy, mail: MailServer) -> None:
    async with stage.data_plane() as deliverer, stage.operator(egress_allowed_cidrs=LOOPBACK):
        await stage.product()
        await give_secret(stage, **mail.secret())
        await stage.create("Provider", "mail", mail.spec())
        await stage.ready("Provider", "mail")
        await metadata_watched(proxy)
        for number in range(20):
            await stage.api.create(stage.named("Secret", f"other-{number}") | {"stringData": {"mine": "alone"}})
        change = {"stringData": {"password": "another"}}
        await stage.api.patch(stage.named("Secret", "mail"), change)
        await applied(deliverer, lambda tail: password(stage, tail) == "another")
    read = [path for method, path in proxy.requests if method == "GET" and "/secrets/" in path]
    assert {path.rpartition("/")[2] for path in read} <= {"mail", "shop-angarium"}
    lists = [path for path in secrets_asked(proxy) if "watch" not in path]
    assert all("labelSelector" in path or "limit=1" in path for path in lists)


async def test_without_providers_no_secret_is_watched_but_ours(stage: Stage, proxy: Proxy) -> None:
    async with stage.data_plane(), stage.operator():
        await stage.product()
        await stage.ready("Product", "shop")
    watches = [path for path in secrets_asked(proxy) if "watch=true" in path]
    assert watches
    assert all("labelSelector" in path for path in watches)


@pytest.mark.parametrize("how", ["cut", "silence", "expire"])
async def test_a_secret_that_changes_while_the_watch_is_broken_is_found(
    stage: Stage, proxy: Proxy, mail: MailServer, how: str
) -> None:
    idle = 1 if how == "silence" else 60  # s: only silence is noticed by itself
    async with stage.data_plane() as deliverer, stage.operator(egress_allowed_cidrs=LOOPBACK, watch_idle_seconds=idle):
        await stage.product()
        await give_secret(stage, **mail.secret())
        await stage.create("Provider", "mail", mail.spec())
        await stage.ready("Provider", "mail")
        await metadata_watched(proxy)
        proxy.cut("/secrets$") if how == "cut" else proxy.silence("/secrets$")
        change = {"stringData": {"password": "another"}}
        await stage.api.patch(stage.named("Secret", "mail"), change)
        if how == "expire":
            await proxy.expire("/secrets$")
        await applied(deliverer, lambda tail: password(stage, tail) == "another")


async def test_a_secret_that_may_not_be_read_at_first_is_read_later(
    stage: Stage, proxy: Proxy, mail: MailServer
) -> None:
    fault = proxy.answer("GET", "/secrets/mail$", 403, times=2)
    async with stage.data_plane(), stage.operator(egress_allowed_cidrs=LOOPBACK):
        await stage.product()
        await give_secret(stage, **mail.secret())
        await stage.create("Provider", "mail", mail.spec())
        await stage.ready("Provider", "mail")
    assert fault.met == 2


async def test_who_never_answers_holds_nobody_up(stage: Stage) -> None:
    async def never(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    smtp: dict[str, Any] = {"host": "127.0.0.1", "from": "no-reply@example.com", "tls": "None"}
    async with (
        listening(never) as port,
        stage.data_plane(),
        stage.operator(egress_allowed_cidrs=LOOPBACK, reconcilers=1),
    ):
        smtp["port"] = port
        await stage.product()
        for number in range(5):
            await stage.create("Provider", f"mail-{number}", {"productRef": {"name": "shop"}, "smtp": smtp})
        for number in range(5):
            found = await stage.ready("Provider", f"mail-{number}")
            assert condition(found, "Authenticated")["reason"] == "Pending"
        await stage.callback()
        await stage.ready("Callback", "warehouse")


async def test_what_kubectl_shows_of_providers(stage: Stage, mail: MailServer, kubectl: Kubectl) -> None:
    async with stage.data_plane(), stage.operator(egress_allowed_cidrs=LOOPBACK):
        await stage.product()
        await give_secret(stage, **mail.secret())
        await stage.create("Provider", "mail", mail.spec())
        await stage.ready("Provider", "mail")
        await stage.verdict("Provider", "mail", "Authenticated", "Authenticated")
        kubectl("wait", "--for=condition=Authenticated", "provider/mail", "-n", stage.namespace, "--timeout=20s")
        shown = kubectl("get", "prov", "-n", stage.namespace).splitlines()
    assert shown[0].split() == ["NAME", "READY", "TYPE", "CHANNELS", "PRODUCT", "AUTHENTICATED", "AGE"]
    assert shown[1].split()[:6] == ["mail", "True", "smtp", '["email"]', "shop", "True"]
