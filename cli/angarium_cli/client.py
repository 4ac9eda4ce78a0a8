"""Speaking to a gateway: its problem+json becomes words and an exit code."""

from pathlib import Path
from typing import Any, Self

import httpx

from angarium import __version__
from angarium_cli.errors import Exit, Failure

TIMEOUT = 15.0  # s
DEFAULT_URL = "http://127.0.0.1:8480"
DEV_SECRETS = Path(".angarium/secrets")


class Gateway:
    """One gateway, asked with one key. `with Gateway(url, key) as gateway:`."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url
        headers = {"Authorization": f"Bearer {key}", "User-Agent": f"angarium-cli/{__version__}"}
        try:
            self._http = httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT)
        except (httpx.InvalidURL, UnicodeEncodeError):
            raise Failure("the URL or the key holds what neither can hold", Exit.USAGE) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, **query: str | int | None) -> Any:
        """The JSON answer; query parameters that are None are left out."""
        given = {name: value for name, value in query.items() if value is not None}
        return self._ask("GET", path, params=given)

    def post(self, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Any:
        """The JSON answer; `body` is JSON, too."""
        kind = {"Content-Type": "application/json"} if body is not None else {}
        return self._ask("POST", path, content=body, headers=kind | (headers or {}))

    def delete(self, path: str, headers: dict[str, str] | None = None) -> None:
        """Delete what is there."""
        self._send("DELETE", path, headers=headers)

    def _ask(self, method: str, path: str, **more: Any) -> Any:
        return read_json(self._send(method, path, **more))

    def _send(self, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, **more)
        except httpx.UnsupportedProtocol:
            raise Failure(f"{self._url} is no http or https URL", Exit.USAGE) from None
        except httpx.HTTPError as error:
            reason = f"{str(error) or type(error).__name__}; is `angarium dev` running?"
            raise Failure(f"no answer from {self._url}: {reason}", Exit.UNREACHABLE) from None
        if response.is_success:
            return response
        raise Failure(words(response))


def read_json(response: httpx.Response) -> Any:
    """What a gateway answers; anything else is no gateway."""
    try:
        return response.json()
    except ValueError:
        raise Failure(f"{response.url} answered {response.status_code} without JSON: is it a gateway?") from None


def words(response: httpx.Response) -> str:
    """A refusal for people: the title, then each error on a line of its own."""
    head = f"{response.status_code} {response.reason_phrase}"
    if not response.headers.get("content-type", "").startswith("application/problem+json"):
        return f"{head}: {response.text[:200].strip()}" if response.text.strip() else head
    problem = read_json(response)
    detail = f": {problem['detail']}" if "detail" in problem else ""
    lines = [f"{response.status_code} {problem.get('title', response.reason_phrase)}{detail}"]
    errors = problem.get("errors", ())
    lines += [f"  {error.get('pointer') or error.get('parameter', '')}: {error['detail']}" for error in errors]
    if after := response.headers.get("retry-after"):
        lines.append(f"  try again in {after} s")
    return "\n".join(lines)


def credentials(url: str | None, key: str | None) -> tuple[str, str]:
    """Where to ask, and the key: as given, else what `angarium dev` wrote below this folder."""
    if key:
        return url or DEFAULT_URL, key
    bindings = sorted(path.parent for path in DEV_SECRETS.glob("*/api-key"))
    if not bindings:
        raise Failure("no key: give --key or ANGARIUM_API_KEY, or start `angarium dev` in this folder", Exit.USAGE)
    if len(bindings) > 1:
        found = ", ".join(str(path / "api-key") for path in bindings)
        raise Failure(f'several keys are here, choose one with --key "$(cat …)": {found}', Exit.USAGE)
    [binding] = bindings
    try:
        return url or _read(binding / "uri") or DEFAULT_URL, _read(binding / "api-key")
    except OSError as error:
        raise Failure(f"{error.filename}: {error.strerror}", Exit.BLOCKED) from None


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip()
