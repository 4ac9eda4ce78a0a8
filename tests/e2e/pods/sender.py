"""A customer's service: reads where and as whom from the Secret mounted at /binding, sends each event that is named on
its command line, waits until it is delivered, and prints the timeline as one JSON line.

With `--flood` it sends without pause until it gets SIGUSR1, never repeating what failed, waits until nothing is
pending, and prints what was accepted and what failed.
"""

import json
import signal
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

BINDING = Path("/binding")
PATIENCE = 60.0  # s, for the whole of one notification


def call(method: str, path: str, body: object = None, key: str = "") -> tuple[int, dict[str, Any]]:
    """Status and JSON answer; status 0 when nobody answered."""
    headers = {"Authorization": f"Bearer {secret('api-key')}", "Content-Type": "application/json"}
    if key:
        headers["Idempotency-Key"] = key
    request = Request(  # noqa: S310 - the URL is the operator's
        secret("uri") + path,
        method=method,
        headers=headers,
        data=None if body is None else json.dumps(body).encode(),
    )
    try:
        with urlopen(request, timeout=10) as answer:  # noqa: S310 - likewise
            return answer.status, json.load(answer)
    except HTTPError as error:
        return error.code, json.load(error)
    except (URLError, TimeoutError) as error:
        return 0, {"detail": str(error)}


def secret(name: str) -> str:
    """One key of the binding."""
    return (BINDING / name).read_text(encoding="utf-8").strip()


def send(event: str, deadline: float) -> dict[str, Any]:
    """What was answered, twice the same."""
    key = str(uuid.uuid4())
    answer = insist(event, key, deadline)
    repeated = insist(event, key, deadline)
    if repeated["id"] != answer["id"]:
        sys.exit(f"the same Idempotency-Key gave {answer['id']}, then {repeated}")
    return answer


def insist(event: str, key: str, deadline: float) -> dict[str, Any]:
    """Repeats what was not accepted, with the same key, as a good client does: one gateway may hear later than another
    that there is config at last."""
    while True:
        status, answer = call("POST", "/v1/notifications", {"event": event, "data": {"order": 1042}}, key)
        if status == 202:
            return answer
        if time.monotonic() > deadline:
            sys.exit(f"POST /v1/notifications: {status} {answer}")
        time.sleep(0.5)


def follow(notification: str, deadline: float) -> dict[str, Any]:
    """The notification once it is no longer pending."""
    while True:
        status, answer = call("GET", f"/v1/notifications/{notification}")
        if status == 200 and answer["status"] != "pending":
            return answer
        if time.monotonic() > deadline:
            sys.exit(f"{notification} is still pending: {status} {answer}")
        time.sleep(0.2)


def flood() -> None:
    """One line for its beginning, one for its end."""
    stop, accepted, failed = threading.Event(), list[str](), list[str]()

    def post() -> None:
        while not stop.wait(0.02):
            status, answer = call("POST", "/v1/notifications", {"event": "order.flooded", "data": {}})
            if status == 202:
                accepted.append(answer["id"])
            else:
                failed.append(f"{status} {answer}")

    signal.signal(signal.SIGUSR1, lambda *_: stop.set())
    threads = [threading.Thread(target=post) for _ in range(6)]
    for thread in threads:
        thread.start()
    sys.stdout.write("begun\n")
    for thread in threads:
        thread.join()
    sys.stdout.write(json.dumps({"accepted": accepted, "failed": failed, "pending": settle()}) + "\n")


def settle() -> int:
    """How many are still pending in the end."""
    deadline = time.monotonic() + PATIENCE
    while True:
        status, answer = call("GET", "/v1/notifications?status=pending")
        pending = len(answer["notifications"]) if status == 200 else -1
        if pending == 0 or time.monotonic() > deadline:
            return pending
        time.sleep(0.5)


def main(events: list[str]) -> None:
    """One line for each event."""
    if events == ["--flood"]:
        flood()
        return
    for event in events:
        deadline = time.monotonic() + PATIENCE
        accepted = send(event, deadline)
        ended = follow(accepted["id"], deadline)
        _, timeline = call("GET", f"/v1/notifications/{accepted['id']}/timeline")
        line = {"id": accepted["id"], "event": event, "status": ended["status"], "timeline": timeline["entries"]}
        sys.stdout.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
