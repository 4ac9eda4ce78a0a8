"""Small worlds for planning: a snapshot with a shop in it, and time that stands still."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from angarium.resources import (
    Callback,
    CallbackTest,
    Organization,
    Product,
    Provider,
    Replay,
    Resource,
    Topic,
)
from angarium.sealing import Sealer, generate_seal_key
from angarium_operator.planning import (
    DataPlane,
    Finding,
    Key,
    ManagedSecret,
    Plan,
    Policy,
    Probe,
    Published,
    Snapshot,
    plan,
)
from angarium_operator.planning.snapshot import SecretName
from angarium_operator.planning.status import fingerprint, status_of
from angarium_operator.planning.verdicts import Verdict

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
SEAL_KEY = generate_seal_key()
EVERYBODY = 1 << 40  # a revision that all have applied
Manifest = dict[str, Any]


def metadata(name: str, namespace: str = "shop", **more: Any) -> Manifest:
    """Of an object that the API server has given a uid."""
    return {"name": name, "namespace": namespace, "uid": f"uid-{name}", "generation": 1} | more


def product(name: str = "shop", spec: Manifest | None = None, **meta: Any) -> Product:
    """A Product."""
    return Product.model_validate({"metadata": metadata(name, **meta), "spec": spec or {}})


def organization(name: str = "acme", spec: Manifest | None = None, **meta: Any) -> Organization:
    """An Organization of the shop."""
    given = {"productRef": {"name": "shop"}} | (spec or {})
    return Organization.model_validate({"metadata": metadata(name, **meta), "spec": given})


def callback(name: str = "warehouse", spec: Manifest | None = None, **meta: Any) -> Callback:
    """A Callback of the shop."""
    given: Manifest = {"productRef": {"name": "shop"}, "events": ["order.*"], "url": "https://warehouse.example.com"}
    return Callback.model_validate({"metadata": metadata(name, **meta), "spec": given | (spec or {})})


def provider(name: str = "mail", spec: Manifest | None = None, **meta: Any) -> Provider:
    """A Provider of the shop, with its Secret "mail"; a block in `spec` takes the place of smtp."""
    smtp = {"host": "smtp.example.com", "from": "Shop <no-reply@example.com>"}
    given: Manifest = {"productRef": {"name": "shop"}, "secretRef": {"name": "mail"}, "smtp": smtp}
    return Provider.model_validate({"metadata": metadata(name, **meta), "spec": given | (spec or {})})


def topic(name: str = "paid", spec: Manifest | None = None, **meta: Any) -> Topic:
    """A Topic of the shop, that its callback "warehouse" hears of."""
    integrations = [{"name": "warehouse", "callbackRef": {"name": "warehouse"}}]
    given: Manifest = {"productRef": {"name": "shop"}, "path": "orders/paid", "integrations": integrations}
    return Topic.model_validate({"metadata": metadata(name, **meta), "spec": given | (spec or {})})


def replay(name: str = "outage", spec: Manifest | None = None, **meta: Any) -> Replay:
    """A Replay of the shop's dead letters, made just now."""
    made = metadata(name, **{"creationTimestamp": NOW.isoformat()} | meta)
    return Replay.model_validate(
        {"metadata": made, "spec": {"productRef": {"name": "shop"}, "select": {}} | (spec or {})}
    )


def callback_test(name: str = "try", spec: Manifest | None = None, **meta: Any) -> CallbackTest:
    """A CallbackTest of the callback "warehouse", made just now."""
    made = metadata(name, **{"creationTimestamp": NOW.isoformat()} | meta)
    return CallbackTest.model_validate(
        {"metadata": made, "spec": {"callbackRef": {"name": "warehouse"}} | (spec or {})}
    )


