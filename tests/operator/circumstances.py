"""Objects of every kind in every state that tools which wait must tell apart, as the operator really plans them.

Each circumstance is a world, the object to look at, and what kstatus and Argo CD should make of it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tests.operator.worlds import (
    EVERYBODY,
    NOW,
    World,
    callback,
    callback_test,
    organization,
    product,
    provider,
    replay,
    topic,
)

from angarium.identifiers import resource_id
from angarium.queue import CallbackHealth
from angarium.resources import CallbackStatus, ObjectMeta
from angarium_operator.planning import Broken, DataPlane, Key
from angarium_operator.planning.orders import ReplayProgress, TrialProgress
from angarium_operator.planning.records import endpoint_token
from angarium_operator.planning.snapshot import SecretName
from angarium_operator.planning.verdicts import no

Object = dict[str, Any]
ISSUER = {"jwt": {"issuer": "https://login.example.com", "audience": "shop"}}
TEMPLATED = {"integrations": [{"name": "warehouse", "callbackRef": {"name": "warehouse"}}], "variables": {"order": {}}}


@dataclass(frozen=True)
class Circumstance:
    """`kstatus`, `argo`: what is expected of them; `reason`: of what is waited for, or empty where there is none."""

    name: str
    of: tuple[str, str]  # kind and name
    kstatus: str
    argo: str
    reason: str
    world: Callable[[], World]

    def object(self) -> Object:
        """As the API server gives it."""
        return manifest(self.world(), *self.of)

    def __str__(self) -> str:
        return self.name


def manifest(world: World, kind: str, name: str) -> Object:
    """An object of a world."""
    found = world.snapshot.objects[Key(kind, "shop", name)]
    given: Object = found.model_dump(mode="json", by_alias=True, exclude_none=True)
    given["status"] = {"observedGeneration": -1} | given["status"]  # the default in the CRDs
    return given


def settled(*resources: Any) -> World:
    """A world in which all is done that can be done."""
    world = World(*resources)
    world.give(username="shop", password="s3cret")
    world.settle()
    return world


def edited() -> World:
    world = settled(product())
    world.change(product(spec={"displayName": "Web shop"}))
    return world


def without_data_plane() -> World:
    world = World(product())
    world.snapshot.plane = DataPlane()
    world.settle()
    return world


def not_yet_applied() -> World:
    world = World(product(), callback())
    world.snapshot.plane = DataPlane({"gateway": 0, "deliverer": 0})
    world.settle()
    return world


def record_rejected() -> World:
    world = settled(product())
    floors = {"gateway": EVERYBODY, "deliverer": EVERYBODY}
    world.snapshot.plane = DataPlane(floors, {"product/shop/shop": "gateway gateway-0"})
    world.settle()
    return world


def redis_away() -> World:
    world = World(product())
    world.snapshot.stored = False
    world.settle()
    return world


def name_taken() -> World:
    world = World(product())
    world.snapshot.foreign.add(SecretName("shop", "shop-angarium"))
    world.settle()
    return world


def unreadable() -> World:
    world = settled(product(), callback())
    meta = ObjectMeta(name="warehouse", namespace="shop", uid="uid-warehouse", generation=1)
    key = Key("callback", "shop", "warehouse")
    world.snapshot.put_broken(key, Broken(meta, CallbackStatus(), "spec.events: too many"))
    world.carry_out(key, world.plan(*key[::2]))
    return world


def endpoint_down() -> World:
    world = settled(product(), callback())
    since, now = int((NOW - timedelta(hours=1)).timestamp() * 1000), int(NOW.timestamp() * 1000)
    known = CallbackHealth(
        failures=40,
        failing_since_ms=since,
        failed_ms=now,
        reason="http_503",
        endpoint=endpoint_token(callback()),
        open_until_ms=now + 30_000,
        recent=40,
        recent_failed=40,
    )
    world.snapshot.health = {resource_id("cbk", "uid-warehouse"): known}
    world.settle()
    return world


def account_refuses() -> World:
    world = settled(product(), provider())
    world.answer("mail", no("AuthenticationFailed", "535 go away"))
    world.settle()
    return world


def secret_incomplete() -> World:
    world = World(product(), provider())
    world.give(username="shop")
    world.settle()
    return world


def replaying(state: Any = None, spec: Object | None = None) -> World:
    """A replay of which the loop has told this."""
    world = settled(product(), callback(), replay(spec=spec))
    if state is not None:
        told = ReplayProgress(resource_id("rpl", "uid-outage"), state, 40, 40, 0)
        world.snapshot.put_progress(Key("replay", "shop", "outage"), told)
        world.settle()
    return world


def after_test(reason: str | None = None) -> World:
    """A test of a callback; with a reason, or none, of its end."""
    world = settled(product(), callback(), callback_test())
    if reason is not None:
        key = Key("callbacktest", "shop", "try")
        told = TrialProgress(resource_id("cbt", "uid-try"), True, not reason, reason, {"reason": reason}, world.now)
        world.snapshot.put_progress(key, told)
        world.settle()
    return world


def being_deleted() -> World:
    world = settled(product())
    world.snapshot.put(product(deletionTimestamp="2026-11-21T12:00:00Z", finalizers=["example.com/theirs"]))
    return world


ELSEWHERE = {"productRef": {"name": "shop", "namespace": "other"}}
OF_REPLAY, OF_TEST = ("replay", "outage"), ("callbacktest", "try")
SUSPENDED = {"suspend": True}
CIRCUMSTANCES = (
    Circumstance("replay begins", OF_REPLAY, "InProgress", "Progressing", "Pending", replaying),
    Circumstance("replay counts", OF_REPLAY, "InProgress", "Progressing", "Counting", lambda: replaying("Counting")),
    Circumstance(
        "replay suspended", OF_REPLAY, "InProgress", "Suspended", "Suspended", lambda: replaying(spec=SUSPENDED)
    ),
    Circumstance("replay complete", OF_REPLAY, "Current", "Healthy", "Completed", lambda: replaying("Completed")),
    Circumstance("test begins", OF_TEST, "InProgress", "Progressing", "Pending", after_test),
    Circumstance("test succeeded", OF_TEST, "Current", "Healthy", "Delivered", lambda: after_test("")),
    Circumstance("test failed", OF_TEST, "Failed", "Degraded", "Http503", lambda: after_test("http_503")),
    Circumstance("product unseen", ("product", "shop"), "InProgress", "Progressing", "", lambda: World(product())),
    Circumstance("product ready", ("product", "shop"), "Current", "Healthy", "Ready", lambda: settled(product())),
    Circumstance("product edited", ("product", "shop"), "InProgress", "Progressing", "Ready", edited),
    Circumstance("product being deleted", ("product", "shop"), "Terminating", "Progressing", "", being_deleted),
    Circumstance(
        "no gateway lives", ("product", "shop"), "InProgress", "Progressing", "DataPlaneUnavailable", without_data_plane
    ),
    Circumstance("not yet applied", ("product", "shop"), "InProgress", "Progressing", "Pending", not_yet_applied),
    Circumstance("redis away", ("product", "shop"), "InProgress", "Progressing", "Pending", redis_away),
    Circumstance(
        "record of another version", ("product", "shop"), "InProgress", "Progressing", "Rejected", record_rejected
    ),
    Circumstance("secret's name taken", ("product", "shop"), "Failed", "Degraded", "SecretConflict", name_taken),
    Circumstance(
        "audience taken",
        ("product", "shop"),
        "Failed",
        "Degraded",
        "AudienceTaken",
        lambda: settled(
            product("first", ISSUER, creationTimestamp="2026-11-20T00:00:00Z"),
            product("shop", ISSUER, creationTimestamp="2026-11-21T00:00:00Z"),
        ),
    ),
    Circumstance(
        "organization ready",
        ("organization", "acme"),
        "Current",
        "Healthy",
        "Ready",
        lambda: settled(product(), organization()),
    ),
    Circumstance(
        "namespace not admitted",
        ("organization", "acme"),
        "InProgress",
        "Progressing",
        "NamespaceNotAllowed",
        lambda: settled(product(namespace="other"), organization(spec=ELSEWHERE)),
    ),
    Circumstance(
        "callback ready",
        ("callback", "warehouse"),
        "Current",
        "Healthy",
        "Ready",
        lambda: settled(product(), callback()),
    ),
    Circumstance(
        "product not there",
        ("callback", "warehouse"),
        "InProgress",
        "Progressing",
        "ProductNotFound",
        lambda: settled(callback()),
    ),
    Circumstance(
        "address refused",
        ("callback", "warehouse"),
        "Failed",
        "Degraded",
        "AddressRefused",
        lambda: settled(product(), callback(spec={"url": "http://10.0.0.7/hooks"})),
    ),
    Circumstance(
        "callback suspended",
        ("callback", "warehouse"),
        "Current",
        "Suspended",
        "Ready",
        lambda: settled(product(), callback(spec={"suspend": True})),
    ),
    Circumstance("endpoint down", ("callback", "warehouse"), "Current", "Healthy", "Ready", endpoint_down),
    Circumstance("unreadable", ("callback", "warehouse"), "Failed", "Degraded", "Invalid", unreadable),
    Circumstance(
        "provider ready", ("provider", "mail"), "Current", "Healthy", "Ready", lambda: settled(product(), provider())
    ),
    Circumstance("account refuses", ("provider", "mail"), "Current", "Healthy", "Ready", account_refuses),
    Circumstance(
        "their secret incomplete",
        ("provider", "mail"),
        "InProgress",
        "Progressing",
        "SecretKeyMissing",
        secret_incomplete,
    ),
    Circumstance(
        "topic ready",
        ("topic", "paid"),
        "Current",
        "Healthy",
        "Ready",
        lambda: settled(product(), callback(), topic()),
    ),
    Circumstance(
        "example fails",
        ("topic", "paid"),
        "Failed",
        "Degraded",
        "ExampleFails",
        lambda: settled(
            product(), callback(), topic(spec=TEMPLATED | {"examples": [{"name": "empty", "metadata": {}}]})
        ),
    ),
    Circumstance(
        "path taken",
        ("topic", "paid"),
        "Failed",
        "Degraded",
        "PathTaken",
        lambda: settled(
            product(),
            callback(),
            topic("first", creationTimestamp="2026-11-20T00:00:00Z"),
            topic("paid", creationTimestamp="2026-11-21T00:00:00Z"),
        ),
    ),
)
