"""`angarium callbacks`: list and test them, and make, change and delete those that the API may."""

import json
import uuid
from typing import Annotated, Any
from urllib.parse import quote

import typer

from angarium_cli import views
from angarium_cli.client import Gateway, credentials
from angarium_cli.errors import Exit, Failure
from angarium_cli.options import Key, Output, Url
from angarium_cli.output import Format, show

callbacks = typer.Typer(help="The callbacks that hear of your events.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the callback")]


def _gateway(url: str | None, key: str | None) -> Gateway:
    return Gateway(*credentials(url, key))


def _path(name: str, *more: str) -> str:
    return "/".join(["/v1/callbacks", quote(name, safe=""), *more])


def _once() -> dict[str, str]:
    """So that a request that is sent again takes effect once."""
    return {"Idempotency-Key": f"cli-{uuid.uuid4()}"}


@callbacks.command("list")
def list_(*, url: Url = None, key: Key = None, form: Output = Format.TABLE) -> None:
    """List the callbacks that hear of your events, and how their endpoints fare."""
    with _gateway(url, key) as gateway:
        show(gateway.get("/v1/callbacks"), form, views.callbacks)


@callbacks.command("create")
def create(
    name: Name,
    endpoint: Annotated[str, typer.Argument(metavar="ENDPOINT", help="http(s) URL to POST to")],
    *,
    event: Annotated[list[str], typer.Option("--event", "-e", help="Event or pattern, like order.*; repeat it.")],
    header: Annotated[list[str] | None, typer.Option(help="Header to send, like 'X-Shop: 7'; repeat it.")] = None,
    ed25519: Annotated[bool, typer.Option("--ed25519", help="Sign with a key pair, not a shared secret.")] = False,
    timeout: Annotated[str | None, typer.Option(help="Of each attempt, like 10s")] = None,
    secret: Annotated[bool, typer.Option("--secret", help="Show the signing secret, too.")] = False,
    url: Url = None,
    key: Key = None,
    form: Output = Format.TABLE,
) -> None:
    """Make a callback."""
    body: dict[str, Any] = {"name": name, "url": endpoint, "events": event}
    if header:
        body["headers"] = dict(_header(each) for each in header)
    if ed25519:
        body["signing"] = {"type": "Ed25519"}
    if timeout:
        body["delivery"] = {"timeout": timeout}
    with _gateway(url, key) as gateway:
        made = gateway.post("/v1/callbacks", json.dumps(body).encode(), _once())
        if secret:
            made["signingKey"] = gateway.get(_path(name, "secret"))["key"]
    show(made, form, views.callback)


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise Failure(f"--header {text!r}: write it as 'Name: value'", Exit.USAGE)
    return name.strip(), value.strip()


@callbacks.command("delete")
def delete(name: Name, *, url: Url = None, key: Key = None) -> None:
    """Delete a callback; what waits for it is refused."""
    with _gateway(url, key) as gateway:
        gateway.delete(_path(name), _once())
    print(f"{name} deleted")


@callbacks.command("suspend")
def suspend(name: Name, *, url: Url = None, key: Key = None, form: Output = Format.TABLE) -> None:
    """Send nothing to a callback for now; what waits keeps its attempts."""
    with _gateway(url, key) as gateway:
        show(gateway.post(_path(name, "suspend"), headers=_once()), form, views.callback)


@callbacks.command("activate")
def activate(name: Name, *, url: Url = None, key: Key = None, form: Output = Format.TABLE) -> None:
    """Go on with a callback that was suspended, or given up."""
    with _gateway(url, key) as gateway:
        show(gateway.post(_path(name, "activate"), headers=_once()), form, views.callback)


@callbacks.command("secret")
def secret(name: Name, *, url: Url = None, key: Key = None) -> None:
    """Print the key that the receiver verifies signatures with."""
    with _gateway(url, key) as gateway:
        print(gateway.get(_path(name, "secret"))["key"])


@callbacks.command("test")
def try_(name: Name, *, url: Url = None, key: Key = None, form: Output = Format.TABLE) -> None:
    """Send a test to a callback, by the way of every delivery."""
    with _gateway(url, key) as gateway:
        answer = gateway.post(_path(name, "test"))
    show(answer, form, views.test_result)
    if answer["outcome"] != "delivered":
        raise typer.Exit(Exit.REFUSED)
