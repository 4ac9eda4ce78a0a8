"""What the integrations of a topic refer to: providers and callbacks of the same product, and by which channel."""

from typing import NamedTuple

from angarium.contents import CONTENTS
from angarium.identifiers import resource_id
from angarium.records import IntegrationRecord
from angarium.resources import Callback, Product, Provider, Resource, Topic
from angarium.resources.topic import DEFAULT_SEGMENTS, Integration
from angarium_operator.planning.references import RESOLVED, resolve
from angarium_operator.planning.snapshot import Key, Snapshot, integration_key
from angarium_operator.planning.verdicts import Verdict, no


class Followed(NamedTuple):
    """Where the integrations lead; all of them where the verdict is good."""

    verdict: Verdict
    integrations: tuple[IntegrationRecord, ...] = ()


def follow(snapshot: Snapshot, key: Key, topic: Topic, product: Product) -> Followed:
    """Follow each; the verdict names the first that leads nowhere."""
    found = []
    for number, integration in enumerate(topic.spec.integrations):
        target = integration_key(key, integration)
        made = _follow(snapshot, target, integration, product)
        if isinstance(made, Verdict):
            return Followed(made._replace(message=f"spec.integrations[{number}]: {made.message}"))
        found.append(made)
    return Followed(RESOLVED, tuple(found))


def _follow(snapshot: Snapshot, target: Key, integration: Integration, product: Product) -> IntegrationRecord | Verdict:
    resource = snapshot.objects.get(target)
    if resource is None or resource.metadata.deletion_timestamp is not None:
        kind = target.kind.capitalize()
        return no(f"{kind}NotFound", f'{target.kind} "{target.name}" does not exist in namespace "{target.namespace}"')
    if not _belongs(snapshot, target, resource, product):
        return no(
            f"{target.kind.capitalize()}OfAnother",
            f'{target.kind} "{target.name}" is not one of product "{product.metadata.name}" itself',
        )
    match resource:
        case Provider():
            return _by_provider(target, integration, resource)
        case _:
            return IntegrationRecord(
                name=integration.name,
                callback=f"{target.namespace}/{target.name}",
                callback_id=resource_id("cbk", resource.metadata.uid),
            )


def _belongs(snapshot: Snapshot, target: Key, resource: Resource, product: Product) -> bool:
    """A callback of an organization hears of what that organization posts, and of nothing else."""
    if isinstance(resource, Callback) and resource.spec.organization_ref is not None:
        return False
    resolved = resolve(snapshot, target, resource)
    return resolved.product is not None and Key.of(resolved.product) == Key.of(product)


def _by_provider(target: Key, integration: Integration, provider: Provider) -> IntegrationRecord | Verdict:
    carried = [channel for channel in provider.spec.channels if channel in CONTENTS]
    channel = integration.channel or (carried[0] if len(carried) == 1 else "")
    if channel not in carried:
        carries = " and ".join(carried)
        wish = "name one as channel" if not channel else f"not {channel}"
        return no("ChannelNotCarried", f'provider "{target.name}" carries {carries}: {wish}')
    template = integration.template
    return IntegrationRecord(
        name=integration.name,
        channel=channel,
        provider=f"{target.namespace}/{target.name}",
        to=integration.to or (),
        template=template.model_dump(mode="json", by_alias=True, exclude_none=True) if template else {},
        max_segments=integration.max_segments or DEFAULT_SEGMENTS,
    )
