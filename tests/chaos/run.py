"""One run: build the town, let callers and saboteur loose on it, wait until it is quiet, and gather the evidence."""

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import orjson
from pydantic import SecretStr
from tests.chaos.audit import stand
from tests.chaos.callers import Callers
from tests.chaos.drills import Drills
from tests.chaos.fleet import Fleet, Valkey
from tests.chaos.plan import RIVAL, SHOP, SUBSCRIPTIONS, Kind, Subscription, faults, orders
from tests.chaos.proxy import Proxy
from tests.chaos.receivers import Receiver
from tests.chaos.saboteur import Saboteur
from tests.chaos.verdicts import Evidence, Verdict, duplicates_allowed, judge

from angarium import apikeys
from angarium.apikeys import ApiKey
from angarium.config import ConfigStore
from angarium.identifiers import resource_id
from angarium.queue import CallbackHealth, Census, Queue
from angarium.records import CallbackRecord, KeyRecord, ProductRecord
from angarium.sealing import Sealer, generate_seal_key
from angarium.settings import RedisSettings
from angarium.signing import generate_hmac_key

STAY = {resource_id("cbk", name) for name in ("silent", "suspended", "gone")}  # what waits for these is not waited for
QUIET_IN = 120.0  # s that deliveries have to end once the faults are over


@dataclass(frozen=True)
class Options:
    """What a run is asked for; `faults` None: as many as the plan has."""

    notifications: int = 50_000
    seed: int = 1
    faults: int | None = None
    kinds: tuple[Kind, ...] = tuple(Kind)
    drills: bool = True
    timed: bool = True
    quiet_in: float = QUIET_IN
    longest: float = 1800.0  # s for callers and faults together


@dataclass
class Report:
    """What a run has to say."""

    verdicts: list[Verdict]
    faults: list[tuple[int, str]]
    seconds: float
    folder: Path
    notes: list[str] = field(default_factory=list)

    @property
    def kept(self) -> bool:
        """Whether no promise was broken."""
        return all(verdict.kept for verdict in self.verdicts)


@dataclass
class Town:
    """All that runs."""

    valkey: Valkey
    proxy: Proxy
    receivers: dict[str, Receiver]
    queue: Queue
    fleet: Fleet
    keys: dict[str, ApiKey]


@asynccontextmanager
async def town(folder: Path, seed: int) -> AsyncIterator[Town]:
    """Everything up and ready; everything gone afterwards."""
    valkey, seal_key = Valkey(folder), generate_seal_key()
    keys = {SHOP: apikeys.mint(), RIVAL: apikeys.mint()}
    signing_keys = {subscription.name: generate_hmac_key() for subscription in SUBSCRIPTIONS}
    async with AsyncExitStack() as stack:
        stack.push_async_callback(valkey.kill)
        await valkey.start()
        proxy = await stack.enter_async_context(Proxy(valkey.port))
        receivers = {
            each.name: await stack.enter_async_context(Receiver(each, signing_keys[each.name], seed))
            for each in SUBSCRIPTIONS
        }
        queue = await stack.enter_async_context(Queue(RedisSettings(url=SecretStr(valkey.url))))
        products = [_product(id_, key) for id_, key in keys.items()]
        callbacks = [_callback(receivers[name].subscription, receivers[name].url, seal_key, signing_keys[name])
                     for name in signing_keys]  # fmt: skip
        await ConfigStore(queue.link).begin([*products, *callbacks])
        fleet = await stack.enter_async_context(Fleet(folder, f"redis://127.0.0.1:{proxy.port}/0", seal_key))
        yield Town(valkey, proxy, receivers, queue, fleet, keys)


async def publish(redis_url: str) -> str:
    """The records of all callbacks, whose receivers nobody plays; the key that opens them."""
    seal_key = generate_seal_key()
    async with Queue(RedisSettings(url=SecretStr(redis_url))) as queue:
        nowhere, signing_key = "http://127.0.0.1:9/", generate_hmac_key()
        await ConfigStore(queue.link).begin(
            [_callback(subscription, nowhere, seal_key, signing_key) for subscription in SUBSCRIPTIONS]
        )
    return seal_key


def _product(id_: str, key: ApiKey) -> ProductRecord:
    name = id_.removeprefix("prd_")
    return ProductRecord(namespace=name, name=name, id=id_, keys=(KeyRecord(id=key.id, sha256=key.sha256),))


