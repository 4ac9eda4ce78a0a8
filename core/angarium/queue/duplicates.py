"""What a caller says is the same is sent to a recipient once a day: a key of its choice, like `otp-1`.

The first delivery with the key to an address has it from its first attempt on; one that ends without having been sent
gives it back. Deliveries of other notifications are in other shards, so the tenant's own slot keeps it.
"""

from hashlib import blake2b

from angarium.keys import PeopleKeys
from angarium.notifications import Attempt
from angarium.queue.queue import Queue, script

CLAIM_ONCE = script("claim_once", prelude="")
WINDOW_S = 24 * 3600


class Duplicates:
    """Whose turn it is."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    async def owner(self, attempt: Attempt) -> str:
        """The delivery that this recipient gets or has got with the notification's key: this one if there was none."""
        return await self._ask(attempt, WINDOW_S)

    async def give_back(self, attempt: Attempt) -> None:
        """It was not sent, so another may be."""
        await self._ask(attempt, 0)

    async def _ask(self, attempt: Attempt, seconds: int) -> str:
        notification, target = attempt.notification, attempt.target
        digest = blake2b(f"{notification.dedup}\0{target.name}\0{target.to}".encode(), digest_size=16).hexdigest()
        key = PeopleKeys(notification.tenant, self._queue.prefix).once(digest)
        owner: bytes = await CLAIM_ONCE.run(self._queue.link, [key], [attempt.delivery, seconds])
        return owner.decode("ascii")
