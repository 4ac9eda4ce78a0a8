"""The operator's part in `angarium dev`: its own plans, carried out on files instead of on a cluster.

A round looks at what is due, publishes all records in one step, then writes Secrets, then statuses, and looks again
until nothing is due. Once a second it asks which config gateway and deliverer have applied and how endpoints fare.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

from angarium.config import ConfigStore, RecordsLost, read_live
from angarium.egress import EgressPolicy
from angarium.errors import StorageFull, StorageRefused, StorageUnavailable
from angarium.queue import Census, Queue
from angarium.records import RECORD, Record
from angarium.resources import Callback
from angarium_cli.dev.localize import localized
from angarium_cli.dev.manifests import Reading
from angarium_cli.dev.objects import Changes, Objects
from angarium_cli.dev.secrets import Found, SecretFiles
from angarium_operator.orders import Orders
from angarium_operator.planning import Announcement, DataPlane, Finding, Key, Plan, Policy, Published, Snapshot, plan
from angarium_operator.planning.orders import Progress
from angarium_operator.planning.snapshot import SecretName, own_secret
from angarium_operator.probing import Prober

INTERVAL = 1.0  # s between looks at the data plane
HURRIED = 0.05  # s, while something waits for it
MOST_ROUNDS = 20

Announce = Callable[[Key, Announcement], None]


class Reconciler:
    """`announce` is called with what would be an Event on the object, `stepped` after each look at the world."""

    def __init__(
        self,
        queue: Queue,
        policy: Policy,
        objects: Objects,
        secrets: SecretFiles,
        announce: Announce,
        stepped: Callable[[], None],
    ) -> None:
        self.objects, self.secrets = objects, secrets
        self.snapshot = Snapshot(policy)
        self.orders = Orders()
        self._queue, self._census = queue, Census(queue)
        self._store = ConfigStore(queue.link)
        self._announce, self._stepped = announce, stepped
        self._due: set[Key] = set()
        self._look_again: dict[Key, datetime] = {}
        self._programmed: dict[Key, bool] = {}
        self._wake = asyncio.Event()
        self._declared_secrets: dict[SecretName, Mapping[str, str]] = {}
        egress = EgressPolicy(policy.allowed, policy.denied, allow_private=policy.allow_private)
        self._prober = Prober(egress, self._found)
        for resource in objects.by_key.values():
            self.snapshot.put(localized(resource))

    async def adopt(self) -> None:
        """Go on with what is in the store; raises StorageUnavailable."""
        self.snapshot.published.clear()
        for text, (revision, json) in (await self._store.adopt()).items():
            with contextlib.suppress(ValueError):  # of another version: it is written anew
                self.snapshot.published[Key.parse(text)] = Published.of(revision, RECORD.validate_json(json))
        self._due |= self.snapshot.objects.keys() | self.snapshot.published.keys()
        self._wake.set()

    def take(self, reading: Reading) -> Changes:
        """Make what the folder says the state to reach; carried out by the next round."""
        for name, labels in reading.namespaces.items():
            self._due |= self.snapshot.put_namespace(name, labels)
        changes = self.objects.take(reading, datetime.now(UTC))
        for resource in changes.put:
            self._due |= self.snapshot.put(localized(resource))
        for key in changes.removed:
            self._remove(key)
        kept = self._declared_secrets if changes.problems else {}
        self.look_at_secrets({**kept, **reading.secrets})
        self._wake.set()
        return changes

    def put(self, callback: Callback) -> Callback:
        """Take in a callback that was made or changed through the API."""
        stored = self.objects.put(callback, datetime.now(UTC))
        self._due |= self.snapshot.put(localized(stored))
        self._wake.set()
        if not isinstance(stored, Callback):
            raise TypeError("a callback was put")
        return stored

    def remove(self, key: Key) -> None:
        """Forget one that was deleted through the API."""
        self.objects.remove(key)
        self._remove(key)
        self._wake.set()

    def _remove(self, key: Key) -> None:
        self.secrets.remove_owned_by(self.snapshot.objects[key].metadata.uid)
        self._due |= self.snapshot.remove(key)
        self._programmed.pop(key, None)
        self._look_again.pop(key, None)

    def look_at_secrets(self, declared: dict[SecretName, Mapping[str, str]] | None = None) -> None:
        """See whether somebody has changed or removed a file of ours; `declared` are Secrets for kubectl to apply."""
        found = self.secrets.read()
        for name in self.snapshot.secrets.keys() - found.managed.keys():
            self._due |= self.snapshot.remove_secret(name)
        for name, secret in found.managed.items():
            if secret != self.snapshot.secrets.get(name):
                self._due |= self.snapshot.put_secret(secret)
        wanted = {own_secret(resource) for resource in self.snapshot.objects.values()}
        folders = {name for name in wanted if name and name.name in found.foreign}
        if declared is not None:
            self._declared_secrets = declared
        foreign = (folders | self._declared_secrets.keys()) - self.snapshot.secrets.keys()
        for name in foreign ^ self.snapshot.foreign:
            self._due |= self.snapshot.secret_users(name)
        self.snapshot.foreign = foreign
        self._look_at_referred(found)
        self._wake.set()

    def _look_at_referred(self, found: Found) -> None:
        """The Secrets that providers refer to: declared in the folder, or made as a folder of files."""
        referred = self.snapshot.referred
        for name in self.snapshot.referred_secrets():
            data = self._declared_secrets.get(name, found.given(name))
            if name not in referred or referred[name] != data:
                self._due |= self.snapshot.put_referred(name, data)

    def _found(self, key: Key, finding: Finding) -> None:
        self._due |= self.snapshot.put_finding(key, finding)
        self._wake.set()

    def told(self, key: Key, progress: Progress) -> None:
        """How far a replay or a test is."""
        self._due |= self.snapshot.put_progress(key, progress)
        self._wake.set()

    async def run(self) -> None:
        """Reconcile until cancelled; survives Redis being away."""
        try:
            await self._run()
        finally:
            await self._prober.close()

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            try:
                await self.step()
                self.snapshot.stored = True
                self._stepped()
            except (StorageUnavailable, StorageFull):
                self.snapshot.stored = False
                self._due |= set(self.snapshot.objects)
            except RecordsLost:
                await self._begin_anew()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HURRIED if self.waiting else INTERVAL):
                    await self._wake.wait()

    @property
    def waiting(self) -> bool:
        """Whether something that is published has yet to be applied."""
        return not all(self._programmed.get(key, False) for key in self.snapshot.published)

    async def step(self) -> None:
        """Look at the world once, and carry out what is due; raises StorageUnavailable, StorageFull, RecordsLost."""
        await self._look()
        for _ in range(MOST_ROUNDS):
            due, self._due = self._due, set()
            try:
                if not due or not await self._carry_out({key: self._plan(key) for key in sorted(due)}):
                    return
            except BaseException:
                self._due |= due
                raise

    def _plan(self, key: Key) -> Plan:
        return plan(self.snapshot, key, datetime.now(UTC))

    async def _look(self) -> None:
        if self._store.epoch and (await self._store.state()).epoch != self._store.epoch:
            raise RecordsLost
        now = datetime.now(UTC)
        plane = DataPlane.of(await read_live(self._queue.link), self._store.epoch)
        if plane != self.snapshot.plane:
            self.snapshot.plane = plane
            self._due |= set(self.snapshot.objects)
        health = await self._census.callbacks()
        if health != self.snapshot.health:
            self.snapshot.health = health
            self._due |= {key for key in self.snapshot.objects if key.kind == "callback"}
        self._due |= {key for key, at in self._look_again.items() if at <= now}

    async def _carry_out(self, plans: dict[Key, Plan]) -> bool:
        """Whether anything was written."""
        await self._publish(plans)
        for key, each in plans.items():
            self._remember(key, each)
            if each.secret is not None:
                self.secrets.write(each.secret)
        self.look_at_secrets()
        written = [(key, each.status) for key, each in plans.items() if each.status is not None]
        for key, status in written:
            self._due |= self.snapshot.put(localized(self.objects.set_status(key, dict(status))))
        if written:
            self.objects.save()
        for key, each in plans.items():
            for announcement in each.announcements:
                self._announce(key, announcement)
        return any(not each.empty for each in plans.values())

    def _remember(self, key: Key, done: Plan) -> None:
        self.orders.give(key, done.order)
        if key not in self.snapshot.objects:
            self._look_again.pop(key, None)
            return
        self._programmed[key] = done.programmed
        if done.probe is not None:
            self._prober.ask(key, done.probe)
        if done.pending:
            self.snapshot.pending[key] = done.pending
        else:
            self.snapshot.pending.pop(key, None)
        if done.look_again is None:
            self._look_again.pop(key, None)
        else:
            self._look_again[key] = done.look_again

    async def _publish(self, plans: dict[Key, Plan]) -> None:
        records = {key: each.record for key, each in plans.items() if each.record is not None}
        gone = [key for key, each in plans.items() if each.withdraw]
        if not records and not gone and self._store.epoch:
            return
        for key in gone:
            await self._forget(self.snapshot.published[key].record)
        revisions = await self._write(records.values(), gone)
        for key, record in records.items():
            before = self.snapshot.published.get(key)
            self.snapshot.published[key] = Published.of(revisions[str(key)], record, before)
        for key in gone:
            del self.snapshot.published[key]
        self._due |= records.keys() | set(gone)

    async def _write(self, records: Iterable[Record], gone: list[Key]) -> dict[str, int]:
        if self._store.epoch:
            return dict(await self._store.publish(records, [str(key) for key in gone]))
        return dict(await self._store.begin(records))

    async def _forget(self, record: Record) -> None:
        if record.key.startswith("callback/"):
            await self._census.forget_callback(getattr(record, "id", ""))

    async def _begin_anew(self) -> None:
        """Redis has lost the records, or somebody else has written there: go on with what is there now."""
        with contextlib.suppress(StorageUnavailable, StorageRefused):
            await self.adopt()
