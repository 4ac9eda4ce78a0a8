"""What `angarium dev` tells whoever watches it, one thing a line."""

import logging
import shlex
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from angarium.resources import Callback, CallbackTest, Condition, Provider, Replay, Topic
from angarium_cli.dev.manifests import Object, Problem
from angarium_operator.planning import Announcement, Key

INDENT = "  "
KEYS_SAY = {"KeyRotated", "KeyRetired", "SecretRepaired"}
CIRCUITS_SAY = {"CircuitOpen", "CircuitClosed", "AutoDisablePending", "AutoDisabled"}
SAID = KEYS_SAY | CIRCUITS_SAY | {"EndpointFailing", "EndpointRecovered", "EndpointEnabled"}
OUTCOMES: dict[type[Object], str] = {Replay: "Complete", CallbackTest: "Succeeded"}
UNREMARKABLE = {None, "Healthy", "Unknown"}
STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def say(line: str = "") -> None:
    """One line, at once, whatever it goes to."""
    print(line, flush=True)


def condition(resource: Object, type_: str = "") -> Condition | None:
    """One of an object's conditions, as far as it is known; else the one that counts."""
    type_ = type_ or OUTCOMES.get(type(resource), "Ready")
    return next((each for each in resource.status.conditions if each.type == type_), None)


def name_of(key: Key, *, several: bool) -> str:
    """`callback/warehouse`, and of which namespace where there are several."""
    return f"{key.namespace}: {key.kind}/{key.name}" if several else f"{key.kind}/{key.name}"


def object_line(name: str, resource: Object, secrets: Path | None) -> str:
    """`callback/warehouse      Ready   order.*  → http://127.0.0.1:8481/hooks`"""
    state = condition(resource)
    if state is not None and type(resource) in OUTCOMES:
        return f"{INDENT}{name}   {state.reason}   {state.message}"
    if state is None or state.status != "True":
        why = f"{state.reason}: {state.message}" if state else "not looked at yet"
        return f"{INDENT}{name}   NotReady   {why}"
    if isinstance(resource, Callback):
        suspended = "   suspended" if resource.spec.suspend else ""
        return f"{INDENT}{name}   Ready   {', '.join(resource.spec.events)}  → {resource.status.url}{suspended}"
    if isinstance(resource, Provider):
        suspended = "   suspended" if resource.spec.suspend else ""
        carries = f"{', '.join(resource.status.channels)} by {resource.spec.type}"
        return f"{INDENT}{name}   Ready   {carries}{suspended}{authenticated(resource)}"
    if isinstance(resource, Topic):
        suspended = "   suspended" if resource.spec.suspend else ""
        asked = f"   hash  {secrets / 'topic-hash'}" if secrets else ""
        return f"{INDENT}{name}   Ready   {resource.spec.path}{suspended}{asked}"
    return f"{INDENT}{name}   Ready" + (f"   key  {secrets / 'api-key'}" if secrets else "")


def authenticated(provider: Provider) -> str:
    """What its account said to the credentials, once it has."""
    said = condition(provider, "Authenticated")
    if said is None or said.reason == "Pending":
        return ""
    return f"   {said.reason}" if said.status == "True" else f"   {said.reason}: {said.message}"


def health(resource: Object) -> str:
    """What else to say of a callback whose endpoint doesn't fare well; announcements tell when that changes."""
    fares = resource.status.health if isinstance(resource, Callback) else None
    return "" if fares in UNREMARKABLE else f"   {fares}"


def curl(url: str, key_file: Path, event: str) -> Iterable[str]:
    """A command ready to paste."""
    yield f'{INDENT}curl -s {url}/v1/notifications -H "Authorization: Bearer $(cat {shlex.quote(str(key_file))})" \\'
    yield f'{INDENT}     -H "Idempotency-Key: order-1042" --json \'{{"event": "{event}", "data": {{"order": 1042}}}}\''


def example_event(patterns: Iterable[str]) -> str:
    """An event that the first of these takes."""
    first = next(iter(patterns), "order.paid")
    return first.replace("**", "paid").replace("*", "paid")


def problems(found: Iterable[Problem]) -> None:
    """Of the folder."""
    for problem in found:
        say(f"{INDENT}! {problem}")
    say(f"{INDENT}! what was good last stays in use")


def announcement(key: Key, said: Announcement) -> None:
    """What on a cluster is an Event, unless the line of the object says it."""
    if said.reason in SAID:
        say(f"{INDENT}{key.kind}/{key.name}   {said.reason}   {said.note}")


class HumanFormatter(logging.Formatter):
    """Log lines for people: time, what happened, and the rest as name=value; of an exception its last line."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, or more where there is a traceback to be had."""
        extra = {name: value for name, value in vars(record).items() if name not in STANDARD}
        at = time.strftime("%H:%M:%S", time.localtime(record.created))
        what = attempt(extra) if record.getMessage() == "attempt" else _plain(record, extra)
        error = record.exc_info[1] if record.exc_info else None
        return f"{INDENT}{at} {what}" + (f": {type(error).__name__}: {error}" if error else "")


def attempt(line: dict[str, Any]) -> str:
    """The one line of each attempt."""
    reason = line.get("reason")
    why = f" {reason}" if reason and reason != line["outcome"] else ""
    what = f"attempt {line['attempt']}  {line['outcome']}{why}, {line['ms']} ms"
    return f"{line['notification']} → {line.get('callback') or line['channel']}  {what}"


def _plain(record: logging.LogRecord, extra: dict[str, Any]) -> str:
    level = "" if record.levelno <= logging.INFO else f"{record.levelname.lower()}: "
    return level + " ".join([record.getMessage(), *[f"{name}={value}" for name, value in extra.items()]])


def log_to_screen(level: str) -> None:
    """Send the services' logs here; what they say at each start is left out."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(HumanFormatter())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for name in ("angarium", "angarium_cli", "angarium_gateway", "angarium_deliverer"):
        logging.getLogger(name).setLevel(level.upper())
    for name in ("angarium.link", "angarium_gateway.service"):
        logging.getLogger(name).setLevel(logging.WARNING)
