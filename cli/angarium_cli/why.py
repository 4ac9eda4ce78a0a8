"""Why a notification was not delivered, as a page of text: the cause, what happens next, what to do."""

from datetime import UTC, datetime
from typing import Any

from angarium_cli.timeline import whom

Entry = dict[str, Any]
SAID = frozenset({"delivered"})  # states that need no more than a line


def explanation(document: Entry, now: datetime | None = None) -> str:
    """Of `why`. What is alike for several deliveries is told once."""
    now = now or datetime.now(UTC)
    lines = [f"{document['id']} {document['event']}: {document['status']}"]
    lines += [f"  ! {note}" for note in document.get("notes", ())]
    deliveries = document["deliveries"]
    if not deliveries:
        return "\n".join([*lines, *_body(document, now, "  ")])
    if len(deliveries) > 1 or document["more"]:
        lines.append(f"  {document['because']}")
    for alike in _alike(deliveries):
        names = ", ".join(whom(each) for each in alike[:3]) + (f" and {len(alike) - 3} more" if len(alike) > 3 else "")
        lines.append(f"  {names}: {alike[0]['state'].replace('_', ' ')}")
        lines += _body(alike[0], now, "    ")
    if recipients := document.get("recipients"):
        lines += _recipients(recipients, now)
    return "\n".join(lines)


def _alike(deliveries: list[Entry]) -> list[list[Entry]]:
    found: dict[tuple[str, ...], list[Entry]] = {}
    for each in deliveries:
        sign = (each["state"], *(("", "") if each["state"] in SAID else (each["because"], *each["do"])))
        found.setdefault(sign, []).append(each)
    return list(found.values())


def _body(told: Entry, now: datetime, indent: str) -> list[str]:
    lines = [f"{indent}{told['because']}"]
    if "next" in told:
        lines.append(f"{indent}next: {told['next']['what']}{_when(told['next'].get('at'), now)}")
    return lines + [f"{indent}do:   {step}" for step in told["do"]]


def _when(at: str | None, now: datetime) -> str:
    if at is None:
        return ""
    left = (datetime.fromisoformat(at) - now).total_seconds()
    return f", at {at}" + (f" (in {_span(left)})" if left > 0 else "")


def _span(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _recipients(told: Entry, now: datetime) -> list[str]:
    lines = [f"  refused {each['count']} × {each['reason']}: {each['because']}" for each in told["refused"]]
    if told["more"]:
        lines.append("  … and more that were refused")
    if waiting := told.get("waiting"):
        lines.append(f"  the first that waits, {whom(waiting)}: {waiting['state'].replace('_', ' ')}")
        lines += _body(waiting, now, "    ")
    return lines
