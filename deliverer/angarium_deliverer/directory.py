"""The callbacks this deliverer knows, each with its opened signing keys and its policy."""

from dataclasses import dataclass

import orjson

from angarium.config import ConfigTail
from angarium.records import AnyRecord, CallbackRecord
from angarium.retries import DEFAULT_SCHEDULE, RetryPolicy
from angarium.sealing import Sealer, SealError
from angarium.signing import Signer


@dataclass(frozen=True, slots=True)
class Subscriber:
    """A callback, ready to be delivered to."""

    record: CallbackRecord
    signer: Signer
    policy: RetryPolicy


class Directory:
    """Follows the config. A callback whose keys can't be opened is rejected, and its last good record stays."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer
        self._prepared: dict[str, Subscriber] = {}  # by record key, while a set of changes is read
        self._by_key: dict[str, Subscriber] = {}
        self._by_id: dict[str, Subscriber] = {}

    def follow(self, tail: ConfigTail) -> None:
        """Hear of changes."""
        tail.listen(self._changed)

    def get(self, callback: str) -> Subscriber | None:
        """By cbk_ id."""
        return self._by_id.get(callback)

    def accept(self, record: AnyRecord) -> None:
        """Open a callback's keys; raises ValueError, for ConfigTail to reject the record."""
        if isinstance(record, CallbackRecord):
            self._prepared[record.key] = self._subscriber(record)

    def _subscriber(self, record: CallbackRecord) -> Subscriber:
        try:
            keys = orjson.loads(self._sealer.open(record.sealed_signing_keys))
        except SealError as error:
            raise ValueError(str(error)) from error
        schedule = DEFAULT_SCHEDULE if record.retry_schedule_s is None else record.retry_schedule_s
        return Subscriber(record, Signer(keys), RetryPolicy(schedule, frozenset(record.non_retryable_statuses)))

    def _changed(self, changes: dict[str, AnyRecord | None]) -> None:
        for key, record in changes.items():
            before = self._by_key.pop(key, None)
            if before:
                self._by_id.pop(before.record.id, None)
            if isinstance(record, CallbackRecord):
                subscriber = self._prepared[key]
                self._by_key[key] = self._by_id[subscriber.record.id] = subscriber
        self._prepared.clear()