def _callback(subscription: Subscription, url: str, seal_key: str, signing_key: str) -> CallbackRecord:
    namespace = subscription.tenant.removeprefix("prd_")
    return CallbackRecord(
        namespace=namespace, name=subscription.name, id=resource_id("cbk", subscription.name),
        tenant=subscription.tenant, product_id=subscription.tenant, events=subscription.events, url=url,
        sealed_signing_keys=Sealer([seal_key]).seal(orjson.dumps([signing_key])), timeout_s=subscription.timeout,
        retry_schedule_s=subscription.schedule, endpoint=url, suspended=subscription.suspended,
    )  # fmt: skip


async def run(options: Options, folder: Path | None = None) -> Report:
    """Do it all."""
    folder, began = folder or Path(tempfile.mkdtemp(prefix="angarium-chaos-")), time.monotonic()
    planned = faults(options.seed, options.notifications, options.kinds)[: options.faults]
    async with town(folder, options.seed) as where:
        fleet, notes = where.fleet, []
        callers = Callers(options.seed, fleet.gateways, {tenant: key.text for tenant, key in where.keys.items()})
        saboteur = Saboteur(fleet, where.valkey, where.proxy, where.receivers, callers.reached)
        drills = Drills(where.queue, fleet, callers, saboteur, where.receivers["slow"], options.notifications)
        finished = True
        try:
            async with asyncio.timeout(options.longest), asyncio.TaskGroup() as group:
                group.create_task(callers.run(orders(options.seed, options.notifications)))
                group.create_task(saboteur.run(planned))
            notes.append(f"{options.notifications:,} accepted after {time.monotonic() - began:.0f} s")
            if options.drills:
                await _quiet(where.queue, callers, options.quiet_in)
                await drills.run()
        except TimeoutError:
            finished = False
            notes.append("time ran out")
        more = drills.number - options.notifications
        notes.append(f"quiet {await _quiet(where.queue, callers, options.quiet_in):.1f} s after the last fault")
        evidence = Evidence(
            options.notifications + more, callers.ids, callers.orders, callers.deliveries, callers.answers,
            callers.unexpected, {name: each.book for name, each in where.receivers.items()},
            await stand(where.queue, callers.orders), duplicates_allowed(planned, fleet.slots_each) + more,
            await _foreign_reads(where, callers), fleet.exit_codes, finished, drills.measured, options.timed,
            any(fault.kind is Kind.REDIS_CLOCK for fault in planned),
        )  # fmt: skip
        await fleet.stop()
    return Report(judge(evidence), saboteur.made, time.monotonic() - began, folder, notes + _hints(evidence, folder))


async def _quiet(queue: Queue, callers: Callers, within: float) -> float:
    """Wait until nothing waits but what is expected to stay; how long that took."""
    began, census = time.monotonic(), Census(queue)
    later = sum(order.due_in > within for order in callers.orders.values())
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within):
            while _waiting(await census.callbacks()) > later:
                await asyncio.sleep(0.2)
    return time.monotonic() - began


def _waiting(callbacks: Mapping[str, CallbackHealth]) -> int:
    return sum(health.backlog for id_, health in callbacks.items() if id_ not in STAY)


async def _foreign_reads(where: Town, callers: Callers) -> list[int]:
    """What a tenant's key gets for notifications of another."""
    foreign = [id_ for id_, order in callers.orders.items() if order.tenant == SHOP][:50]
    headers = {"Authorization": f"Bearer {where.keys[RIVAL].text}"}
    statuses = []
    async with aiohttp.ClientSession(headers=headers) as session:
        for id_ in foreign:
            async with session.get(f"{where.fleet.gateways()[0]}/v1/notifications/{id_}") as response:
                statuses.append(response.status)
    return statuses


def _hints(evidence: Evidence, folder: Path) -> list[str]:
    """Where to look when a promise is broken."""
    found = [f"unexpected answer: {text[:300]}" for text in evidence.unexpected[:5]]
    found += [f"waits for no reason: {id_}" for id_, why in evidence.stand.waits.items() if not why][:5]
    found += [f"not stored: {id_}" for id_ in evidence.stand.missing[:5]]
    for log in sorted(folder.glob("*-*.log")):
        errors = [line for line in log.read_text(errors="replace").splitlines() if '"error"' in line.lower()[:80]]
        if errors:
            found.append(f"{log.name}: {len(errors)} errors, the first: {errors[0][:400]}")
    return found
