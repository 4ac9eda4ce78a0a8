"""`angarium dev DIR`. The services are imported when they are run: other commands are quicker without them."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

Port = Annotated[int, typer.Option(min=1, max=65535, help="Port of the gateway, on loopback.")]
State = Annotated[
    Path, typer.Option("--state", file_okay=False, help="Folder for data, keys and state; kept over restarts.")
]
Redis = Annotated[
    str | None,
    typer.Option("--redis", metavar="URL", help="Redis 7+ or Valkey 8+ to use instead of the embedded Valkey."),
]
Level = Literal["debug", "info", "warning", "error"]
DEFAULT_STATE = Path(".angarium")


def dev(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", exists=True, file_okay=False, help="Folder of the YAML that kubectl takes."),
    ],
    *,
    port: Port = 8480,
    state: State = DEFAULT_STATE,
    redis: Redis = None,
    log_level: Annotated[Level, typer.Option(help="Least level of log lines that are shown.")] = "info",
) -> None:
    """Run all of Angarium from a folder of YAML, without a cluster."""
    from angarium_cli.dev import screen
    from angarium_cli.dev.options import Options
    from angarium_cli.dev.service import serve

    screen.log_to_screen(log_level)
    until_interrupted(partial(serve, Options(folder, state, port, redis)))


def until_interrupted(main: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
    """Run with an event that Ctrl-C and SIGTERM set."""
    import uvloop

    from angarium.process import until_signalled

    uvloop.run(until_signalled(main))
