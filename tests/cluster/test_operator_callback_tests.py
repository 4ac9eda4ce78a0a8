"""CallbackTests on a real API server: a real deliverer tries the way, and its steps are conditions."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import trustme
from prometheus_client import REGISTRY
from standardwebhooks import Webhook
from tests.cluster.api import Object, Refused
from tests.cluster.conftest import Kubectl
from tests.cluster.operating import Stage, condition
from tests.cluster.replaying import LOOPBACK, deliverer_on, onboard
from tests.deliverer.conftest import server_tls
from tests.deliverer.receivers import Receiver, reply

from angarium.config import ConfigTail
from angarium.queue import Census, Queue

STEPS = ("Resolved", "Connected", "Secured", "Signed", "Answered")


@pytest.fixture
async def tail(stage: Stage) -> AsyncIterator[ConfigTail]:
    """A gateway's view of the config."""
    async with stage.pod("gateway") as tail:
        yield tail


async def tried(stage: Stage, name: str = "try", **spec: Any) -> Object:
    """A test of the callback, once its outcome is known."""
    made = await stage.create("CallbackTest", name, {"callbackRef": {"name": "warehouse"}} | spec)
    return await stage.until(made, lambda seen: "completionTime" in seen.get("status", {}))


def steps(found: Object) -> dict[str, str]:
    """Status and reason of each."""
    return {name: f"{condition(found, name)['status']} {condition(found, name)['reason']}" for name in STEPS}


def settled() -> float:
    """What the objectives are measured by."""
    return sum(
        sample.value
        for family in REGISTRY.collect()
        if family.name in ("angarium_deliveries_settled", "angarium_delivery_latency_seconds")
        for sample in family.samples
        if sample.name.endswith(("_total", "_count"))
    )


async def test_a_good_receiver(stage: Stage, tail: ConfigTail, kubectl: Kubectl, tmp_path: Path) -> None:
    authority, ca_file = trustme.CA(), tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    before = settled()
    async with (
        Receiver(reply(200, b"thanks"), tls=server_tls(authority, "localhost")) as receiver,
        stage.operator(egress_allowed_cidrs=LOOPBACK),
        deliverer_on(stage, ca_bundle=str(ca_file)),
    ):
        warehouse = await onboard(stage, tail, receiver.url.replace("127.0.0.1", "localhost"))
        await stage.create("CallbackTest", "try", {"callbackRef": {"name": "warehouse"}})
        wait = ("wait", "--for=condition=Succeeded", "callbacktest/try", "-n", stage.namespace, "--timeout=30s")
        await asyncio.to_thread(kubectl, *wait)
        found = await stage.until(stage.named("CallbackTest", "try"), lambda seen: "completionTime" in seen["status"])
        secret = await stage.secret("warehouse-signing")
        columns = kubectl("get", "callbacktests", "-n", stage.namespace).splitlines()
        async with Queue(stage.redis) as queue:
            health = (await Census(queue).callbacks_of([warehouse.id]))[warehouse.id]
    assert steps(found) == {name: f"True {name}" for name in STEPS}
    status = found["status"]
    assert (status["httpStatus"], status["body"], status["deliverer"]) == (200, "thanks", "deliverer-0")
    assert status["address"] == f"127.0.0.1:{receiver.port}"
    assert status["phases"].keys() == {"lookupMs", "connectMs", "tlsMs", "answerMs", "totalMs"}
    assert "certificateExpiresAt" in status
    assert columns[0].split()[:5] == ["NAME", "SUCCEEDED", "REASON", "CALLBACK", "HTTP"]
    assert columns[1].split()[:5] == ["try", "True", "Delivered", "warehouse", "200"]
    [request] = receiver.requests
    key = next(value for name, value in secret.items() if value.startswith("whsec_"))
    Webhook(key).verify(request.body, request.headers)
    assert orjson.loads(request.body)["type"] == "angarium.test"
    assert (health.recent, health.failures, health.delivered_ms) == (0, 0, 0)
    assert settled() == before


async def test_a_receiver_that_answers_503(stage: Stage, tail: ConfigTail) -> None:
    async with (
        Receiver(reply(503, b"x" * 5000)) as receiver,
        stage.operator(egress_allowed_cidrs=LOOPBACK),
        deliverer_on(stage),
    ):
        await onboard(stage, tail, receiver.url)
        found, *_ = [await tried(stage, f"try-{number}") for number in range(12)]  # more than would open a circuit
        async with Queue(stage.redis) as queue:
            standing = await Census(queue).callbacks()
    succeeded = condition(found, "Succeeded")
    assert (succeeded["status"], succeeded["reason"]) == ("False", "Http503")
    assert steps(found)["Answered"] == "True Answered"
    assert steps(found)["Secured"] == "False PlainHTTP"
    assert (found["status"]["httpStatus"], len(found["status"]["body"])) == (503, 1024)
    assert len(receiver.requests) == 12
    assert all(each.open_until_ms == 0 and each.failures == 0 for each in standing.values())


