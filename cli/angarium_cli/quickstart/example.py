"""The example: what its files say, and the run of everything that it needs."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from angarium.resources import Callback, Product
from angarium_cli.dev import screen
from angarium_cli.dev.manifests import read_folder
from angarium_cli.dev.options import Options
from angarium_cli.dev.service import Dev
from angarium_cli.errors import Exit, Failure
from angarium_cli.quickstart.receiver import Receiver
from angarium_cli.quickstart.show import Show
from angarium_operator.planning.snapshot import secret_name


@dataclass(frozen=True, slots=True)
class Example:
    """What the show needs to know of the folder."""

    port: int
    path: str
    signing_secret: str
    binding: str
    event: str

    @classmethod
    def read(cls, folder: Path) -> "Example":
        """From a folder with a Product, and a Callback that has a serviceRef."""
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


async def run(options: Options, receiver_key: Path | None, over: asyncio.Event, *, once: bool) -> None:
    """Everything until `over` is set, or with `once` until the delivery is verified; raises Failure if it is not."""
    screen.log_to_screen("warning")
    example = Example.read(options.folder)
    secrets = options.state / "secrets"
    receiver = Receiver(receiver_key or secrets / example.signing_secret / "signing-key")
    async with receiver.serve(example.port, example.path), Dev.running(options, over) as dev:
        dev.tell_how_to_send()
        api_key = (secrets / example.binding / "api-key").read_text(encoding="ascii").strip()
        verified = await Show(options.url, api_key, receiver, example.event).run(over)
        if once and not over.is_set():
            if not verified:
                raise Failure("the delivery was not verified")
            return
        screen.log_to_screen("info")  # from now on, what others send is told
        await over.wait()
