"""Options of all commands that speak to a gateway."""

from typing import Annotated

import typer

from angarium_cli.output import Format

Url = Annotated[
    str | None,
    typer.Option("--url", envvar="ANGARIUM_URL", help="The gateway. Default: that of `angarium dev` in this folder."),
]
Key = Annotated[
    str | None,
    typer.Option(
        "--key", envvar="ANGARIUM_API_KEY", help="The API key. Default: that of `angarium dev`.", show_envvar=True
    ),
]
Output = Annotated[Format, typer.Option("-o", "--output", help="table for people, json for scripts.")]
