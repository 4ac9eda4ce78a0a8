"""`angarium quickstart`: what `make quickstart` runs."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from angarium_cli.dev.command import DEFAULT_STATE, Port, State, until_interrupted
from angarium_cli.errors import Exit, Failure

EXAMPLES = Path("examples/quickstart")


def quickstart(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder with one Product and one Callback that has a serviceRef.")
    ] = EXAMPLES,
    *,
    once: Annotated[bool, typer.Option("--once", help="End once the delivery is verified; fail if it is not.")] = False,
    port: Port = 8480,
    state: State = DEFAULT_STATE,
    receiver_key: Annotated[
        Path | None, typer.Option(hidden=True, help="File with the key that the receiver verifies with.")
    ] = None,
) -> None:
    """See a notification accepted, retried and delivered."""
    if not folder.is_dir():
        raise Failure(f"there is no folder {folder}: run this where Angarium was cloned to, or name one", Exit.USAGE)
    from angarium_cli.dev.options import Options
    from angarium_cli.quickstart.example import run

    until_interrupted(partial(run, Options(folder, state, port), receiver_key, once=once))
