"""One notification, and its timeline as it happens."""

import asyncio
from typing import Any

import httpx

from angarium_cli.client import words
from angarium_cli.dev import screen
from angarium_cli.errors import Exit, Failure
from angarium_cli.quickstart.receiver import Receiver
from angarium_cli.timeline import Entry, lines
from angarium_cli.views import accepted

LIMIT = 30.0  # s
LOOK_EVERY = 0.02  # s
VERIFIED, REJECTED = "the receiver verified the signature", "the receiver rejected the signature"


class Show:
    """Sends to the gateway at `url` and tells what becomes of it."""

    def __init__(self, url: str, key: str, receiver: Receiver, event: str) -> None:
        self._url, self._headers = url, {"Authorization": f"Bearer {key}"}
        self._receiver, self._event = receiver, event

    async def run(self, over: asyncio.Event) -> bool:
        """Whether the notification was delivered and the receiver found its signature genuine, within the limit."""
        self._receiver.failures_left = 1
        async with httpx.AsyncClient(base_url=self._url, headers=self._headers, trust_env=False) as http:
            try:
                return await asyncio.wait_for(self._watch(http, over), LIMIT)
            except TimeoutError:
                screen.say(f"{screen.INDENT}it was not delivered within {LIMIT:.0f} s")
                return False
            except httpx.HTTPError as error:
                raise Failure(f"no answer from {self._url}: {error}", Exit.UNREACHABLE) from None

    async def _watch(self, http: httpx.AsyncClient, over: asyncio.Event) -> bool:
        document = {"event": self._event, "data": {"order": 1041, "total": "19.90"}}
        sent = await _json(http, "POST", "/v1/notifications", json=document)
        screen.say(accepted(sent))
        path, shown = f"/v1/notifications/{sent['id']}", 0
        while not over.is_set():
            status = (await _json(http, "GET", path))["status"]
            entries = (await _json(http, "GET", f"{path}/timeline"))["entries"]
            if status != "pending":
                entries.append({"at": entries[-1]["at"], "type": status})
            told = list(lines(entries, self._remark))
            for line in told[shown:]:
                screen.say(line)
            shown = len(told)
            if status != "pending" or any(self._remark(entry) == REJECTED for entry in entries):
                return status == "delivered" and self._verified(sent)
            await asyncio.sleep(LOOK_EVERY)
        return False

    def _remark(self, entry: Entry) -> str:
        verdict = self._receiver.verdicts.get(entry.get("delivery", ""))
        match (entry.get("response") or {}).get("status"), verdict:
            case 200, True:
                return VERIFIED
            case 401, False:
                return REJECTED
            case _:
                return ""

    def _verified(self, sent: Any) -> bool:
        return bool(sent["deliveries"]) and all(self._receiver.verdicts.get(each["id"]) for each in sent["deliveries"])


async def _json(http: httpx.AsyncClient, method: str, path: str, **more: Any) -> Any:
    response = await http.request(method, path, **more)
    if not response.is_success:
        raise Failure(words(response))
    return response.json()
