"""A notification's timeline as people read it, told from the moment it was accepted."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any

Entry = Mapping[str, Any]
Remark = Callable[[Entry], str]


def nothing(_: Entry) -> str:
    """No remark."""
    return ""


def lines(entries: Sequence[Entry], remark: Remark = nothing, *, many: bool = False) -> Iterator[str]:
    """A line for each entry; `many` names the callback of each, `remark` may add what else is known of an attempt."""
    for entry in entries:
        offset = (_time(entry["at"]) - _time(entries[0]["at"])).total_seconds()
        yield f"  {f'+{offset:.3f}':>6} s  {describe(entry, remark, many=many)}".rstrip()


def describe(entry: Entry, remark: Remark = nothing, *, many: bool = False) -> str:
    """One entry, without its time."""
    to = f"  → {whom(entry)}" if many and whom(entry) else ""
    if entry["type"] == "attempt":
        took = f"{answer(entry)}, {entry['durationMs']} ms"
        return "   ".join(filter(None, (f"attempt {entry['number']}", took, remark(entry), _next(entry)))) + to
    by = f" by {entry['by']}" if entry.get("by") and entry["type"] != "accepted" else ""
    why = f": {entry['reason']}" if entry.get("reason") else ""
    return f"{entry['type']}{why}{by}{to}"


def whom(delivery: Entry) -> str:
    """A callback's name, the recipient's address, or a group's name."""
    for kind in ("group", "user"):
        if kind in delivery:
            return f"{kind} {delivery[kind]}"
    return str(delivery.get("callback") or f"{delivery.get('channel', '')} {delivery.get('to', '')}".strip())


def answer(entry: Entry) -> str:
    """`503 Service Unavailable`, or why there was no answer."""
    status = (entry.get("response") or {}).get("status")
    if status:
        return f"{status} {phrase(status)}".rstrip()
    return str(entry.get("detail") or entry.get("reason") or entry.get("outcome"))


def phrase(status: int) -> str:
    """The words that go with a status; none where it is unknown."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _next(entry: Entry) -> str:
    if due := entry.get("nextAttemptAt"):
        return f"retry in {(_time(due) - _time(entry['at'])).total_seconds():.1f} s"
    return "" if entry.get("outcome") in {"delivered", "sent"} else f"{entry.get('outcome')}: {entry.get('reason')}"


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
