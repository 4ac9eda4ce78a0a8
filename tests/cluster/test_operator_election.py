"""Candidates before a real API server: who gets the Lease, who keeps it, and who may write."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from tests.cluster.accounts import grant_within, wait_until_granted
from tests.cluster.api import Object, Refused
from tests.cluster.conftest import ActAs
from tests.cluster.operating import PATIENCE, Stage, applied, publications
from tests.cluster.pair import LEASE, LEASE_RULES, holder, lease
from tests.cluster.proxy import Proxy

from angarium.telemetry.metrics import LEADER
from angarium_operator.api import Api, NotLeading
from angarium_operator.candidate import campaign
from angarium_operator.kinds import CALLBACK
from angarium_operator.mandate import Mandate

PAST, FUTURE = "1999-01-01T00:00:00.000000Z", "2999-01-01T00:00:00.000000Z"


@pytest.fixture(autouse=True)
async def may_lead(stage: Stage) -> None:
    """The stage's operator may have the Lease."""
    account: Object = {"metadata": {"name": "operator", "namespace": stage.namespace}}
    for manifest in grant_within(account, LEASE_RULES):
        await stage.api.apply(manifest)
    await wait_until_granted(stage.api, account, LEASE_RULES)


def elected(stage: Stage) -> dict[str, object]:
    """Settings of an operator that stands for election and is quick about it."""
    return {
        "operator_lease": LEASE,
        "operator_lease_namespace": stage.namespace,
        "operator_lease_seconds": 3,
        "operator_lease_deadline": 1.5,
        "operator_lease_retry": 0.3,
    }


@contextlib.asynccontextmanager
async def candidate(stage: Stage, pod: str = "operator-0", **changes: object) -> AsyncIterator[Mandate]:
    """Its mandate, whenever it has one."""
    mandate, warm = Mandate(), asyncio.Event()
    warm.set()
    async with campaign(stage.settings(**elected(stage) | {"pod": pod} | changes), mandate, warm):
        yield mandate


async def wins(mandate: Mandate) -> None:
    """Once it has the mandate."""
    async with asyncio.timeout(PATIENCE):
        await mandate.begun.wait()
    assert mandate.rest() > 0


async def held_by_another(stage: Stage, renewed: str, seconds: int = 3) -> Object:
    """A Lease of somebody whose clock says so."""
    spec = {"holderIdentity": "other_1", "leaseDurationSeconds": seconds, "renewTime": renewed, "acquireTime": renewed}
    return await stage.api.create(lease(stage) | {"spec": spec})


async def test_the_first_makes_the_lease_and_gives_it_up(stage: Stage) -> None:
    async with candidate(stage) as mandate:
        await wins(mandate)
        assert holder(await stage.api.get(lease(stage))) == "operator-0"
    assert mandate.rest() == 0
    assert holder(await stage.api.get(lease(stage))) == ""


async def test_of_two_one_has_the_mandate(stage: Stage) -> None:
    async with candidate(stage, "a") as first, candidate(stage, "b") as second:
        begun = [asyncio.create_task(each.begun.wait()) for each in (first, second)]
        async with asyncio.timeout(PATIENCE):
            await asyncio.wait(begun, return_when=asyncio.FIRST_COMPLETED)
        leader, other = (first, second) if first.begun.is_set() else (second, first)
        leader.close()  # as one that ends does
        assert other.rest() == 0
        await wins(other)
        assert leader.rest() == 0
        for each in begun:
            each.cancel()


@pytest.mark.parametrize("renewed", [PAST, FUTURE])
async def test_a_silent_holder_is_succeeded_whatever_its_clock_said(stage: Stage, renewed: str) -> None:
    await held_by_another(stage, renewed)
    async with candidate(stage) as mandate:
        await wins(mandate)
    assert (await stage.api.get(lease(stage)))["spec"]["leaseTransitions"] == 1


async def test_a_holder_that_renews_stays_though_its_clock_is_years_slow(stage: Stage) -> None:
    await held_by_another(stage, PAST)
    async with candidate(stage) as mandate:
        for second in range(12):
            await stage.api.patch(lease(stage), {"spec": {"renewTime": f"1999-01-01T00:00:{second:02}.000000Z"}})
            await asyncio.sleep(0.5)
            assert mandate.rest() == 0
        await wins(mandate)


async def test_a_leader_keeps_a_lease_that_somebody_deletes_or_labels(stage: Stage) -> None:
    async with candidate(stage) as mandate:
        await wins(mandate)
        ended = asyncio.create_task(mandate.over())
        await stage.api.patch(lease(stage), {"metadata": {"labels": {"team": "platform"}}})
        await stage.until(lease(stage), _labelled_and_renewed)
        await stage.api.delete(lease(stage))
        await stage.until(lease(stage), lambda found: holder(found) == "operator-0")
        assert not ended.done()
        ended.cancel()


