"""`angarium doctor`: what `angarium-operator doctor` does in its pod, from wherever one is."""

import asyncio
from typing import Annotated

import typer

from angarium_cli.options import Output
from angarium_cli.output import Format


def doctor(
    *,
    redis: Annotated[
        str, typer.Option("--redis", metavar="URL", help="Default: ANGARIUM_REDIS_URL or ANGARIUM_REDIS_URL_FILE.")
    ] = "",
    kubeconfig: Annotated[str, typer.Option(metavar="PATH", help="Default: what kubectl would use.")] = "",
    namespace: Annotated[
        str, typer.Option("-n", "--namespace", help="Where Angarium is installed. Default: where it is found.")
    ] = "",
    form: Output = Format.TABLE,
) -> None:
    """Look at what an installation stands on (CRDs, RBAC, Redis, pods, DNS), and say what to mend."""
    from angarium.checkup import as_json, as_text, exit_code  # heavy, as the next
    from angarium_operator.doctor.command import examine, quieten

    quieten()
    items = asyncio.run(examine(redis, kubeconfig, namespace))
    print(as_json(items) if form is Format.JSON else as_text(items))
    raise typer.Exit(exit_code(items))
