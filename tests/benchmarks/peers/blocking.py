"""The same POST for workers of threads and processes: requests, with a session for each thread."""

import threading

import requests
from tests.benchmarks.peers.webhook import RECEIVER, headers


class Local(threading.local):
    """Of one thread."""

    def __init__(self) -> None:
        self.session = requests.Session()


LOCAL = Local()


def post(text: str) -> None:
    """One delivery."""
    body = text.encode()
    LOCAL.session.post(RECEIVER, data=body, headers=headers(body), timeout=15).raise_for_status()
