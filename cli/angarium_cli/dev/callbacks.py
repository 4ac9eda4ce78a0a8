"""Callbacks made through the API while `angarium dev` runs: kept in its state folder, never in the user's own.

One that is later declared in the folder, under the same name, is the folder's from then on.
"""

from collections.abc import Callable
from typing import Any

from angarium.resources import Callback
from angarium_cli.dev.reconciler import Reconciler
from angarium_operator.editor import Outdated, Taken
from angarium_operator.planning import Key
from angarium_operator.planning.edits import merged

Object = dict[str, Any]


class LocalCallbacks:
    """What the API server is to the operator; nobody else writes, so nothing is ever outdated."""

    def __init__(self, reconciler: Reconciler, deleted: Callable[[Key], None]) -> None:
        self._reconciler, self._deleted = reconciler, deleted

    async def read(self, namespace: str, name: str) -> Object | None:
        """As a manifest."""
        found = self._reconciler.objects.by_key.get(Key("callback", namespace, name))
        return _manifest(found) if isinstance(found, Callback) else None

    async def create(self, manifest: Object) -> Object:
        """A new one."""
        callback = Callback.model_validate(manifest)
        if Key.of(callback) in self._reconciler.objects.by_key:
            raise Taken
        return _manifest(self._reconciler.put(callback))

    async def change(self, namespace: str, name: str, patch: Object) -> Object:
        """Merge into it."""
        found = await self.read(namespace, name)
        if found is None:
            raise Outdated
        return _manifest(self._reconciler.put(Callback.model_validate(merged(found, patch))))

    async def delete(self, found: Object) -> None:
        """Its Secret goes with it."""
        key = Key("callback", found["metadata"]["namespace"], found["metadata"]["name"])
        self._reconciler.remove(key)
        self._deleted(key)


def _manifest(callback: Callback) -> Object:
    return callback.model_dump(mode="json", by_alias=True, exclude_none=True)
