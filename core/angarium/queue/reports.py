"""Reports: what carriers tell of messages, on its way from a gateway, which can't check it, to a deliverer, which can.

Only deliverers hold the credentials by which a report is known to be the carrier's. A gateway keeps what may be one,
and only for a delivery that waits, whose id nobody guesses: so strangers fill nothing. A deliverer that dies over a
report leaves it to the next; dealing with it twice does nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from angarium.identifiers import DeliveryReference, InvalidIdentifier, parse_delivery_id
from angarium.keys import ShardKeys
from angarium.notifications import Notification
from angarium.queue.codec import read_doc
from angarium.queue.endings import Ending
from angarium.queue.queue import Queue, script
from angarium.retries import Move

NOTE = script("note")
HEAR = script("hear", prelude="")
REPORT = script("report")
MOST_KEPT = 10_000  # in each shard
HEARD_AGAIN_MS = 2000


class Report(BaseModel):
    """A request of a carrier, as it came: it holds recipients, and so is not shown. `signature` proves who made it.

    It does not say when it came, so that it is the same when it comes again.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")  # an older deliverer may read a newer gateway's

    delivery: str
    provider: str  # its prv_ id
    query: str = Field(repr=False)  # of the URL that was called, as it stood there
    body: str = Field(repr=False)
    signature: str = Field(repr=False)


@dataclass(frozen=True, slots=True)
class Heard:
    """A report that was handed out; `report` is None where it can't be read."""

    keys: ShardKeys
    text: bytes
    report: Report | None

    @property
    def delivery(self) -> DeliveryReference:
        """What it is about."""
        if self.report is None:
            raise InvalidIdentifier("the report can't be read")
        return parse_delivery_id(self.report.delivery)


@dataclass(frozen=True, slots=True)
class Told:
    """What a report says that was checked. `message` is the carrier's name for what was sent, `maybe` how a reference
    begins that says only that it may have been sent; both as the delivery's own reference has them."""

    move: Move  # DELIVERED or REFUSED
    reason: str
    timeline: bytes
    message: str
    maybe: str
    announced: bool = False  # somebody wants to hear of the notification's end


class Reports:
    """The gateway's side (`note`) and the deliverers' (`hear`, `settle`, `drop`)."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self.ended: Callable[[Ending], None] = lambda _: None  # hears of ends that are to be announced

    async def note(self, report: Report) -> Literal["kept", "late", "full"]:
        """Keep it while its delivery waits; raises InvalidIdentifier where its delivery can't be one."""
        delivery = parse_delivery_id(report.delivery)
        keys = self._queue.keys_of(delivery.notification)
        if keys not in self._queue.shards:
            raise InvalidIdentifier("there is no such shard")
        text = report.model_dump_json()
        answer = await NOTE.run(
            self._queue.link, [keys.counters], [delivery.notification, delivery.index, text, MOST_KEPT]
        )
        return "kept" if answer == b"kept" else "full" if answer == b"full" else "late"

    async def hear(self, keys: ShardKeys, limit: int, again_ms: int = HEARD_AGAIN_MS) -> list[Heard]:
        """Some that nobody is dealing with."""
        texts = await HEAR.run(self._queue.link, [keys.reports], [limit, again_ms])
        return [Heard(keys, text, _read(text)) for text in texts]

    async def about(self, heard: Heard) -> Notification | None:
        """The notification that it is about, without its body; None: its delivery waits no longer."""
        delivery = heard.delivery
        key = heard.keys.notification(delivery.notification)
        doc, state = await self._queue.link.call("HMGET", key, "doc", delivery.index)
        return read_doc(delivery.notification, doc) if doc and (state or b"").startswith(b"waiting ") else None

    async def settle(self, heard: Heard, notification: Notification, told: Told) -> Literal["settled", "busy", "over"]:
        """End its delivery; `busy` where an attempt is under way, so that it is heard again later."""
        index = heard.delivery.index
        target = notification.targets[index]
        answer = await REPORT.run(
            self._queue.link,
            [heard.keys.counters],
            [heard.text, notification.id, index, notification.tenant, target.id, told.move.value, told.reason,
             told.timeline, notification.retention_s, told.message, told.maybe,
             "1" if told.announced else ""],
        )  # fmt: skip
        if not isinstance(answer, list):
            return "busy" if answer == b"busy" else "over"
        if len(answer) > 1:
            self.ended(Ending(answer[1].decode("ascii"), answer[2]))
        return "settled"

    async def drop(self, heard: Heard) -> None:
        """Hear it no more."""
        await self._queue.link.call("ZREM", heard.keys.reports, heard.text)


def _read(text: bytes) -> Report | None:
    try:
        return Report.model_validate_json(text)
    except ValidationError:
        return None
