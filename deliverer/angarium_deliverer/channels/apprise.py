"""Whatever else Apprise reaches (https://github.com/caronc/apprise), where its package is installed.

Its plugins block, so each attempt has a thread; and they dial by themselves, so the guard is asked by an audit hook of
the interpreter (PEP 578), right before each connect of such a thread: whatever the plugin makes of its URL, whatever
its host's name turns into meanwhile and wherever a redirect would lead. What comes back is a log line of the plugin's;
the status in it, where there is one, is all that tells whether another attempt could help.
"""

import asyncio
import contextvars
import logging
import re
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from typing import Any

from angarium.apprise_urls import SCHEMAS, read_urls
from angarium.contents import Apprise as Content
from angarium.egress import EgressPolicy
from angarium.notifications import Outcome, Result
from angarium_deliverer.channels import Account, Message, Way
from angarium_deliverer.channels.apis import LONGEST_SAID, excerpt, keys, presentable, wrong_content

MOST_THREADS = 32  # for each account; what is more waits, within its time
SHORTEST_KEY = 8
_STATUS = re.compile(r"error=([1-5][0-9]{2})\b")
_FINAL = frozenset({400, 413, 422})  # about what was sent


class Apprise:
    """Sends by the URLs of one Secret; each is a recipient, by its name."""

    def __init__(self, account: Account, way: Way) -> None:
        """Raises ValueError where the package is missing or a URL is none that may be used."""
        if find_spec("apprise") is None:
            raise ValueError("this deliverer has no Apprise: it is installed by angarium[apprise]")
        text = "\n".join(account.credentials[key] for key in ("url", "urls") if key in account.credentials)
        allowed = set(account.record.settings.get("schemas", ())) & set(SCHEMAS)
        self._urls: dict[str, str] = {}
        for each in read_urls(text):
            if each.schema not in allowed or each.name in self._urls:
                raise ValueError(f"a URL of the Secret has a schema or a name that can't be used: {each.name}")
            self._urls[each.name] = each.url
        self._secrets = [secret for url in self._urls.values() for secret in (url, *keys(url, SHORTEST_KEY))]
        self._timeout, self._way = account.record.timeout_s, way
        self._threads = ThreadPoolExecutor(MOST_THREADS, "apprise")

    async def send(self, message: Message) -> Outcome:
        """One message by one URL."""
        content, url = message.content, self._urls.get(message.to)
        if not isinstance(content, Content):
            return wrong_content("it is no message for Apprise")
        if url is None:
            detail = f"the Secret has no URL of this name; it has {', '.join(sorted(self._urls))}"
            return Outcome(Result.PERMANENT, "unknown_recipient", detail, blameless=True)
        _guard_connects()
        attempt = _Attempt(self._way.policy)
        context = contextvars.copy_context()
        context.run(_CURRENT.set, attempt)
        try:
            async with asyncio.timeout(self._timeout):
                sent, words = await asyncio.get_running_loop().run_in_executor(
                    self._threads, context.run, _notify, url, content, self._timeout, self._way.ca_file
                )
        except TimeoutError:
            return Outcome(Result.RETRYABLE, "timeout", f"not done after {self._timeout:g} s")
        finally:
            attempt.hang_up()
        said = presentable(" ".join(words), self._secrets)[:LONGEST_SAID]
        return judge(said, attempt.refusal, sent=sent)

    def retire(self) -> None:
        """What is under way ends by itself."""
        self._threads.shutdown(wait=False)


def judge(said: str, refusal: str, *, sent: bool) -> Outcome:
    """What a plugin's words mean; it may have tried several addresses, or requests, before it gave up."""
    status = int(found[1]) if (found := _STATUS.search(said)) else None
    if sent:
        return Outcome(Result.DELIVERED)
    response = excerpt(status, said) if status else None
    if refusal:
        return Outcome(Result.RETRYABLE, "address_refused", refusal)
    if status in (401, 403):
        return Outcome(Result.RETRYABLE, "authentication_failed", said, response=response)
    if status is not None:
        result = Result.PERMANENT if status in _FINAL else Result.RETRYABLE
        reason = f"http_{status}" if status >= 400 else "http_3xx" if status >= 300 else "protocol_error"
        return Outcome(result, reason, said, response=response, blameless=status in _FINAL)
    return Outcome(Result.RETRYABLE, "connect_failed", said or "Apprise could not send it, and does not say why")


@dataclass
class _Attempt:
    """What the threads of an attempt may dial, and what they have open."""

    policy: EgressPolicy
    refusal: str = ""
    over: bool = False
    _open: list[socket.socket] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def connects(self, connection: socket.socket, address: Any) -> None:
        """Raises OSError, by which connecting fails, where the guard says no or nobody waits any more."""
        host = address[0] if isinstance(address, tuple) else "a socket of this machine"
        refused = self.policy.check(str(host))
        if refused:
            self.refusal = refused
            raise PermissionError(refused)
        with self._lock:
            if self.over:
                raise PermissionError("the attempt is over")
            self._open.append(connection.dup())  # TLS will detach the one that we are shown

    def hang_up(self) -> None:
        """End the attempt: threads can't be cancelled, but what they read from can be closed."""
        with self._lock:
            self.over = True
            while self._open:
                with self._open.pop() as connection, suppress(OSError):  # it was closed by the other end
                    connection.shutdown(socket.SHUT_RDWR)


_CURRENT: contextvars.ContextVar[_Attempt | None] = contextvars.ContextVar("attempt", default=None)


@cache
def _guard_connects() -> None:
    """Once for the process, since hooks stay; only what runs for one of our attempts is asked."""
    sys.addaudithook(_heard)


def _heard(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "socket.connect":
        return
    attempt = _CURRENT.get()
    if attempt is not None:
        attempt.connects(*arguments)


def _notify(url: str, content: Content, seconds: float, ca_file: str | None) -> tuple[bool, list[str]]:
    """Whether it was sent, and what the plugin logged. Blocks; the first one imports the package."""
    asset = _asset()
    import apprise

    plugin: Any = apprise.Apprise.instantiate(url, asset=asset)
    if plugin is None:
        return False, ["Apprise can't read the URL"]
    plugin.redirects, plugin.verify_certificate = False, ca_file or True  # whatever its URL says
    plugin.retry, plugin.request_rate_per_sec = 0, 0
    plugin.socket_connect_timeout = plugin.socket_read_timeout = seconds
    service = apprise.Apprise(asset=asset)
    service.add(plugin)
    result = service.notify(
        body=content.body, title=content.title, notify_type=content.type, body_format=content.format
    )
    return bool(result), [entry.message for entry in result.logs()]


@cache
def _asset() -> Any:
    """Nothing is kept on disk, no plugin is loaded from there, and its log says nothing beside ours."""
    import apprise

    logging.getLogger("apprise").propagate = False
    return apprise.AppriseAsset(
        app_id="Angarium", http_redirects=False, allow_templates=False, storage_mode="memory", service_timeout=0
    )
