"""The commands that speak to a gateway: send, list, timeline, why, retry, me."""

import json
import sys
import time
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import quote

import typer

from angarium_cli import views
from angarium_cli.callbacks import callbacks
from angarium_cli.client import Gateway, credentials
from angarium_cli.errors import Exit, Failure
from angarium_cli.options import Key, Output, Url
from angarium_cli.output import Format, show
from angarium_cli.why import explanation

FOLLOW_EVERY = 0.1  # s

Notification = Annotated[str, typer.Argument(metavar="ID", help="Like not_01K…")]


def install(app: typer.Typer) -> None:
    """Add the commands to the app."""
    for command in (send, timeline, why, retry, me):
        app.command(command.__name__)(command)
    app.command("list")(list_)
    app.add_typer(callbacks, name="callbacks")


def _gateway(url: str | None, key: str | None) -> Gateway:
    return Gateway(*credentials(url, key))


def send(
    event: Annotated[str, typer.Argument(help="Its name, like order.paid")],
    data: Annotated[str, typer.Argument(help="JSON; - reads standard input")] = "null",
    *,
    priority: Annotated[str | None, typer.Option(help="high, normal or low")] = None,
    idempotency_key: Annotated[str | None, typer.Option(help="The same key is accepted once in 24 hours.")] = None,
    deliver_at: Annotated[str | None, typer.Option(help="RFC 3339 time before which it isn't delivered.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Watch until it is delivered or refused.")] = False,
    url: Url = None,
    key: Key = None,
    form: Output = Format.TABLE,
) -> None:
    """Send a notification."""
    text = sys.stdin.read() if data == "-" else data
    fields = {"event": event, "priority": priority, "deliverAt": deliver_at}
    body = _body({name: value for name, value in fields.items() if value is not None}, text)
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
    with _gateway(url, key) as gateway:
        answer = gateway.post("/v1/notifications", body, headers)
        show(answer, form, views.accepted)
        if follow:
            _follow(gateway, answer["id"], quiet=form is Format.JSON)


def _body(fields: dict[str, str], data: str) -> bytes:
    """The data's very text stands in the body: 19.90 stays 19.90."""
    try:
        json.loads(data)
    except ValueError as error:
        raise Failure(f"data is not JSON: {error}", Exit.USAGE) from None
    return (json.dumps(fields)[:-1] + f', "data": {data}}}').encode()


def timeline(
    notification: Notification,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Watch until it is delivered or refused.")] = False,
    url: Url = None,
    key: Key = None,
    form: Output = Format.TABLE,
) -> None:
    """Show what happened to a notification."""
    with _gateway(url, key) as gateway:
        path = f"/v1/notifications/{quote(notification, safe='')}/timeline"
        if form is Format.JSON or not follow:  # a script polls for itself
            show(gateway.get(path), form, views.timeline)
        else:
            _follow(gateway, notification)


def _follow(gateway: Gateway, notification: str, *, quiet: bool = False) -> None:
    """Wait for the end, telling what happens; exit 1 unless all was delivered."""
    path, shown = f"/v1/notifications/{quote(notification, safe='')}", 0
    while True:
        status = gateway.get(path)["status"]
        told = views.timeline(gateway.get(f"{path}/timeline")).splitlines()
        ended = [] if status == "pending" else [f"  {status}"]
        for line in [] if quiet else [*told[shown:], *ended]:
            print(line, flush=True)
        shown = len(told)
        if ended:
            raise typer.Exit(Exit.REFUSED if status in {"refused", "partial"} else Exit.OK)
        time.sleep(FOLLOW_EVERY)


def list_(
    *,
    status: Annotated[str | None, typer.Option(help="pending, delivered, refused, partial or unmatched")] = None,
    event: Annotated[str | None, typer.Option(help="Name of the event")] = None,
    callback: Annotated[str | None, typer.Option(help="Name of a callback")] = None,
    since: Annotated[str | None, typer.Option(help="How long ago (2h, 30m), or an RFC 3339 time")] = None,
    until: Annotated[str | None, typer.Option(help="Likewise")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="At most so many")] = 20,
    cursor: Annotated[str | None, typer.Option(help="Go on where the last list ended")] = None,
    url: Url = None,
    key: Key = None,
    form: Output = Format.TABLE,
) -> None:
    """List notifications, newest first."""
    query = {"status": status, "event": event, "callback": callback, "since": _time(since), "until": _time(until)}
    with _gateway(url, key) as gateway:
        show(gateway.get("/v1/notifications", limit=limit, cursor=cursor, **query), form, views.notifications)


def _time(text: str | None) -> str | None:
    if text is None:
        return None
    from angarium.resources.durations import InvalidDuration, parse_duration  # with all resources

    try:
        return (datetime.now(UTC) - parse_duration(text)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except InvalidDuration:
        return text  # a time, or a mistake: the gateway says


def why(notification: Notification, *, url: Url = None, key: Key = None, form: Output = Format.TABLE) -> None:
    """Tell why a notification was not delivered, what happens next and what can be done."""
    with _gateway(url, key) as gateway:
        show(gateway.get(f"/v1/notifications/{quote(notification, safe='')}/why"), form, explanation)


def retry(notification: Notification, *, url: Url = None, key: Key = None, form: Output = Format.TABLE) -> None:
    """Try a notification's refused deliveries again."""
    with _gateway(url, key) as gateway:
        show(gateway.post(f"/v1/notifications/{quote(notification, safe='')}/retry"), form, views.retried)


def me(*, url: Url = None, key: Key = None, form: Output = Format.TABLE) -> None:
    """Show whom the key speaks for."""
    with _gateway(url, key) as gateway:
        show(gateway.get("/v1/me"), form, views.me)
