"""Limits of routes: each tenant's messages of a channel keep those of the provider that is tried first.

What several tenants share beyond that, the provider's rate, is kept where it is asked to send (pacing.py of the queue).
"""

from collections import defaultdict
from collections.abc import Callable, Iterator

from angarium.identifiers import route_id
from angarium.queue import Limit
from angarium.records import AnyRecord, OrganizationRecord, ProductRecord, ProviderRecord
from angarium_deliverer.routes import in_turn

Describe = Callable[[ProviderRecord], str]  # a limit in limit.lua's words

SUSPENDED = "0 0 0"
Texts = dict[tuple[str, str], str]  # limits by channel and provider (namespace/name), or by channel and ""


class RouteLimits:
    """Follows products, organizations and providers."""

    def __init__(self, describe: Describe) -> None:
        self._describe = describe
        self._providers: dict[str, dict[str, ProviderRecord]] = defaultdict(dict)  # by product's id and record's key
        self._tenants: dict[str, set[str]] = defaultdict(set)  # by product's id
        self._resting: set[str] = set()  # tenants that send nothing for now

    def hear(self, was: AnyRecord | None, now: AnyRecord | None, revision: int) -> Iterator[Limit]:
        """What shards are to be told of a change."""
        for record in (was, now):
            if isinstance(record, ProviderRecord):
                yield from self._provided(record, now, revision)
            elif isinstance(record, ProductRecord):
                yield from self._served(record.id, record, revision, here=record is now)
            elif isinstance(record, OrganizationRecord):
                yield from self._served(record.product_id, record, revision, here=record is now)

    def all(self, revision: int) -> dict[str, Limit]:
        """Of all routes, by name."""
        limits = [
            limit
            for product, tenants in self._tenants.items()
            for text in [self._texts(product)]
            for tenant in tenants
            for limit in self._limits(tenant, text, revision)
        ]
        return {limit.name: limit for limit in limits}

    def _provided(self, record: ProviderRecord, now: AnyRecord | None, revision: int) -> Iterator[Limit]:
        product, providers = record.product_id, self._providers[record.product_id]
        before = self._texts(product)
        if record is now:
            providers[record.key] = record
        else:
            providers.pop(record.key, None)
        after = self._texts(product)
        changed = {
            channel: after.get(channel, "")
            for channel in before | after
            if before.get(channel, "") != after.get(channel, "")
        }
        for tenant in self._tenants[product]:
            yield from self._limits(tenant, changed, revision)

    def _served(
        self, product: str, tenant: ProductRecord | OrganizationRecord, revision: int, *, here: bool
    ) -> Iterator[Limit]:
        texts = self._texts(product)
        self._resting.discard(tenant.id)
        if here:
            self._tenants[product].add(tenant.id)
            if tenant.suspended:
                self._resting.add(tenant.id)
        else:
            self._tenants[product].discard(tenant.id)
            texts = dict.fromkeys(texts, "")
        yield from self._limits(tenant.id, texts, revision)

    def _texts(self, product: str) -> Texts:
        """The first provider's limit, where what is suspended is passed over, unless all are; and each one's own."""
        providers = in_turn(self._providers[product].values())
        last_first = sorted(providers, key=lambda record: record.suspended)[::-1]
        texts = {}
        for record in last_first:
            text, name = self._describe(record), f"{record.namespace}/{record.name}"
            for channel in record.channels:
                texts[channel, ""] = texts[channel, name] = text
        return texts

    def _limits(self, tenant: str, texts: Texts, revision: int) -> Iterator[Limit]:
        for (channel, provider), text in texts.items():
            told = SUSPENDED if tenant in self._resting else text
            yield Limit(route_id(tenant, channel, provider), tenant, revision, told)
