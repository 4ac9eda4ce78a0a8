"""Which server is the master now, as Sentinels say."""

from collections.abc import Callable

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError

from angarium.redis_url import Place, ask
from angarium.wire import AWAY


class Sentinels:
    """`name` is the master's; `connection_to` gives a connection to a Sentinel."""

    def __init__(
        self, places: tuple[Place, ...], name: str, connection_to: Callable[[Place], AbstractConnection]
    ) -> None:
        self._places, self._name, self._connection_to = list(places), name, connection_to

    async def master(self) -> Place:
        """Where it is, as the first says that answers; it is asked first the next time."""
        problem: BaseException | None = None
        for place in list(self._places):
            try:
                known = await ask(self._connection_to(place), "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._name)
            except AWAY as error:
                problem = error
                continue
            if known:
                self._places.sort(key=lambda other: other != place)
                return Place(known[0].decode(), int(known[1]))
        raise problem or RedisConnectionError(f"no Sentinel knows a master called {self._name}")