def _labelled_and_renewed(found: Object) -> bool:
    fields = [each for each in found["metadata"]["managedFields"] if "f:spec" in each["fieldsV1"]]
    return any(each["manager"] == "angarium-operator" for each in fields)


async def test_a_leader_whose_lease_is_taken_by_hand_stops_at_once(stage: Stage) -> None:
    async with candidate(stage) as mandate:
        await wins(mandate)
        await stage.api.patch(lease(stage), {"spec": {"holderIdentity": "other_1"}})
        async with asyncio.timeout(PATIENCE):
            await mandate.over()
        assert mandate.rest() == 0


async def test_who_has_no_right_to_leases_says_so(stage: Stage, act_as: ActAs) -> None:
    kubeconfig = await act_as("outsider")
    mandate, warm = Mandate(), asyncio.Event()
    warm.set()
    settings = stage.settings(**elected(stage) | {"kubeconfig": str(kubeconfig)})
    async with campaign(settings, mandate, warm) as unready, asyncio.timeout(PATIENCE):
        while not (said := unready()):
            await asyncio.sleep(0.05)
    assert "cannot get resource" in said
    assert "leases" in said


async def test_who_is_not_warm_leaves_the_lease_to_others(stage: Stage) -> None:
    mandate, warm = Mandate(), asyncio.Event()
    async with campaign(stage.settings(**elected(stage)), mandate, warm), candidate(stage, "b") as other:
        await wins(other)
        assert mandate.rest() == 0


async def test_a_leader_without_the_api_for_longer_than_the_lease_stands_by_and_comes_back(
    stage: Stage, proxy: Proxy
) -> None:
    leads = LEADER._value.get
    async with stage.data_plane() as gateway, stage.operator(**elected(stage)):
        await stage.measured(lambda: leads() == 1)
        await stage.product()
        await stage.ready("Product", "shop")
        before = await publications(stage)
        away = [proxy.answer(method, ".", 503, times=1_000_000) for method in ("GET", "POST", "PUT", "PATCH")]
        await stage.measured(lambda: leads() == 0)
        written = len(proxy.writes("status"))
        await stage.callback()
        for fault in away:
            fault.times = 0
        assert written == len(proxy.writes("status"))
        await stage.measured(lambda: leads() == 1)
        await stage.ready("Callback", "warehouse")
        assert await publications(stage) == before + 1
        await applied(gateway, lambda tail: f"callback/{stage.namespace}/warehouse" in tail.records)


async def test_a_permit_that_ends_while_a_request_is_made_ready_sends_nothing(stage: Stage, proxy: Proxy) -> None:
    """It is asked for once more after the connection was made, which may have taken long."""
    rests = iter([5.0, 0.0])
    async with Api(str(stage.kubeconfig), lambda: next(rests)) as api:
        with pytest.raises(NotLeading):
            await api.merge(CALLBACK, stage.namespace, "warehouse", {"spec": {"suspend": True}})
    assert proxy.writes() == []


async def test_a_write_says_how_long_it_may_take(stage: Stage, proxy: Proxy) -> None:
    """To the server, which may come to it only when we are no longer there."""
    await stage.product()
    await stage.callback()
    change = {"metadata": {"annotations": {"team": "platform"}}}
    async with Api(str(stage.kubeconfig), lambda: 4.0) as api:
        await api.merge(CALLBACK, stage.namespace, "warehouse", change)
    assert len(proxy.writes("timeout=4.000s")) == 1
    late = f"/apis/angarium.dev/v1alpha1/namespaces/{stage.namespace}/callbacks/warehouse?timeout=1us"
    with pytest.raises(Refused) as caught:  # it is a limit for the server and no mere remark
        await stage.api.request("PATCH", late, json=change, headers={"content-type": "application/merge-patch+json"})
    assert caught.value.status == 504


async def test_a_write_that_was_held_up_is_refused_where_another_came_first(stage: Stage, proxy: Proxy) -> None:
    slow = proxy.delay("PATCH", "/shop/status", 1.0)
    async with stage.data_plane(), stage.operator():
        await stage.product()
        async with asyncio.timeout(PATIENCE):
            while not slow.met:
                await asyncio.sleep(0.02)
        await stage.api.patch(stage.named("Product", "shop"), {"status": {"productID": "other"}}, subresource="status")
        await stage.ready("Product", "shop")
    answers = [status for method, path, status in proxy.statuses if method == "PATCH" and "/shop/status" in path]
    assert answers[0] == 409
    assert answers[-1] == 200
