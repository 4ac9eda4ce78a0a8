"""Groups: what stands for a whole group leaves by becoming a delivery for each member, some dozen at a time.

An attempt makes so many steps, as long as there is room; then it is made again, which spends nothing. Where the
tenant's quota or Redis has no room, that is later: no slot is held by waiting, and no more is stored than may wait.
"""

import time
from collections.abc import Collection
from typing import NamedTuple

from angarium.contents import channels_of
from angarium.errors import StorageFull, StorageUnavailable
from angarium.identifiers import parse_delivery_id
from angarium.notifications import NOBODY, Attempt, Outcome, Result, Target
from angarium.people import NoSuchGroup, Page, People, User, targets_of
from angarium.queue import BacklogFull, Census, Expander, Progress
from angarium.retries import RetryPolicy

PAGE = 50  # members read at once
LARGEST_PART = 200  # recipients, as long as one user's devices are fewer
FULL = 0.75  # of Redis' memory: as gateways by default, nothing new is stored beyond
MOST_STEPS = 100  # in one attempt: it holds a slot, and may be recovered some times only
AT_ONCE = 0.001  # s
SHARED = ("slack", "telegram")  # addresses that several users may have
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0  # s, until it is looked whether there is room
UNREACHED = ("no_address", "the user has no address for what is sent, or the product no provider")


class Nowhere:
    """Where a message for a user leads who can't be reached: that is told of it, and nothing sent."""

    channel = NOBODY
    policy = RetryPolicy()
    endpoint = ""
    suspended = False
    refusal: tuple[str, str] | None = UNREACHED

    async def deliver(self, _: Attempt) -> Outcome:
        """Never asked to."""
        return Outcome(Result.PERMANENT, *UNREACHED, blameless=True)


class GroupStore(NamedTuple):
    """What expanding needs of Redis."""

    expander: Expander
    people: People
    census: Census


class Expansion:
    """The groups of one tenant; `channels` are those that it can send by, `quota` how many deliveries may wait."""

    channel = "group"
    policy = RetryPolicy()
    endpoint = ""
    suspended = False
    refusal: tuple[str, str] | None = None

    def __init__(self, store: GroupStore, channels: Collection[str], quota: int | None) -> None:
        self._expander, self._people, self._census = store
        self._channels, self._quota = frozenset(channels), quota

    async def deliver(self, attempt: Attempt) -> Outcome:
        """From where it is, as far as there is room."""
        work = _Work(attempt, self._channels)
        try:
            if await self._census.memory_ratio() >= FULL:
                return work.later("storage is nearly full; it goes on when there is room")
            return await self._expand(work)
        except NoSuchGroup:
            return Outcome(Result.PERMANENT, "group_deleted", "the group is no longer there", blameless=True)
        except BacklogFull:
            return work.later("as many deliveries wait as may; it goes on when there is room")
        except StorageFull:
            return work.later("storage is full; it goes on when there is room")
        except StorageUnavailable:
            return work.later("storage was away")

    async def _expand(self, work: "_Work") -> Outcome:
        progress = await self._expander.progress(work.notification, work.index)
        for _ in range(MOST_STEPS):
            if progress.done:
                return Outcome(Result.DELIVERED, detail=await self._count(work))
            if work.expired:
                return Outcome(Result.PERMANENT, "expired", "the others were not sent to before", blameless=True)
            progress = await self._step(work, progress)
            work.waits = 0
        return Outcome(Result.SENT, detail=f"{await self._count(work)} so far", retry_after=AT_ONCE)

    async def _count(self, work: "_Work") -> str:
        return f"{await self._expander.count(work.notification, work.index):,} recipients"

    async def _step(self, work: "_Work", at: Progress) -> Progress:
        limit = min(PAGE, max(1, (self._quota or PAGE * 4) // 4))
        page = await self._people.page(work.tenant, work.group, at.cursor or None, limit)
        targets, cursor = work.portion(page)
        return await self._expander.add(work.notification, work.index, (at, at.then(cursor)), targets, self._quota)


class _Work:
    """One attempt's view of the notification."""

    def __init__(self, attempt: Attempt, channels: frozenset[str]) -> None:
        self.notification, self.group = attempt.notification, attempt.target.to
        self.tenant = self.notification.tenant
        self.index = parse_delivery_id(attempt.delivery).index
        self.waits = int(attempt.reference or 0)
        others = self.notification.targets
        self._offered = channels & set(channels_of(self.notification.body))
        self._several = len(others) > 1
        self._direct = {(each.name, each.to) for each in others}

    @property
    def expired(self) -> bool:
        """Whether it is too late."""
        expires = self.notification.expires_ms
        return bool(expires) and time.time() * 1000 >= expires

    def portion(self, page: Page) -> tuple[list[tuple[Target, bool]], str | None]:
        """As many of a page's users as make a part of a sane size, and where the list goes on.

        Of each target it is said whether it may have been reached before: there is another group, or others share it.
        """
        targets: list[tuple[Target, bool]] = []
        last: User | None = None
        for user in page.users:
            own = targets_of(self.tenant, user, self._offered)
            if last and len(targets) + len(own) > LARGEST_PART:
                return targets, People.after(self.tenant, self.group, page.number, last.id)
            known = [(each, self._several or each.name in SHARED) for each in own]
            targets += [pair for pair in known if (pair[0].name, pair[0].to) not in self._direct]
            last = user
        return targets, page.cursor

    def later(self, detail: str) -> Outcome:
        """In a while; in twice as long as the last time, where nothing came of that."""
        pause = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(self.waits, 10))
        return Outcome(Result.SENT, detail=detail, retry_after=pause, reference=str(self.waits + 1))
