"""Taking in lists of users: row by row, so that one that is wrong stops no other, and in batches, so that nobody waits.

The event loop is left every few rows: the checks of 10,000 take most of a second, in which others are answered.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

from angarium.errors import StorageFull, StorageUnavailable
from angarium.people import Limits, Saved
from angarium.people.registry import BATCH
from angarium_gateway.appkeys import IMPORTS, REGISTRY, VITALS
from angarium_gateway.bodies import pointer
from angarium_gateway.people_requests import UserRow
from angarium_gateway.problems import RATE, Problem, full, invalid, unavailable
from angarium_gateway.requests import read_members

LARGEST = 8 * 1024 * 1024  # bytes of a list
BREATH = 10  # rows that are checked at a time: 1 ms
MOST_OF_TENANT, MOST = 2, 8  # lists that this gateway takes in at a time

Rows = list[tuple[int, dict[str, Any]]]  # place in the list, and what the registry takes
Error = dict[str, str]


@dataclass
class Tally:
    """What became of the rows so far; with a `problem`, of all: some were left because of it."""

    done: int = 0
    created: int = 0
    updated: int = 0
    failed: int = 0
    errors: list[Error] = field(default_factory=list)
    ids: list[str | None] = field(default_factory=list)
    problem: Problem | None = None

    def refuse(self, place: int, errors: Sequence[Error]) -> None:
        """Note what is wrong with a row."""
        self.failed += 1
        self.errors += [each | {"pointer": pointer("users", place) + each["pointer"]} for each in errors]

    def take(self, place: int, saved: Saved, limits: Limits) -> str | None:
        """Note what the store did with a row; its user's id."""
        if saved.result == "refused":
            self.refuse(place, [objection(saved, limits)])
            return None
        self.created += saved.result == "created"
        self.updated += saved.result == "updated"
        return saved.id


@contextmanager
def one_more(app: web.Application, tenant: str) -> Iterator[None]:
    """As many lists at a time as memory allows; raises a Problem."""
    taking: Counter[str] = app[IMPORTS]
    if taking[tenant] >= MOST_OF_TENANT or taking.total() >= MOST:
        detail = "too many lists of users are being taken in; send one after the other"
        raise Problem(RATE, detail, headers={"Retry-After": "1"})
    taking[tenant] += 1
    try:
        yield
    finally:
        taking[tenant] -= 1
        if not taking[tenant]:
            del taking[tenant]


async def take_in(
    app: web.Application, tenant: str, rows: list[bytes], group: int | None = None
) -> AsyncIterator[Tally]:
    """Save the rows; the same tally again and again, after each batch."""
    tally = Tally()
    if not rows:
        yield tally
    for first in range(0, len(rows), BATCH):
        told = len(tally.errors)
        batch = await _checked(rows[first : first + BATCH], first, tally)
        try:
            app[VITALS].require_room()
            saved = await app[REGISTRY].save(tenant, [row for _, row in batch], group) if batch else []
        except (StorageFull, StorageUnavailable, Problem) as error:
            left = [place for place, _ in batch] + list(range(first + BATCH, len(rows)))
            yield _given_up(tally, _problem(error), left, len(rows))
            return
        pairs = zip(batch, saved, strict=True)
        ids = {place: tally.take(place, each, app[REGISTRY].limits) for (place, _), each in pairs}
        tally.errors[told:] = sorted(tally.errors[told:], key=_place)
        tally.done = min(first + BATCH, len(rows))
        tally.ids += [ids.get(place) for place in range(first, tally.done)]
        yield tally


def _given_up(tally: Tally, problem: Problem, left: list[int], total: int) -> Tally:
    tally.problem, tally.done = problem, total
    for place in left:
        tally.refuse(place, [{"pointer": "", "detail": f"may not be stored: {problem.kind.title.lower()}; repeat it"}])
    tally.errors.sort(key=_place)
    tally.ids += [None] * (total - len(tally.ids))
    return tally


async def _checked(rows: list[bytes], first: int, tally: Tally) -> Rows:
    good: Rows = []
    for place, row in enumerate(rows, first):
        if not place % BREATH:
            await asyncio.sleep(0)
        try:
            good.append((place, _read(row)))
        except Problem as problem:
            tally.refuse(place, [dict(error) for error in problem.errors])
    return good


def _read(raw: bytes) -> dict[str, Any]:
    try:
        row = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise invalid("", f"is not JSON: {error.msg}") from None
    if not isinstance(row, dict):
        raise invalid("", "must be an object")
    return read_members(UserRow, row).row()


def _problem(error: Exception) -> Problem:
    if isinstance(error, Problem):
        return error
    return full() if isinstance(error, StorageFull) else unavailable()


def _place(error: Error) -> int:
    return int(error["pointer"].split("/")[2])


def objection(saved: Saved, limits: Limits) -> Error:
    """Why the store refused a row."""
    at = {"pointer": pointer(saved.field) if saved.field else ""}
    match saved.why:
        case "unknown":
            return at | {"detail": "there is no such user"}
        case "taken":
            return at | {"detail": f"belongs to another user ({saved.other})"}
        case "other":
            return at | {"detail": f"belongs to {saved.other}, who goes by another name than this row says"}
        case "nameless":
            return at | {"detail": "give a key, a phone or an email: at least one of them"}
        case "full":
            return at | {"detail": f"there are {limits.users:,} users, the most there may be"}
        case "devices":
            return at | {"detail": f"{limits.devices} devices at most"}
        case "members":
            return at | {"detail": f"the group has {limits.members:,} members, the most there may be"}
        case _:
            return at | {"detail": "the group was deleted meanwhile"}
