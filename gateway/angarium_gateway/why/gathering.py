"""Facts for why something was not delivered: a few round trips to Redis, the rest is in this gateway's memory."""

import asyncio
from collections import Counter
from dataclasses import dataclass, replace

from aiohttp import web

from angarium.config import Pod, read_live
from angarium.notifications import GROUP, NOBODY, Delivery, DeliveryState, Notification, Status, Stored, Target
from angarium.queue import Inquiry, Pacing, pace
from angarium.records import CallbackRecord, ProviderRecord
from angarium.retries import DEFAULT_SCHEDULE
from angarium_gateway.appkeys import DIRECTORY, LEDGER, QUEUE, ROSTER, TAIL, VITALS
from angarium_gateway.directory import Tenant
from angarium_gateway.why.facts import Around, Carrier, Facts, Kind, Last, Outlet

MOST = 100  # deliveries that are looked at, those in trouble first
LATEST = 400  # entries of the timeline that are looked through
TALLIED = 100  # refused recipients of groups whose reasons are counted
TROUBLED = (DeliveryState.WAITING, DeliveryState.DEAD, DeliveryState.REFUSED, DeliveryState.DELIVERED)


@dataclass(frozen=True, slots=True)
class Recipients:
    """What is told of groups' recipients without naming all: why some were refused, and how one stands that waits."""

    refused: dict[str, int]  # by reason
    more: bool  # whether others were refused, too
    waiting: Facts | None


class Gathering:
    """For one tenant."""

    def __init__(self, app: web.Application, tenant: Tenant) -> None:
        self._app, self._tenant = app, tenant
        self._pods: list[Pod] = []

    async def around(self, notification: Notification) -> tuple[Around, list[CallbackRecord]]:
        """Of all deliveries of a notification; and the tenant's callbacks."""
        app = self._app
        self._pods = [pod for pod in await read_live(app[QUEUE].link, app[QUEUE].prefix) if pod.role == "deliverer"]
        known = app[DIRECTORY].subscriptions(self._tenant.id).by_name
        current = app[TAIL].revision >= notification.config_revision
        suspended = self._tenant.owner if self._tenant.suspended else ""
        around = Around(0, frozenset(pod.name for pod in self._pods), current, app[VITALS].full, suspended)
        return around, list(known.values())

    async def facts(self, stored: Stored, around: Around) -> list[Facts]:
        """Of up to MOST deliveries, those that are in trouble first."""
        notification = stored.notification
        chosen = sorted(stored.deliveries, key=lambda each: TROUBLED.index(each.state))[:MOST]
        (now, found), entries = await asyncio.gather(
            Inquiry(self._app[QUEUE]).ask(notification, chosen),
            self._app[LEDGER].timeline(notification.id, latest=LATEST),
        )
        last = {entry["delivery"]: _last(entry) for entry in entries if entry.get("delivery")}
        outlets = await self._outlets(chosen)
        return [
            Facts(notification, each, outlets[each.target.id], place, replace(around, now_ms=now), last.get(each.id))
            for each, place in found
        ]

    async def recipients(self, notification: Notification, around: Around) -> Recipients:
        """Of its groups."""
        roster = self._app[ROSTER]
        refused, waiting = await asyncio.gather(
            roster.page(notification, Status.REFUSED, TALLIED), roster.page(notification, Status.PENDING, 1)
        )
        reasons = Counter(delivery.reason for _, delivery in refused.items)
        example = None
        if waiting.items:
            part, delivery = waiting.items[0]
            example = await self._example(part, delivery, around)
        return Recipients(dict(reasons.most_common()), refused.cursor is not None, example)

    async def _example(self, part: str, delivery: Delivery, around: Around) -> Facts | None:
        for stored in await self._app[LEDGER].summaries([part]):
            [facts] = await self.facts(replace(stored, deliveries=(delivery,)), around)
            return facts
        return None

    async def _outlets(self, deliveries: list[Delivery]) -> dict[str, Outlet]:
        targets = {each.target.id: each.target for each in deliveries}
        outlets = await asyncio.gather(*[self._outlet(target) for target in targets.values()])
        return dict(zip(targets, outlets, strict=True))

    async def _outlet(self, target: Target) -> Outlet:
        if not target.to:
            return self._callback(target)
        if target.name in (GROUP, NOBODY):
            return Outlet(Kind(target.name), f"{target.name} {target.to}")
        records = self._app[DIRECTORY].carriers(self._tenant, target)
        schedule = next((each.retry_schedule_s for each in records if not each.suspended), None)
        return Outlet(
            Kind.CHANNEL, f"channel {target.name}",
            carriers=tuple(await asyncio.gather(*[self._carrier(record) for record in records])),
            timeout_s=sum(each.timeout_s for each in records) or 15.0,
            attempts=len(schedule or DEFAULT_SCHEDULE) + 1,
        )  # fmt: skip

    def _callback(self, target: Target) -> Outlet:
        name = self._tenant.short(target.name)
        namespace, _, short = target.name.partition("/")
        record = self._app[DIRECTORY].subscriptions(self._tenant.id).by_name.get(target.name)
        resource = f"{short} -n {namespace}"
        if record is None or record.id != target.id:
            return Outlet(Kind.CALLBACK, name, resource, known=False)
        schedule = DEFAULT_SCHEDULE if record.retry_schedule_s is None else record.retry_schedule_s
        return Outlet(
            Kind.CALLBACK, name, resource, api_made=record.api_made, suspended=record.suspended,
            disabled=record.disabled, timeout_s=record.timeout_s, attempts=len(schedule) + 1,
            rejected_by=tuple(pod.name for pod in self._pods if record.key in pod.applied.rejected),
            behind=tuple(pod.name for pod in self._pods if pod.applied.revision < record.revision),
        )  # fmt: skip

    async def _carrier(self, record: ProviderRecord) -> Carrier:
        wait = 0.0
        if record.rate_requests:
            interval, burst = pace(record.rate_requests, record.rate_period_s, spread=1)
            wait = await Pacing(self._app[QUEUE]).look(record.id, interval, burst)
        return Carrier(record.name, record.suspended, wait)


def _last(entry: dict[str, object]) -> Last:
    response = entry.get("response")
    status = response.get("status") if isinstance(response, dict) else None
    return Last(int(str(entry["at_ms"])), str(entry.get("detail") or ""), status if isinstance(status, int) else None)