class World:
    """A snapshot, and a clock; `settle` carries plans out as the operator would."""

    def __init__(self, *resources: Resource) -> None:
        sealer = Sealer([SEAL_KEY])
        self.snapshot = Snapshot(Policy("http://gateway.angarium:8480", sealer, sealer))
        self.snapshot.plane = DataPlane({"gateway": EVERYBODY, "deliverer": EVERYBODY})
        self.now = NOW
        self.revision = 0
        self.people: dict[str, Mapping[str, str]] = {}  # Secrets that are not ours
        self.probed: list[Probe] = []
        for resource in resources:
            self.snapshot.put(resource)

    def plan(self, kind: str, name: str, namespace: str = "shop") -> Plan:
        """The plan for one object."""
        return plan(self.snapshot, Key(kind, namespace, name), self.now)

    def settle(self) -> list[str]:
        """Plan and carry out until nothing is left to do; the reasons of all that was said, in order."""
        said: list[str] = []
        for _ in range(10):
            plans = {key: plan(self.snapshot, key, self.now) for key in [*self.snapshot.everything()]}
            for key, planned in plans.items():
                said += [each.reason for each in planned.announcements]
                self.carry_out(key, planned)
            if all(planned.empty and not planned.read for planned in plans.values()):
                return said
        raise AssertionError(f"it never settles: {said}")

    def carry_out(self, key: Key, planned: Plan) -> None:
        """Write what the plan asks for into the snapshot."""
        if planned.read:
            self.snapshot.put_referred(SecretName(key.namespace, planned.read), self.people.get(planned.read))
        if planned.probe is not None:
            self.probed.append(planned.probe)
        self.snapshot.pending.pop(key, None)
        if planned.pending:
            self.snapshot.pending[key] = planned.pending
        if planned.withdraw:
            del self.snapshot.published[key]
        if planned.record is not None:
            self.revision += 1
            before = self.snapshot.published.get(key)
            self.snapshot.published[key] = Published.of(self.revision, planned.record, before)
        if planned.secret is not None:
            made = planned.secret
            self.write(made.name, made.data, made.owner.uid, made.type, namespace=made.namespace)
        if planned.status is not None:
            held = self.snapshot.objects[key]
            after = held.model_dump(mode="json", by_alias=True, exclude_none=True) | {"status": planned.status}
            self.snapshot.put(type(held).model_validate(after))
            self.snapshot.counted[key] = self.now
            self.snapshot.written[key] = fingerprint(status_of(self.snapshot.objects[key]))
        self.snapshot.restored.discard(key)

    def write(
        self,
        name: str,
        data: Mapping[str, str],
        owner: str = "",
        type_: str = "Opaque",
        *,
        namespace: str = "shop",
        **more: Any,
    ) -> None:
        """A Secret with our label."""
        labels = {"app.kubernetes.io/managed-by": "angarium"}
        owners = (owner,) if owner else ()
        self.snapshot.put_secret(ManagedSecret(namespace, name, type_, data, labels, owners, **more))

    def give(self, name: str = "mail", **data: str) -> None:
        """A Secret of a person's; `account_sid` stands for account-sid."""
        self.people[name] = {key.replace("_", "-"): value for key, value in data.items()}
        self.snapshot.doubt_referred(SecretName("shop", name))

    def answer(self, name: str, verdict: Verdict, **again: float) -> None:
        """To the last probe: asked again after a time, or ten minutes."""
        finding = Finding(self.probed[-1].token, verdict, self.now + timedelta(**again or {"minutes": 10}))
        self.snapshot.put_finding(Key("provider", "shop", name), finding)

    def secret(self, name: str) -> Mapping[str, str]:
        """What a Secret holds."""
        return next(found.data for found in self.snapshot.secrets.values() if found.name == name)

    def edit(self, name: str, **data: str) -> None:
        """Change a Secret as a person would."""
        key, found = next((key, found) for key, found in self.snapshot.secrets.items() if found.name == name)
        changed = {label.replace("_", "-"): value for label, value in data.items()}
        self.snapshot.secrets[key] = replace(found, data={**found.data, **changed})

    def annotate(self, kind: str, name: str, annotation: str, value: str) -> None:
        """Set an annotation of ours."""
        before = self.snapshot.objects[Key(kind, "shop", name)]
        meta = before.metadata.model_copy(update={"annotations": {f"angarium.dev/{annotation}": value}})
        self.snapshot.put(before.model_copy(update={"metadata": meta}))

    def change(self, resource: Resource) -> None:
        """A new generation of an object, with the status it had."""
        before = self.snapshot.objects[Key.of(resource)]
        generation = before.metadata.generation + 1
        meta = resource.metadata.model_copy(update={"generation": generation})
        self.snapshot.put(resource.model_copy(update={"metadata": meta, "status": getattr(before, "status")}))  # noqa: B009 - each kind has one

    def status(self, kind: str, name: str, namespace: str = "shop") -> Any:
        """The status of an object."""
        return getattr(self.snapshot.objects[Key(kind, namespace, name)], "status")  # noqa: B009 - likewise

    def verdict(self, kind: str, name: str, type_: str, namespace: str = "shop") -> tuple[str, str, str]:
        """Status, reason and message of a condition."""
        found = next(each for each in self.status(kind, name, namespace).conditions if each.type == type_)
        return found.status, found.reason, found.message

    def pass_time(self, **period: float) -> None:
        """Let time pass."""
        self.now += timedelta(**period)
