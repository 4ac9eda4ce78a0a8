"""Carrying out a plan: the record, the Secret, the status, the Events; in that order, and no further than it goes.

A callback's new Secret comes before its record: nothing may be signed until its name is seen to be free; nor may a
topic ask for a hash that nobody can read.

What changes an object names the version that we know of it. So a write that was held up on its way (we were stopped,
the server was slow) is refused where another operator has written meanwhile; then as on any conflict the next plan
sees what there is.
"""

import base64
import logging
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from angarium.queue.census import Census
from angarium.records import CallbackRecord, TopicRecord
from angarium.resources import API_VERSION
from angarium_operator.api import Api, ApiRefused
from angarium_operator.feed import Feed
from angarium_operator.kinds import RESOURCES, SECRET
from angarium_operator.mandate import Permit, unlimited
from angarium_operator.orders import Orders
from angarium_operator.planning import Announcement, Key, Plan, SecretContent, Snapshot
from angarium_operator.planning.secrets import stale
from angarium_operator.planning.snapshot import SecretName
from angarium_operator.planning.status import fingerprint, status_of
from angarium_operator.probing import Prober
from angarium_operator.publisher import Publisher

log = logging.getLogger(__name__)
COMPONENT = "angarium.dev/operator"
EVENTS = "/apis/events.k8s.io/v1/namespaces/{}/events"
NOTE_LIMIT = 1024  # of an Event's note


class PlanOutdated(Exception):
    """A Secret turned out to be other than the plan took it for; what was found is in the snapshot for the next one."""


