"""`angarium token create` and `angarium token show`."""

import getpass
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from angarium.tokens import LONGEST, SCOPES, SHORTEST
from angarium_cli import output
from angarium_cli.errors import Exit, Failure

TIMES = ("iat", "nbf", "exp")
MOST_SUBJECT = 128

token = typer.Typer(help="Bearer tokens, made from a Secret on this machine.", no_args_is_help=True)


@token.command("create")
def create(
    *,
    secret: Annotated[
        Path | None,
        typer.Option(
            help="The Secret: a folder as a pod mounts it, or a manifest (- is standard input). Default: that of"
            " `angarium dev` in this folder."
        ),
    ] = None,
    product: Annotated[str | None, typer.Option(help="Take the Secret of this Product from the cluster.")] = None,
    organization: Annotated[str | None, typer.Option(help="Likewise of this Organization.")] = None,
    namespace: Annotated[str | None, typer.Option("-n", "--namespace", help="Of the Product.")] = None,
    ttl: Annotated[str, typer.Option(help="How long it is valid, from 1m to 24h.")] = "1h",
    scope: Annotated[
        list[str] | None, typer.Option(help="send, read, admin; commas between. Default: send,read.")
    ] = None,
    subject: Annotated[str | None, typer.Option(help="Whom timelines name. Default: your user name.")] = None,
) -> None:
    """Print a token: send it as `Authorization: Bearer`."""
    from angarium_cli.token.minting import Wish, mint

    wish = Wish(_subject(subject), _scopes(scope or ["send,read"]), _ttl(ttl))
    print(mint(_secret(secret, product, organization, namespace), wish))


@token.command("show")
def show(text: Annotated[str, typer.Argument(metavar="TOKEN", help="- reads standard input")]) -> None:
    """Show what a token says, without checking it."""
    import jwt

    try:
        read = jwt.api_jwt.decode_complete(
            (sys.stdin.read() if text == "-" else text).strip(), options={"verify_signature": False}
        )
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        raise Failure("this is no token", Exit.USAGE) from None
    print(output.as_json({"header": read["header"], "claims": _with_times(read["payload"])}))


def _secret(
    secret: Path | None, product: str | None, organization: str | None, namespace: str | None
) -> dict[str, str]:
    from angarium_cli.token import sources

    if sum(each is not None for each in (secret, product, organization)) > 1:
        raise Failure("give one of --secret, --product and --organization", Exit.USAGE)
    if secret is not None:
        return sources.from_path(secret)
    if product is not None:
        return sources.from_cluster("product", product, namespace)
    if organization is not None:
        return sources.from_cluster("organization", organization, namespace)
    return sources.from_dev()


def _scopes(given: list[str]) -> list[str]:
    words = [word for text in given for word in re.split(r"[\s,]+", text) if word]
    wrong = [word for word in words if word not in SCOPES]
    if wrong or not words:
        raise Failure(f"--scope takes {', '.join(SCOPES)}, not {', '.join(wrong) or 'nothing'}", Exit.USAGE)
    return [scope for scope in SCOPES if scope in words]


def _ttl(text: str) -> timedelta:
    from angarium.resources.durations import InvalidDuration, parse_duration  # with all resources

    try:
        ttl = parse_duration(text)
    except InvalidDuration as error:
        raise Failure(f"--ttl: {error}", Exit.USAGE) from None
    if not SHORTEST <= ttl <= LONGEST:
        raise Failure(f"--ttl is from 1m to 24h, not {text}", Exit.USAGE)
    return ttl


def _subject(given: str | None) -> str:
    subject = given if given is not None else getpass.getuser()
    if not 0 < len(subject) <= MOST_SUBJECT or not subject.isprintable():
        raise Failure(f"--subject is 1 to {MOST_SUBJECT} printable characters", Exit.USAGE)
    return subject


def _with_times(claims: dict[str, Any]) -> dict[str, Any]:
    """Seconds since the epoch, and what that is for people."""
    return {name: _time(value) if name in TIMES else value for name, value in claims.items()}


def _time(value: Any) -> Any:
    try:
        return f"{value} ({datetime.fromtimestamp(value, UTC).isoformat().replace('+00:00', 'Z')})"
    except (TypeError, ValueError, OverflowError, OSError):
        return value
