"""All of it in one process: storage, the operator's planning, a gateway and a deliverer on one event loop."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial

from watchfiles import awatch

from angarium import __version__
from angarium.config import Applied, Presence
from angarium.edits import EditStore
from angarium.edits.store import BLOCK_MS
from angarium.link import Link
from angarium.loops import forever
from angarium.queue import Intake, Ledger, Queue, Replays
from angarium.resources import Callback, Product
from angarium.sealing import Sealer
from angarium.settings import RedisSettings
from angarium_cli.dev import screen, valkey
from angarium_cli.dev.callbacks import LocalCallbacks
from angarium_cli.dev.lifetimes import beside, either, serving
from angarium_cli.dev.manifests import read_folder
from angarium_cli.dev.objects import Objects
from angarium_cli.dev.options import POD, Options, ServiceSettings
from angarium_cli.dev.reconciler import Reconciler
from angarium_cli.dev.secrets import SecretFiles
from angarium_cli.dev.state import StateFolder
from angarium_deliverer.service import run as run_deliverer
from angarium_gateway.service import run as run_gateway
from angarium_operator.editor import Editor
from angarium_operator.planning import Key, Policy
from angarium_operator.planning.snapshot import own_secret, secret_name
from angarium_operator.replayer import Replayer
from angarium_operator.tester import Tester

WAITING_SECONDS = BLOCK_MS / 1000 + 5.0
SETTLED_SECONDS = 15.0  # until all objects are Ready, or it is known why not
STEP_MS = 100  # an editor that writes a file in two steps is waited for
PASSING = {"Pending", "DataPlaneUnavailable"}


class Dev:
    """`async with Dev.running(options, over) as dev:` everything works while the body runs."""

    def __init__(self, options: Options, state: StateFolder, storage: valkey.Storage) -> None:
        self.options, self.state = options, state
        seal_key = state.seal_key()
        self.settings = ServiceSettings.of(options, storage.url, seal_key)
        sealer = Sealer([seal_key])
        self._policy = Policy(options.url, sealer, sealer, allowed=self.settings.deliverer.egress_allowed_cidrs)
        self._queue = Queue(RedisSettings(url=storage.url), self.settings.gateway.shards)
        self.objects = Objects(state.objects, os.path.relpath(options.folder, state.root.parent))
        self.secrets = SecretFiles(state.secrets)
        self.reconciler = Reconciler(
            self._queue, self._policy, self.objects, self.secrets, screen.announcement, self._stepped
        )
        self._waiting = Link(RedisSettings(url=storage.url), timeout=WAITING_SECONDS)
        self._editor = Editor(
            EditStore(self._waiting), LocalCallbacks(self.reconciler, self._deleted), self.reconciler.snapshot
        )
        orders, told = self.reconciler.orders, self.reconciler.told
        self._replayer = Replayer(orders, Replays(self._queue), told)
        self._tester = Tester(orders, Intake(self._queue), Ledger(self._queue), told)
        self._told: dict[Key, tuple[int, str]] = {}
        self._telling = False
        self._bad = False
        self._skipped: set[str] = set()
        self._step = asyncio.Event()

    @staticmethod
    @asynccontextmanager
    async def running(options: Options, over: asyncio.Event) -> AsyncIterator["Dev"]:
        """Start everything and say so; stop when the body ends. `over` is set if something fails before."""
        state = StateFolder(options.state)
        with state.locked():
            options.require_free_port()
            async with _storage(options, state) as storage:
                dev = Dev(options, state, storage)
                screen.say(f"Angarium {__version__} · dev · {storage.words} · Ctrl-C stops, data stays")
                screen.say(f"{screen.INDENT}deliveries to this very machine are allowed here; a cluster refuses them")
                async with dev._started(over):
                    yield dev

    @asynccontextmanager
    async def _started(self, over: asyncio.Event) -> AsyncIterator[None]:
        """The gateway ends before the deliverer, which then finishes what it has taken, and storage last of all."""
        async with self._queue, self._waiting:
            await self._publish()
            async with (
                serving(partial(run_deliverer, self.settings.deliverer), over),
                serving(partial(run_gateway, self.settings.gateway), over),
                beside(self.reconciler.run(), over),
                beside(forever("edits", self._editor.step), over),
                beside(forever("replays", self._replayer.step), over),
                beside(forever("tests", self._tester.step), over),
                beside(self._follow_folder(), over),
                beside(self._follow_secrets(), over),
            ):
                await either(self._settled(), over.wait())
                self._telling = True
                self._tell(all_of_it=True)
                yield

    async def _publish(self) -> None:
        """What the folder says, before anybody serves."""
        for role in ("gateway", "deliverer"):  # a killed process's last words would pass for its successor's
            await Presence(self._queue.link, role, POD, Applied).leave()
        for lost in self.objects.lost:
            screen.say(f"{screen.INDENT}! {lost}")
        await self.reconciler.adopt()
        self._read()
        if not self.objects.by_key:
            screen.say(
                f"{screen.INDENT}nothing is declared in {self.options.folder} yet; what you put there counts at once"
            )
        await self.reconciler.step()

    def _read(self) -> None:
        reading = read_folder(self.options.folder)
        changes = self.reconciler.take(reading)
        for key in changes.removed:
            self._deleted(key)
        if changes.problems:
            screen.problems(changes.problems)
        elif self._bad:
            screen.say(f"{screen.INDENT}{self.options.folder} is good again")
        self._bad = bool(changes.problems)
        for skipped in reading.skipped:
            if skipped not in self._skipped:
                screen.say(f"{screen.INDENT}left to kubectl: {skipped}")
        self._skipped.update(reading.skipped)

    def _deleted(self, key: Key) -> None:
        self._told.pop(key, None)
        screen.say(f"{screen.INDENT}{key.kind}/{key.name}   removed")

    async def _follow_folder(self) -> None:
        async for _ in awatch(self.options.folder, step=STEP_MS, recursive=False):
            self._read()

    async def _follow_secrets(self) -> None:
        async for _ in awatch(self.state.secrets, step=STEP_MS):
            self.reconciler.look_at_secrets()

    def _stepped(self) -> None:
        self._step.set()
        if self._telling:
            self._tell()

    async def _settled(self) -> None:
        """Wait until the Ready of all is known."""
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLED_SECONDS):
                while any(self._passing(key) for key in self.objects.by_key):
                    self._step.clear()
                    await self._step.wait()

    def _passing(self, key: Key) -> bool:
        state = screen.condition(self.objects.by_key[key])
        return state is None or state.reason in PASSING

    def _tell(self, *, all_of_it: bool = False) -> None:
        """A line for each object that is new, or that something else is true of than what was told last."""
        several = len({key.namespace for key in self.objects.by_key}) > 1
        names = {key: screen.name_of(key, several=several) for key in self.objects.by_key}
        width = max(22, *map(len, names.values()), 0)
        for key in sorted(self.objects.by_key, key=lambda key: (ORDER.index(key.kind), key)):
            resource = self.objects.by_key[key]
            if self._passing(key) and not all_of_it:
                continue
            secret = own_secret(resource)
            folder = self.secrets.folder(*secret) if secret else None
            line = screen.object_line(names[key].ljust(width), resource, folder)
            known = (resource.metadata.generation, line)
            if self._told.get(key) != known:
                self._told[key] = known
                screen.say(line + screen.health(resource))

    def tell_how_to_send(self) -> None:
        """A command ready to paste, for the first product that somebody hears."""
        for key, resource in sorted(self.objects.by_key.items()):
            if isinstance(resource, Product):
                heard = [
                    event
                    for each in self.objects.by_key.values()
                    if isinstance(each, Callback) and each.spec.product_ref and each.spec.product_ref.name == key.name
                    for event in each.spec.events
                ]
                file = self.secrets.folder(*secret_name(resource)) / "api-key"
                screen.say("Send one yourself:")
                for line in screen.curl(self.options.url, file, screen.example_event(heard)):
                    screen.say(line)
                return


async def serve(options: Options, over: asyncio.Event) -> None:
    """`angarium dev`."""
    async with Dev.running(options, over) as dev:
        dev.tell_how_to_send()
        await over.wait()


ORDER = ("product", "organization", "callback", "provider", "topic", "replay", "callbacktest")


def _storage(options: Options, state: StateFolder) -> AbstractAsyncContextManager[valkey.Storage]:
    return valkey.external(options.redis) if options.redis else valkey.embedded(state)
