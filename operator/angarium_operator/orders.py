"""What plans have ordered and loops carry out: given and taken back at any time, by object."""

import asyncio
from typing import TypeVar

from angarium_operator.planning import Key
from angarium_operator.planning.orders import Order

T = TypeVar("T", bound=Order)


class Orders:
    """The latest of each object."""

    def __init__(self) -> None:
        self._orders: dict[Key, Order] = {}
        self._given = asyncio.Event()

    def give(self, key: Key, order: Order | None) -> None:
        """Have it carried out from now on; None: no longer."""
        if order is None:
            self._orders.pop(key, None)
            return
        self._orders[key] = order
        self._given.set()

    def of(self, kind: type[T]) -> dict[Key, T]:
        """Those of a kind."""
        return {key: order for key, order in self._orders.items() if isinstance(order, kind)}

    async def some(self, kind: type[T], idle: float) -> dict[Key, T]:
        """The same as soon as there are any; or none, after a while."""
        if not (found := self.of(kind)):
            self._given.clear()
            try:
                async with asyncio.timeout(idle):
                    await self._given.wait()
            except TimeoutError:
                return {}
            found = self.of(kind)
        return found