class Applier:
    """Writes what plans ask for."""

    def __init__(
        self,
        api: Api,
        feed: Feed,
        publisher: Publisher,
        census: Census,
        prober: Prober,
        orders: Orders,
        snapshot: Snapshot,
        instance: str,
        permit: Permit = unlimited,
    ) -> None:
        self._permit = permit
        self._api, self._feed, self._prober, self._orders = api, feed, prober, orders
        self._publisher, self._census = publisher, census
        self._snapshot = snapshot
        self._instance = instance

    async def carry_out(self, key: Key, plan: Plan) -> None:
        """All of it; raises ApiRefused, StorageUnavailable, StorageFull, RecordsLost, PlanOutdated."""
        if plan.read:
            await self._read(SecretName(key.namespace, plan.read))
            return
        if plan.probe is not None:
            self._prober.ask(key, plan.probe)
        self._orders.give(key, plan.order)
        if plan.recheck:
            await self._recheck(SecretName(key.namespace, plan.recheck))
        if plan.withdraw:
            await self._withdraw(key)
        first = isinstance(plan.record, CallbackRecord | TopicRecord)
        if plan.secret is not None and first and not plan.secret.exists:
            await self._write_secret(plan.secret)  # first see that the name is free: nothing may be signed otherwise
            plan = _without_secret(plan)
        if plan.record is not None:
            await self._publisher.publish(plan.record)
        if plan.secret is not None:
            await self._write_secret(plan.secret)
        if plan.status is not None:
            await self._write_status(key, plan.status)
        for announcement in plan.announcements:
            await self._announce(key, announcement)
        self._snapshot.restored.discard(key)
        if plan.delete:
            await self._delete(key)

    async def _delete(self, key: Key) -> None:
        """One whose time is over; if anybody has changed it meanwhile, the next plan says whether it still is."""
        held = self._snapshot.objects.get(key)
        if held is not None:
            await self._api.delete(RESOURCES[key.kind], key.namespace, key.name, version=held.metadata.resource_version)

    async def _withdraw(self, key: Key) -> None:
        published = self._snapshot.published.get(key)
        await self._publisher.withdraw(key)
        if published is not None and isinstance(published.record, CallbackRecord) and self._permit() > 0:
            await self._census.forget_callback(published.record.id)

    async def _read(self, name: SecretName) -> None:
        """A Secret that is somebody else's."""
        try:
            found = await self._api.get(SECRET, *name)
        except ApiRefused as refused:
            if refused.status != 404:
                raise
            self._feed.referred(name, None)
        else:
            self._feed.referred(name, found)

    async def _recheck(self, name: SecretName) -> None:
        try:
            found = await self._api.get(SECRET, *name)
        except ApiRefused as refused:
            if refused.status != 404:
                raise
            self._snapshot.foreign.discard(name)
            raise PlanOutdated(f"the secret {name.name} is gone") from None
        self._look_at(found)

    def _look_at(self, found: dict[str, Any]) -> None:
        """A Secret stands where ours should: one that belongs to the object is ours, whatever became of its label."""
        metadata = found["metadata"]
        name = SecretName(metadata["namespace"], metadata["name"])
        owners = {owner["uid"] for owner in metadata.get("ownerReferences") or ()}
        users = {self._snapshot.objects[key].metadata.uid for key in self._snapshot.secret_users(name)}
        if users & owners:
            self._feed.found(SECRET, found)
        elif name not in self._snapshot.secrets:
            self._snapshot.foreign.add(name)

    async def _write_secret(self, secret: SecretContent) -> None:
        if secret.exists:
            body = _manifest(secret, self._feed.version(SECRET, secret.namespace, secret.name))
            written = await self._api.apply(SECRET, secret.namespace, secret.name, body)
        else:
            written = await self._create_secret(secret)
        if left := stale(written.get("data") or {}, secret.data):
            version = written["metadata"]["resourceVersion"]
            change = {"metadata": {"resourceVersion": version}, "data": dict.fromkeys(left)}
            written = await self._api.merge(SECRET, secret.namespace, secret.name, change)
        self._feed.seen(SECRET, "MODIFIED", written)

    async def _create_secret(self, secret: SecretContent) -> dict[str, Any]:
        try:
            return await self._api.create(SECRET, secret.namespace, _manifest(secret))
        except ApiRefused as refused:
            if refused.status != 409 or refused.reason != "AlreadyExists":
                raise
        self._look_at(await self._api.get(SECRET, secret.namespace, secret.name))
        raise PlanOutdated(f"the secret {secret.name} exists")

    async def _write_status(self, key: Key, status: Any) -> None:
        kind = RESOURCES[key.kind]
        held = self._snapshot.objects.get(key) or self._snapshot.broken[key]
        metadata = {"name": key.name, "namespace": key.namespace, "uid": held.metadata.uid}
        metadata |= _at(self._feed.version(kind, key.namespace, key.name))
        manifest = {
            "apiVersion": API_VERSION,
            "kind": kind.title,
            "metadata": metadata,
            "status": status,
        }
        written = await self._api.apply(kind, key.namespace, key.name, manifest, subresource="status")
        self._snapshot.counted[key] = datetime.now(UTC)
        self._feed.seen(kind, "MODIFIED", written)
        if (resource := self._snapshot.objects.get(key)) is not None:
            self._snapshot.written[key] = fingerprint(type(status_of(resource)).model_validate(written["status"]))

    async def _announce(self, key: Key, said: Announcement) -> None:
        """Say it once. An Event that is lost is no reason to say it again later, out of time."""
        held = self._snapshot.objects.get(key) or self._snapshot.broken.get(key)
        if held is None:
            return
        body = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"generateName": f"{key.name}-", "namespace": key.namespace},
            "eventTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "type": said.type,
            "reason": said.reason,
            "note": said.note[:NOTE_LIMIT],
            "action": "Reconcile",
            "reportingController": COMPONENT,
            "reportingInstance": self._instance,
            "regarding": {
                "apiVersion": API_VERSION,
                "kind": RESOURCES[key.kind].title,
                "name": key.name,
                "namespace": key.namespace,
                "uid": held.metadata.uid,
            },
        }
        try:
            await self._api.request("create", "POST", EVENTS.format(key.namespace), body=body)
        except ApiRefused as refused:
            log.warning("an event could not be posted: %s", refused, extra={"object": str(key)})


def _without_secret(plan: Plan) -> Plan:
    return replace(plan, secret=None)


def _at(version: str) -> dict[str, str]:
    return {"resourceVersion": version} if version else {}


def _manifest(secret: SecretContent, version: str = "") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": secret.type,
        "metadata": {
            "name": secret.name,
            "namespace": secret.namespace,
            "labels": dict(secret.labels),
            "ownerReferences": [{"apiVersion": API_VERSION, **secret.owner._asdict(), "controller": True}],
            **_at(version),
        },
        "data": {name: base64.b64encode(value.encode()).decode() for name, value in secret.data.items()},
    }
