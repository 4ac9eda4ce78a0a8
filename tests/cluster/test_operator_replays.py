"""Replays on a real API server: dead letters and what was delivered go out again, each once, whoever is killed."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from prometheus_client import REGISTRY
from tests.cluster.api import Refused
from tests.cluster.conftest import Kubectl
from tests.cluster.operating import Stage, condition
from tests.cluster.replaying import (
    LOOPBACK,
    complete,
    deliverer_on,
    ended,
    next_second,
    onboard,
    operator_process,
    posted,
    received,
    replay,
)
from tests.deliverer.receivers import Receiver

from angarium.config import ConfigTail
from angarium.identifiers import delivery_id
from angarium.queue import Ledger, Queue
from angarium.retries import Move

KILLS = 4


@pytest.fixture
async def tail(stage: Stage) -> AsyncIterator[ConfigTail]:
    """A gateway's view of the config."""
    async with stage.pod("gateway") as tail:
        yield tail


def ids(posted: list[str]) -> list[str]:
    """Of their first deliveries."""
    return sorted(delivery_id(each, 0) for each in posted)


async def test_dead_letters_go_out_again(stage: Stage, tail: ConfigTail, kubectl: Kubectl) -> None:
    async with Receiver() as receiver, stage.operator(egress_allowed_cidrs=LOOPBACK):
        warehouse = await onboard(stage, tail, receiver.url)
        dead = [each.id for each in await ended(stage, warehouse, 30)]
        await ended(stage, warehouse, 5, Move.DELIVERED)
        await replay(stage, "count", dryRun=True)
        counted = await complete(stage, "count")
        assert counted["status"]["matched"] == 30
        assert condition(counted, "Complete")["reason"] == "DryRun"
        async with deliverer_on(stage):
            await replay(stage, select={"events": ["order.*"], "reasons": ["http_503"], "since": "1h"})
            wait = ("wait", "--for=condition=Complete", "replay/outage", "-n", stage.namespace, "--timeout=30s")
            await asyncio.to_thread(kubectl, *wait)
            assert sorted(await received(receiver, 30)) == ids(dead)
        done = await complete(stage)
        assert (done["status"]["matched"], done["status"]["redriven"], done["status"]["leftOut"]) == (30, 30, 0)
        columns = kubectl("get", "replays", "-n", stage.namespace).splitlines()
        assert columns[0].split() == ["NAME", "COMPLETE", "REASON", "MATCHED", "REDRIVEN", "AGE"]
        assert columns[2].split()[:5] == ["outage", "True", "Completed", "30", "30"]
        async with Queue(stage.redis) as queue:
            entries = await Ledger(queue).timeline(dead[0])
        assert [entry.get("by") for entry in entries if entry["type"] == "redrive"] == ["replay/outage"]


async def test_what_was_delivered_goes_out_again_and_under_another_id(stage: Stage, tail: ConfigTail) -> None:
    async with Receiver() as receiver, stage.operator(egress_allowed_cidrs=LOOPBACK), deliverer_on(stage):
        warehouse = await onboard(stage, tail, receiver.url)
        async with Queue(stage.redis) as queue:
            delivered = [each.id for each in await posted(queue, warehouse, 3)]
        await received(receiver, 3)
        await next_second()
        await replay(stage, "same", select={"deliveries": "Delivered"})
        again = (await received(receiver, 6))[3:]
        await complete(stage, "same")
        await replay(stage, "new", select={"deliveries": "Delivered"}, webhookID="New")
        other = (await received(receiver, 9))[6:]
        assert sorted(again) == ids(delivered)
        assert sorted(each.rpartition("_")[0] for each in other) == ids(delivered)
        assert len({each.rpartition("_")[2] for each in other}) == 1


async def test_it_stops_while_it_is_suspended_and_can_not_change(stage: Stage, tail: ConfigTail) -> None:
    async with stage.operator(egress_allowed_cidrs=LOOPBACK):
        warehouse = await onboard(stage, tail, "http://127.0.0.1:9/hooks")
        await ended(stage, warehouse, 20)
        made = await replay(stage, suspend=True, deliveriesPerSecond=5)
        suspended = await stage.until(made, lambda seen: condition(seen, "Complete").get("reason") == "Suspended")
        assert "startTime" not in suspended["status"]
        for change in ({"select": {"deliveries": "All"}}, {"dryRun": True}, {"productRef": {"name": "other"}}):
            with pytest.raises(Refused) as caught:
                await stage.api.patch(made, {"spec": change})
            assert "can't change, as some of it may be done; create a new replay" in caught.value.message
        await stage.api.patch(made, {"spec": {"suspend": False}})
        await stage.until(made, lambda seen: 0 < seen["status"].get("redriven", 0) < 20)
        await stage.api.patch(made, {"spec": {"deliveriesPerSecond": 1000}})
        assert (await complete(stage))["status"]["redriven"] == 20


async def test_it_begins_once_its_product_is_there_and_goes_when_its_time_is_over(stage: Stage) -> None:
    async with stage.data_plane(), stage.operator():
        made = await replay(stage, ttlSecondsAfterFinished=1)
        await stage.verdict("Replay", "outage", "ResolvedRefs", "ProductNotFound")
        await stage.product()
        await complete(stage)
        await stage.gone(made)


@pytest.mark.timeout(300)  # five operators are started
async def test_a_killed_operator_sends_nothing_twice(stage: Stage, tail: ConfigTail) -> None:
    """Killed again and again wherever it is, restarted each time; all dead letters arrive, each once."""
    async with Receiver() as receiver:
        async with operator_process(stage):
            warehouse = await onboard(stage, tail, receiver.url)
        dead = [each.id for each in await ended(stage, warehouse, 300)]
        async with deliverer_on(stage):
            made = await replay(stage, deliveriesPerSecond=100)
            for kill in range(1, KILLS + 1):
                async with operator_process(stage) as operator:
                    await received(receiver, 40 * kill + kill, patience=100)  # an operator has to start first
                    operator.kill()
                    await operator.wait()
            async with operator_process(stage), asyncio.timeout(120):
                while condition(finished := await stage.api.get(made), "Complete").get("status") != "True":
                    await asyncio.sleep(0.1)
            got = await received(receiver, 300)
        assert Counter(got) == dict.fromkeys(ids(dead), 1)
        assert (finished["status"]["matched"], finished["status"]["redriven"]) == (300, 300)


async def test_the_backlog_of_a_tenant_is_never_filled(stage: Stage, tail: ConfigTail) -> None:
    """Half of it stays free for what is posted."""
    async with stage.operator(egress_allowed_cidrs=LOOPBACK):
        warehouse = await onboard(stage, tail, "http://127.0.0.1:9/hooks")
        await stage.api.patch(stage.named("Product", "shop"), {"spec": {"quotas": {"backlog": 20}}})
        await ended(stage, warehouse, 30)
        made = await replay(stage, deliveriesPerSecond=10_000, select={"callbackRefs": [{"name": "warehouse"}]})
        full = await stage.until(made, lambda seen: condition(seen, "Complete").get("reason") == "BacklogFull")
        assert "quotas.backlog" in condition(full, "Complete")["message"]
        assert 10 <= full["status"]["redriven"] <= 30
        assert (REGISTRY.get_sample_value("angarium_operator_replayed_deliveries_total") or 0) >= 10
