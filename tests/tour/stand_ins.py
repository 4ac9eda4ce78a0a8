"""All that the tour sends to, on one port for HTTP and one for mail: each behaves as its own reference says.

Secrets that fit to them are written beside the manifests, so that a folder is all that `angarium dev` needs.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
from tests.deliverer import fcm_server, slack_server, telegram_server, twilio_server
from tests.deliverer.fcm_server import Firebase
from tests.deliverer.mail_server import Mailbox, mail_server
from tests.deliverer.receivers import Receiver, Request, reply
from tests.deliverer.slack_server import Workspace
from tests.deliverer.telegram_server import Bot
from tests.deliverer.twilio_server import Twilio

EXAMPLES = Path(__file__).parents[2] / "examples/tour"
HTTP, MAIL = 8490, 2525  # as the examples have them
UNREACHED = "+4915212345678"  # whom Twilio takes messages for, and does not reach


@dataclass
class StandIns:
    """What they got. `/hooks/busy/2` answers 503 to the first two attempts of each webhook, other paths take all."""

    say: Callable[[str], None] = lambda _: None
    twilio: Twilio = field(default_factory=Twilio)
    firebase: Firebase = field(default_factory=Firebase)
    slack: Workspace = field(default_factory=Workspace)
    telegram: Bot = field(default_factory=Bot)
    mailbox: Mailbox = field(default_factory=Mailbox)
    attempts: Counter[str] = field(default_factory=Counter)  # by webhook-id
    webhooks: list[Request] = field(default_factory=list)
    http: int = 0
    _telling: set[asyncio.Task[None]] = field(default_factory=set)

    async def __call__(self, request: Request, writer: asyncio.StreamWriter) -> None:
        """Give a request to whom it is for."""
        path = request.line.split(" ")[1]
        if path.startswith("/hooks"):
            self._hear(request, writer)
        elif path.startswith("/2010-04-01"):
            await self._text(request, writer)
        elif path == "/token" or path.startswith("/v1/projects/"):
            await self.firebase(request, writer)
            self._told("push", self.firebase.got)
        elif path.startswith("/api/"):
            await self.slack(request, writer)
            self._told("slack", self.slack.got)
        elif path.startswith("/bot"):
            await self.telegram(request, writer)
            self._told("telegram", self.telegram.got)
        else:
            writer.write(reply(404))

    def _told(self, who: str, got: list[tuple[str, str]]) -> None:
        if got:
            self.say(f"{who:9} {got[-1][0][:24]}: {got[-1][1]}")

    def _hear(self, request: Request, writer: asyncio.StreamWriter) -> None:
        path, id_ = request.line.split(" ")[1], request.headers["webhook-id"]
        self.attempts[id_] += 1
        if path.startswith("/hooks/busy/") and self.attempts[id_] <= int(path.rpartition("/")[2]):
            writer.write(reply(503, b"overloaded"))
            return
        self.webhooks.append(request)
        self.say(f"webhook   {path} {id_}: {request.body.decode()}")
        writer.write(reply(204))

    async def _text(self, request: Request, writer: asyncio.StreamWriter) -> None:
        known = len(self.twilio.messages)
        await self.twilio(request, writer)
        if len(self.twilio.messages) > known:
            self._told("twilio", self.twilio.got)
            sid = list(self.twilio.messages)[-1]
            task = asyncio.create_task(self._report(sid))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    async def _report(self, sid: str) -> None:
        """What Twilio says a moment later of a message that it has taken."""
        reached = UNREACHED not in self.twilio.messages[sid]["to"]
        status, code = ("delivered", None) if reached else ("undelivered", 30003)
        self.twilio.tell(sid, status, code)
        if "StatusCallback" not in self.twilio.forms[-1]:
            return
        url, form = self.twilio.callback(sid, status, code)
        signature = form.pop("signature")
        kind = "application/x-www-form-urlencoded"
        async with aiohttp.ClientSession() as session:
            for _ in range(50):  # until the answer to the POST is known there
                headers = {"X-Twilio-Signature": signature, "Content-Type": kind}
                async with session.post(url, data=urlencode(form), headers=headers) as answer:
                    if answer.status < 500:
                        return
                await asyncio.sleep(0.1)


@asynccontextmanager
async def standing_in(it: StandIns, http: int = 0, mail: int = 0) -> AsyncIterator[StandIns]:
    """Serve while the body runs; at any port that is free, unless they are given."""
    it.mailbox.port = mail
    async with mail_server(it.mailbox), Receiver(it, port=http) as receiver:
        it.http = receiver.port
        yield it


def write_folder(folder: Path, it: StandIns) -> None:
    """The examples with these ports, and the Secrets."""
    folder.mkdir(parents=True, exist_ok=True)
    for example in EXAMPLES.glob("*.yaml"):
        text = (
            example.read_text().replace(f":{HTTP}", f":{it.http}").replace(f"port: {MAIL}", f"port: {it.mailbox.port}")
        )
        (folder / example.name).write_text(text)
    origin = f"http://127.0.0.1:{it.http}"
    secrets = {
        "twilio": {"account-sid": twilio_server.ACCOUNT, "auth-token": twilio_server.TOKEN},
        "firebase": {"service-account.json": fcm_server.service_account(origin)},
        "slack": {"bot-token": slack_server.TOKEN},
        "telegram": {"bot-token": telegram_server.TOKEN},
    }
    documents = [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "shop"}, "stringData": held}
        for name, held in secrets.items()
    ]
    secret_file = folder / "secrets.yaml"
    secret_file.touch(mode=0o600)
    secret_file.write_text("\n---\n".join(json.dumps(document) for document in documents) + "\n")
