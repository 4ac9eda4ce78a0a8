"""A small receiver as a customer would write it: it fails the first attempt once, then checks the signature with the
reference library of Standard Webhooks, which shares no code with ours.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from angarium_cli.errors import Exit, Failure

HOST = "127.0.0.1"


@dataclass
class Receiver:
    """`signing_key` is the file that `angarium dev` writes; `verdicts` says by webhook-id whether it was genuine."""

    signing_key: Path
    failures_left: int = 0
    verdicts: dict[str, bool] = field(default_factory=dict)

    async def receive(self, request: web.Request) -> web.Response:
        """One webhook."""
        body = await request.read()
        if self.failures_left > 0:
            self.failures_left -= 1
            return web.Response(status=503, text="overloaded")
        genuine = self._is_genuine(body, dict(request.headers))
        self.verdicts[request.headers.get("webhook-id", "")] = genuine
        return web.Response(text="ok") if genuine else web.Response(status=401, text="bad signature")

    def _is_genuine(self, body: bytes, headers: dict[str, str]) -> bool:
        try:
            Webhook(self.signing_key.read_text(encoding="ascii").strip()).verify(body, headers)
        except (WebhookVerificationError, OSError, ValueError):  # ValueError: the file holds no key
            return False
        return True

    @asynccontextmanager
    async def serve(self, port: int, path: str) -> AsyncIterator[None]:
        """Listen while the body runs."""
        app = web.Application()
        app.router.add_post(path, self.receive)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, port).start()
        except OSError as error:
            await runner.cleanup()
            raise Failure(
                f"{HOST}:{port}, where the example's receiver listens, can't be had: {error.strerror}", Exit.BLOCKED
            ) from None
        try:
            yield
        finally:
            await runner.cleanup()
