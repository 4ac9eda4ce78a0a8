"""A real browser, headless, by its DevTools protocol: enough to use a page as a person does."""

import asyncio
import itertools
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-extensions", "--disable-sync",
    "--remote-debugging-port=0",
)  # fmt: skip
SECONDS = 20


def installed() -> str | None:
    """Path of a browser that is here."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Page:
    """One page; what it logs as an error or throws, the browser's own complaints included, is in `complaints`."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self._socket, self._numbers = socket, itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._session = ""
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self._paused: asyncio.Queue[str] = asyncio.Queue()

    async def open(self, url: str) -> None:
        """Load it in a new tab."""
        target = (await self.tell("Target.createTarget", url="about:blank"))["targetId"]
        self._session = (await self.tell("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        for domain in ("Runtime", "Log", "Network", "Page"):
            await self.tell(f"{domain}.enable")
        await self.tell("Page.navigate", url=url)

    async def leave(self) -> None:
        """Close the browser, which clears away what it wrote."""
        self._session = ""
        await self.tell("Browser.close")

    async def tell(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the protocol, and its result."""
        number = next(self._numbers)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        message: dict[str, Any] = {"id": number, "method": method, "params": params}
        await self._socket.send_json(message | ({"sessionId": self._session} if self._session else {}))
        async with asyncio.timeout(SECONDS):
            return await self._waiting[number]

    async def listen(self) -> None:
        """Take what the browser says, until it hangs up."""
        async for message in self._socket:
            if message.type is WSMsgType.TEXT:
                self._heard(message.json())

    def _heard(self, said: dict[str, Any]) -> None:
        params = said.get("params", {})
        match said.get("method"):
            case None:
                assert "error" not in said, said
                self._waiting.pop(said["id"]).set_result(said["result"])
            case "Runtime.exceptionThrown":
                self.complaints.append(str(params["exceptionDetails"]))
            case "Log.entryAdded" if params["entry"]["level"] == "error":
                self.complaints.append(params["entry"]["text"])
            case "Fetch.requestPaused":
                self._paused.put_nowait(params["requestId"])
            case "Network.requestWillBeSent" if not params["request"]["url"].startswith("data:"):  # its own icons
                self.requests.append(params["request"]["url"])
            case _:
                pass

    async def value(self, expression: str) -> Any:
        """What an expression is in the page."""
        told = await self.tell("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    async def until(self, expression: str) -> None:
        """Wait until it is true."""
        try:
            async with asyncio.timeout(SECONDS):
                while not await self.value(expression):
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"{expression} was never true of:\n{await self.text()}") from None

    async def shows(self, text: str, where: str = "body") -> None:
        """Wait until it can be read."""
        await self.until(f"document.querySelector({where!r})?.innerText.includes({text!r})")

    async def asks(self, ending: str) -> None:
        """Wait until it asks for such a URL."""
        async with asyncio.timeout(SECONDS):
            while not any(url.endswith(ending) for url in self.requests):
                await asyncio.sleep(0.02)

    async def text(self) -> str:
        """All that can be read."""
        return str(await self.value("document.body.innerText"))

    async def type(self, name: str, text: str) -> None:
        """Replace what is in a field, by the keyboard's way; `name` is its id."""
        await self.value(f"document.getElementById({name!r}).focus(), document.getElementById({name!r}).select?.()")
        await self.tell("Input.insertText", text=text)

    async def press(self, key: str, code: int, text: str = "") -> None:
        """A key, where the focus is."""
        about = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        await self.tell("Input.dispatchKeyEvent", type="keyDown", **about, **({"text": text} if text else {}))
        await self.tell("Input.dispatchKeyEvent", type="keyUp", **about)

    async def click(self, selector: str, count: int = 1) -> None:
        """By the mouse, where it can be seen; twice is a double click."""
        place = await self.value(
            f"(e => (e.scrollIntoView({{block: 'center'}}), (r => [r.x + r.width / 2, r.y + r.height / 2])"
            f"(e.getBoundingClientRect())))(document.querySelector({selector!r}))"
        )
        for number in range(1, count + 1):
            for kind in ("mousePressed", "mouseReleased"):
                await self.tell(
                    "Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=number
                )

    @asynccontextmanager
    async def losing(self, path: str) -> AsyncIterator[None]:
        """The next answer to such a request is lost on its way, once the server has given it."""
        await self.tell("Fetch.enable", patterns=[{"urlPattern": f"*{path}", "requestStage": "Response"}])
        yield
        async with asyncio.timeout(SECONDS):
            paused = await self._paused.get()
        await self.tell("Fetch.failRequest", requestId=paused, errorReason="ConnectionClosed")
        await self.tell("Fetch.disable")


@asynccontextmanager
async def browsing(program: str, folder: Path) -> AsyncIterator[Page]:
    """A page of a browser of its own, with nothing remembered."""
    process = await asyncio.create_subprocess_exec(
        program, *FLAGS, f"--user-data-dir={folder}", stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        async with ClientSession() as client, client.ws_connect(await _address(process), max_msg_size=0) as socket:
            page = Page(socket)
            listener = asyncio.create_task(page.listen())
            yield page
            await page.leave()
            await listener
            async with asyncio.timeout(SECONDS):
                await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def _address(process: asyncio.subprocess.Process) -> str:
    assert process.stderr
    async with asyncio.timeout(SECONDS):
        async for line in process.stderr:
            if b"DevTools listening on " in line:
                return line.decode().split(" on ", 1)[1].strip()
    raise AssertionError("the browser did not start")