@pytest.mark.parametrize(
    ("url", "reason", "step"),
    [
        ("http://127.0.0.1:9/hooks", "ConnectRefused", "Connected"),
        ("http://nowhere.invalid/hooks", "DnsError", "Resolved"),
        ("https://localhost:{port}/hooks", "TlsError", "Secured"),
    ],
)
async def test_a_step_that_fails(stage: Stage, tail: ConfigTail, url: str, reason: str, step: str) -> None:
    async with (
        Receiver(tls=server_tls(trustme.CA(), "localhost")) as receiver,
        stage.operator(egress_allowed_cidrs=LOOPBACK),
        deliverer_on(stage),
    ):
        await onboard(stage, tail, url.format(port=receiver.port))
        found = await tried(stage)
    assert condition(found, "Succeeded")["reason"] == reason
    reached = STEPS.index(step)
    assert steps(found)[step] == f"False {reason}"
    assert all(steps(found)[each].startswith("True") for each in STEPS[:reached])
    assert all(steps(found)[each] == "Unknown NotReached" for each in STEPS[reached + 1 :])
    assert condition(found, "Succeeded")["message"]


async def test_it_waits_for_a_deliverer_until_its_deadline(stage: Stage, tail: ConfigTail) -> None:
    async with Receiver() as receiver, stage.operator(egress_allowed_cidrs=LOOPBACK):
        await onboard(stage, tail, receiver.url)
        late = await tried(stage, "late", deadline="5s")
        assert condition(late, "Succeeded")["reason"] == "DeadlineExceeded"
        assert "no deliverer is alive" in condition(late, "Succeeded")["message"]
        made = await stage.create("CallbackTest", "try", {"callbackRef": {"name": "warehouse"}})
        await stage.until(made, lambda seen: condition(seen, "Succeeded").get("reason") == "NoDeliverer")
        async with deliverer_on(stage):
            found = await stage.until(made, lambda seen: "completionTime" in seen["status"])
            assert condition(found, "Succeeded")["status"] == "True"
            await asyncio.sleep(0.5)
        assert len(receiver.requests) == 1  # what had expired was not sent


async def test_it_waits_for_its_callback_and_goes_when_its_time_is_over(stage: Stage, tail: ConfigTail) -> None:
    async with Receiver() as receiver, stage.operator(egress_allowed_cidrs=LOOPBACK), deliverer_on(stage):
        spec = {"callbackRef": {"name": "warehouse"}, "ttlSecondsAfterFinished": 1}
        made = await stage.create("CallbackTest", "try", spec)
        await stage.verdict("CallbackTest", "try", "ResolvedRefs", "CallbackNotFound")
        with pytest.raises(Refused) as caught:
            await stage.api.patch(made, {"spec": {"callbackRef": {"name": "billing"}}})
        assert "can't change; create a new test" in caught.value.message
        await onboard(stage, tail, receiver.url, suspend=True)
        await stage.until(made, lambda seen: condition(seen, "Succeeded").get("reason") == "CallbackSuspended")
        await stage.api.patch(stage.named("Callback", "warehouse"), {"spec": {"suspend": False}})
        await stage.gone(made)
    assert len(receiver.requests) == 1


async def test_a_restarted_operator_sends_no_second_one(stage: Stage, tail: ConfigTail) -> None:
    async with Receiver() as receiver:
        async with stage.operator(egress_allowed_cidrs=LOOPBACK):
            await onboard(stage, tail, receiver.url)
            made = await stage.create("CallbackTest", "try", {"callbackRef": {"name": "warehouse"}})
            await stage.until(made, lambda seen: condition(seen, "Succeeded").get("reason") == "NoDeliverer")
        async with deliverer_on(stage):
            async with asyncio.timeout(20):
                await receiver.came.wait()
            async with stage.operator(egress_allowed_cidrs=LOOPBACK):
                found = await stage.until(made, lambda seen: "completionTime" in seen["status"])
    assert condition(found, "Succeeded")["status"] == "True"
    assert len(receiver.requests) == 1
