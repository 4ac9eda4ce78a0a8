"""API keys and signing keys as services see them, and what a gateway makes of an API key."""

import base64
import json
from typing import Any

from tests.e2e.commands import RELEASE, SHOP, SYSTEM, Failed, get, kubectl

KEYS = ("api-key", "signing-key", "jwt-private-key")
# Reads lines of [key, method, path, body], writes [status, answer]: one program for all, as it is slow to start.
PROGRAM = """
import json, sys, urllib.error, urllib.request
for line in sys.stdin:
    key, method, path, body = json.loads(line)
    headers = {"Authorization": "Bearer " + key, "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request("GATEWAY" + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            print(json.dumps([answer.status, json.load(answer)]))
    except urllib.error.HTTPError as error:
        print(json.dumps([error.code, json.load(error)]))
"""


def keys(namespace: str = SHOP) -> dict[str, str]:
    """Every key in every Secret, by `<secret>/<name>`."""
    return {
        f"{secret['metadata']['name']}/{name}": base64.b64decode(secret["data"][name]).decode()
        for secret in get("secrets", "-n", namespace)["items"]
        for name in KEYS
        if name in secret.get("data", {})
    }


def same(before: dict[str, str], what: str) -> None:
    """Raise Failed where one of these keys is another now. No key is told."""
    now = keys()
    if changed := [name for name, key in before.items() if now.get(name) != key]:
        raise Failed(f"after {what} these keys are others: {', '.join(changed)}")


def ask(key: str, *requests: tuple[str, str, object], namespace: str = SYSTEM) -> list[tuple[int, dict[str, Any]]]:
    """What the gateways of a release answer to these (method, path, body), one after the other."""
    program = PROGRAM.replace("GATEWAY", f"http://{RELEASE}-gateway.{namespace}.svc")
    lines = "".join(json.dumps([key, *request]) + "\n" for request in requests)
    gateway = ("exec", "-i", "-n", namespace, f"deployment/{RELEASE}-gateway", "--", "python3", "-c", program)
    answers = [json.loads(line) for line in kubectl(*gateway, stdin=lines).splitlines()]
    return [(status, answer) for status, answer in answers]
