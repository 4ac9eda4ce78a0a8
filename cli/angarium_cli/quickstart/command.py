"""`angarium quickstart`: what `make quickstart` runs."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from angarium.resources import Callback, Product
from angarium_cli.dev import screen
from angarium_cli.dev.command import DEFAULT_STATE, Port, State, until_interrupted
from angarium_cli.dev.manifests import read_folder
from angarium_cli.dev.options import Options
from angarium_cli.dev.service import Dev
from angarium_cli.errors import Exit, Failure
from angarium_cli.quickstart.receiver import Receiver
from angarium_cli.quickstart.show import Show
from angarium_operator.planning.snapshot import secret_name

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
    screen.log_to_screen("warning")
    if not folder.is_dir():
        raise Failure(f"there is no folder {folder}: run this where Angarium was cloned to, or name one", Exit.USAGE)
    example = _Example.read(folder)
    key = receiver_key or state / "secrets" / example.signing_secret / "signing-key"
    options = Options(folder, state, port)
    until_interrupted(lambda over: _run(options, example, Receiver(key), over, once=once))


@dataclass(frozen=True, slots=True)
class _Example:
    """What the show needs to know of the folder."""

    port: int
    path: str
    signing_secret: str
    binding: str
    event: str

    @classmethod
    def read(cls, folder: Path) -> "_Example":
        reading = read_folder(folder)
        if reading.problems:
            raise Failure("\n".join(map(str, reading.problems)), Exit.USAGE)
        objects = [manifest.object for manifest in reading.manifests.values()]
        product = next((each for each in objects if isinstance(each, Product)), None)
        callback = next((each for each in objects if isinstance(each, Callback) and each.spec.service_ref), None)
        if product is None or callback is None or callback.spec.service_ref is None:
            raise Failure(f"{folder} needs a Product, and a Callback with a serviceRef", Exit.USAGE)
        service = callback.spec.service_ref
        event = screen.example_event(callback.spec.events)
        return cls(service.port, service.path, secret_name(callback).name, secret_name(product).name, event)


async def _run(options: Options, example: _Example, receiver: Receiver, over: asyncio.Event, *, once: bool) -> None:
    async with receiver.serve(example.port, example.path), Dev.running(options, over) as dev:
        dev.tell_how_to_send()
        api_key = (options.state / "secrets" / example.binding / "api-key").read_text(encoding="ascii").strip()
        show = Show(options.url, api_key, receiver, example.event)
        verified = await show.run(over)
        if once and not over.is_set():
            if not verified:
                raise Failure("the delivery was not verified")
            return
        screen.log_to_screen("info")  # from now on, what others send is told
        await over.wait()
