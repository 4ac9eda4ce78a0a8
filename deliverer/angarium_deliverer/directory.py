"""Where deliveries go: the callbacks and the providers that this deliverer knows, ready for use."""

import logging
from collections.abc import Awaitable
from typing import Any, Protocol

import orjson

from angarium import notifications
from angarium.config import ConfigTail
from angarium.errors import StorageFull, StorageUnavailable
from angarium.identifiers import route_id
from angarium.notifications import Attempt, Outcome, Target
from angarium.queue import Pacing, pace
from angarium.records import AnyRecord, CallbackRecord, OrganizationRecord, ProductRecord, ProviderRecord
from angarium.retries import DEFAULT_SCHEDULE, RetryPolicy
from angarium.sealing import Sealer, SealError
from angarium.signing import Signer
from angarium_deliverer.channels import Account, Reporting, Way
from angarium_deliverer.channels.senders import make_sender
from angarium_deliverer.channels.webhook import Webhook
from angarium_deliverer.expansion import Expansion, GroupStore, Nowhere
from angarium_deliverer.hearers import Hearers
from angarium_deliverer.routes import Carrier, Route

log = logging.getLogger(__name__)
REDIS_AWAY_PAUSE = 1.0  # s


class Outlet(Protocol):
    """What a delivery leaves by: a callback, or a route. `endpoint` names what its health is told of."""

    channel: str
    policy: RetryPolicy
    endpoint: str
    suspended: bool
    refusal: tuple[str, str] | None  # reason and detail, where nothing is sent any more

    def deliver(self, attempt: Attempt) -> Awaitable[Outcome]:
        """Make this attempt."""
        ...


class Subscriber:
    """A callback, ready to be delivered to."""

    channel = Webhook.name

    def __init__(self, record: CallbackRecord, signer: Signer, webhook: Webhook) -> None:
        schedule = DEFAULT_SCHEDULE if record.retry_schedule_s is None else record.retry_schedule_s
        self.policy = RetryPolicy(schedule, frozenset(record.non_retryable_statuses))
        self.record, self.endpoint, self.suspended = record, record.endpoint, record.suspended
        self.refusal = (record.disabled, "the callback is disabled") if record.disabled else None
        self._signer, self._webhook = signer, webhook

    def deliver(self, attempt: Attempt) -> Awaitable[Outcome]:
        """Make this attempt."""
        return self._webhook.deliver(attempt, self.record, self._signer)


