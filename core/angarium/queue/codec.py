"""How notifications, deliveries and tickets are written in Redis, and read back."""

import struct
from dataclasses import astuple, dataclass
from typing import Any

import orjson

from angarium.identifiers import delivery_id
from angarium.notifications import Delivery, DeliveryState, Notification, Priority, Recipients, Target


@dataclass(slots=True)  # not frozen: angarium.notifications says why
class Ticket:
    """Stands for a delivery wherever it waits; its text is made by enqueue.lua."""

    text: str
    notification: str
    index: int
    tenant: str
    callback: str
    lane: str


def parse_ticket(text: bytes) -> Ticket:
    """Read a ticket from a stream entry."""
    plain = text.decode("ascii")
    notification, index, tenant, callback, lane = plain.split(" ")
    return Ticket(plain, notification, int(index), tenant, callback, lane)


def write_doc(notification: Notification, last: str = "") -> bytes:
    """All of a notification but its id and body; short names, since each notification carries them.

    `last`: the member that is to stand at the end, for a script that adds to it.
    """
    doc: dict[str, Any] = {
        "t": notification.tenant,
        "p": notification.product,
        "e": notification.event,
        "y": notification.priority.value,
        "c": notification.created_ms,
        "k": [
            [target.id, target.name, target.to, target.content] if target.to else [target.id, target.name]
            for target in notification.targets
        ],
        "r": notification.retention_s,
        "b": notification.by,
        "v": notification.config_revision,
    }
    if notification.due_ms:
        doc["d"] = notification.due_ms
    if notification.test:
        doc["x"] = True
    if notification.expires_ms:
        doc["z"] = notification.expires_ms
    if notification.dedup:
        doc["u"] = notification.dedup
    if notification.part_of:
        doc["o"] = notification.part_of
    if notification.trace:
        doc["w"] = notification.trace
    if last:
        doc[last] = doc.pop(last)
    return orjson.dumps(doc)


def write_target(target: Target) -> bytes:
    """One of a notification for recipients, as its doc has it."""
    return orjson.dumps([target.id, target.name, target.to, target.content])


def read_doc(notification: str, doc: bytes, body: bytes = b"") -> Notification:
    """The inverse of write_doc."""
    read = orjson.loads(doc)
    return Notification(
        id=notification,
        tenant=read["t"],
        product=read["p"],
        event=read["e"],
        body=body,
        priority=Priority(read["y"]),
        created_ms=read["c"],
        targets=tuple(Target(*target) for target in read["k"]),
        due_ms=read.get("d", 0),
        retention_s=read["r"],
        by=read["b"],
        test=read.get("x", False),
        expires_ms=read.get("z", 0),
        config_revision=read["v"],
        dedup=read.get("u", ""),
        part_of=read.get("o", ""),
        trace=read.get("w", ""),
    )


def read_delivery(
    notification: Notification, index: int, state: bytes, recipients: Recipients | None = None
) -> Delivery:
    """A delivery from its field: `<state> <attempts> <due ms> <changed ms> <recoveries> <fence> <started> <reason>`."""
    name, attempts, due, changed, recoveries, _fence, started, reason = state.decode("ascii").split(" ", 7)
    waiting = name == DeliveryState.WAITING
    return Delivery(
        id=delivery_id(notification.id, index),
        target=notification.targets[index],
        state=DeliveryState(name),
        attempts=int(attempts),
        due_ms=int(due) if waiting else 0,
        changed_ms=int(changed),
        reason="" if reason == "-" else reason,
        recoveries=int(recoveries),
        started=started == "1",
        recipients=recipients,
    )


@dataclass(frozen=True, slots=True)
class Standing:
    """How a callback stands in one shard, in the order of lines.lua; times in ms, `rate_from` in µs."""

    in_flight: int = 0
    full: int = 0  # 1: somebody waits for one in flight to land; below 0: it has, or had, no share (lines.lua)
    rate_from: int = 0
    probe: int = 0  # when the next probe may be made; 0: the circuit is closed
    opened: int = 0
    window: int = 0
    good: int = 0
    bad: int = 0
    was_good: int = 0
    was_bad: int = 0
    delivered: int = 0
    first_failure: int = 0
    last_failure: int = 0
    failures: int = 0  # in a row
    endpoint: str = ""
    reason: str = ""


_NUMBERS = struct.Struct("<14d")


def write_standing(standing: Standing) -> bytes:
    """As lines.lua packs it."""
    *numbers, endpoint, reason = astuple(standing)
    return _NUMBERS.pack(*numbers) + f"{endpoint}\0{reason}\0".encode()


def read_standing(raw: bytes) -> Standing:
    """The inverse."""
    endpoint, reason, _ = raw[_NUMBERS.size :].decode().split("\0")
    values: list[Any] = [*map(int, _NUMBERS.unpack_from(raw)), endpoint, reason]
    return Standing(*values)


def pairs(reply: Any) -> dict[bytes, bytes]:
    """A map reply as a dict: RESP3 answers a map, RESP2 and scripts a flat list."""
    if isinstance(reply, dict):
        return reply
    return dict(zip(reply[::2], reply[1::2], strict=True))
