"""How objects and records lie in memory: packed, and opened when somebody looks.

A Callback takes 18 KB as a model and 3 KB packed, and of ten thousand only a few are looked at in any second.
Those stay open, so that a plan, which looks at an object several times, opens it once.
"""

import pickle
from collections.abc import Iterator, MutableMapping
from functools import lru_cache
from typing import Generic, TypeVar

from pydantic import BaseModel

OPEN = 256  # that stay open

K = TypeVar("K")
M = TypeVar("M", bound=BaseModel)


def pack(model: BaseModel) -> bytes:
    """Exactly this model, whatever it takes for valid."""
    return pickle.dumps(model, pickle.HIGHEST_PROTOCOL)


@lru_cache(OPEN)
def unpack(packed: bytes) -> BaseModel:
    """What was packed by this process; who looks soon again gets the same, so nobody may change it."""
    found: BaseModel = pickle.loads(packed)  # noqa: S301 - it never leaves our memory
    return found


class Packed(MutableMapping[K, M], Generic[K, M]):
    """A dict of models that keeps them packed."""

    def __init__(self) -> None:
        self._packed: dict[K, bytes] = {}

    def __getitem__(self, key: K) -> M:
        return unpack(self._packed[key])  # type: ignore[return-value]  # only such were put in

    def __setitem__(self, key: K, model: M) -> None:
        self._packed[key] = pack(model)

    def __delitem__(self, key: K) -> None:
        del self._packed[key]

    def __contains__(self, key: object) -> bool:
        return key in self._packed

    def __iter__(self) -> Iterator[K]:
        return iter(self._packed)

    def __len__(self) -> int:
        return len(self._packed)
