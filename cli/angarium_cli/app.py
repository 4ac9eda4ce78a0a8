"""The `angarium` command: its sub-commands in one place."""

from typing import Annotated

import typer

from angarium import __version__
from angarium_cli import commands
from angarium_cli.dev.command import dev
from angarium_cli.doctor import doctor
from angarium_cli.quickstart.command import quickstart
from angarium_cli.token.command import token

app = typer.Typer(
    name="angarium",
    help="Notifications for Kubernetes: declared in YAML, accepted once, delivered or explained.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 well, 1 refused, 2 wrong usage, 3 no answer, 4 something on this machine is in the way.",
)
app.command("dev")(dev)
app.command("quickstart")(quickstart)
app.command("doctor")(doctor)
commands.install(app)
app.add_typer(token, name="token")


def _version(wanted: bool) -> None:
    if wanted:
        print(f"angarium {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """What all commands share."""