class Directory:
    """Follows the config. What can't be opened or used is rejected, and its last good record stays."""

    def __init__(self, sealer: Sealer, way: Way, pacing: Pacing, groups: GroupStore) -> None:
        self.sealer, self._way, self._pacing, self._groups = sealer, way, pacing, groups
        self._webhook = Webhook(way.dialer, pod=way.pod)
        self._prepared: dict[str, Subscriber | Carrier] = {}  # by record key, while a set of changes is read
        self._by_key: dict[str, Subscriber | Carrier] = {}
        self._by_id: dict[str, Subscriber] = {}
        self._carriers: dict[str, Carrier] = {}  # by the id of their provider
        self._products: dict[str, tuple[str, str]] = {}  # by record key: an organization's id and its product's
        self._product_of: dict[str, str] = {}
        self.hearers = Hearers()
        self._quotas: dict[str, tuple[str, int | None]] = {}  # by record key: a tenant's id and its backlog's
        self._routes: dict[str, Outlet] = {}  # by rte_ id, as they are asked for

    def follow(self, tail: ConfigTail) -> None:
        """Hear of changes."""
        tail.listen(self._changed)

    def outlet(self, tenant: str, target: Target) -> Outlet | None:
        """What deliveries for a target leave by; None: its callback is not known."""
        if target.to:
            return self._routes.get(target.id) or self._route(tenant, target)
        return self._by_id.get(target.id)

    def product_of(self, tenant: str) -> str:
        """The product of an organization; a product is its own."""
        return self._product_of.get(tenant, tenant)

    def carrier(self, provider: str) -> Carrier | None:
        """By the id of its provider."""
        return self._carriers.get(provider)

    @property
    def reported_to(self) -> bool:
        """Whether some carrier tells by itself what became of messages."""
        return any(isinstance(each.sender, Reporting) for each in self._carriers.values())

    def _route(self, tenant: str, target: Target) -> Outlet:
        product = self.product_of(tenant)
        carriers = [each for each in self._by_key.values() if isinstance(each, Carrier)]
        own = [each for each in carriers if each.record.product_id == product]
        if target.id != route_id(tenant, target.name):
            # a topic's: by the provider that it names, and no other
            own = [each for each in own if route_id(tenant, target.name, _name(each)) == target.id]
        route = self._routes[target.id] = self._made(tenant, target, own)
        return route

    def _made(self, tenant: str, target: Target, carriers: list[Carrier]) -> Outlet:
        match target.name:
            case notifications.GROUP:
                channels = {channel for each in carriers for channel in each.record.channels}
                quota = dict(self._quotas.values()).get(tenant)
                return Expansion(self._groups, channels, quota)
            case notifications.NOBODY:
                return Nowhere()
            case channel:
                return Route(
                    channel, [each for each in carriers if channel in each.record.channels], self._wait, self._gone
                )

    async def _wait(self, provider: ProviderRecord) -> float:
        """Seconds until a provider may be asked to send again; its tenants share its rate."""
        interval, burst = pace(provider.rate_requests, provider.rate_period_s, spread=1)
        try:
            return await self._pacing.wait(provider.id, interval, burst)
        except StorageUnavailable:
            return REDIS_AWAY_PAUSE

    async def _gone(self, tenant: str, device: str) -> None:
        """Only devices are told to be gone; one that stays because Redis is away will be told of again."""
        try:
            await self._groups.people.drop_device(tenant, device)
        except (StorageUnavailable, StorageFull):
            log.warning("a device that is gone could not be forgotten", extra={"tenant": tenant})

    def accept(self, record: AnyRecord) -> None:
        """Open a record's credentials; raises ValueError, for ConfigTail to reject it."""
        if isinstance(record, CallbackRecord):
            self._prepared[record.key] = Subscriber(
                record, Signer(self._open(record.sealed_signing_keys)), self._webhook
            )
        elif isinstance(record, ProviderRecord):
            account = Account(record, self._open(record.sealed_credentials))
            self._prepared[record.key] = Carrier(record, make_sender(account, self._way))

    def _open(self, sealed: str) -> Any:
        try:
            return orjson.loads(self.sealer.open(sealed))
        except SealError as error:
            raise ValueError(str(error)) from error

    def _changed(self, changes: dict[str, AnyRecord | None]) -> None:
        for key, record in changes.items():
            self._forget(key)
            if isinstance(record, ProductRecord | OrganizationRecord):
                self._quotas[key] = record.id, record.backlog
            if isinstance(record, OrganizationRecord):
                self._products[key] = record.id, record.product_id
                self._product_of[record.id] = record.product_id
            elif prepared := self._prepared.get(key):
                self._by_key[key] = prepared
                if isinstance(prepared, Subscriber):
                    self._by_id[prepared.record.id] = prepared
                    self.hearers.put(prepared.record)
                else:
                    self._carriers[prepared.record.id] = prepared
            if not isinstance(record, CallbackRecord):
                self._routes.clear()
        self._prepared.clear()

    def _forget(self, key: str) -> None:
        before = self._by_key.pop(key, None)
        if isinstance(before, Subscriber):
            self._by_id.pop(before.record.id, None)
            self.hearers.drop(before.record)
        elif before:
            self._carriers.pop(before.record.id, None)
            before.sender.retire()
        self._quotas.pop(key, None)
        if key in self._products:
            self._product_of.pop(self._products.pop(key)[0], None)


def _name(carrier: Carrier) -> str:
    return carrier.record.key.partition("/")[2]
