"""Callbacks in the cluster, for the editor: written with a field manager of their own, so that it shows who did."""

from typing import Any

from angarium_operator.api import Api, ApiRefused
from angarium_operator.editor import NotNow, Outdated, Taken
from angarium_operator.feed import Feed
from angarium_operator.kinds import CALLBACK
from angarium_operator.planning.edits import EditRefused, refused_by_server

MANAGER = "angarium-api"
NO_RIGHT = "the operator may not write Callbacks here; see api.callbacks.enabled of the chart"

Object = dict[str, Any]


class ClusterCallbacks:
    """What is written is in the snapshot at once: the next edit counts it."""

    def __init__(self, api: Api, feed: Feed) -> None:
        self._api, self._feed = api, feed

    async def read(self, namespace: str, name: str) -> Object | None:
        """As the API server has it, not as a watch told it."""
        try:
            return await self._api.get(CALLBACK, namespace, name)
        except ApiRefused as refused:
            if refused.status == 404:
                return None
            raise _meaning(refused) from refused

    async def create(self, manifest: Object) -> Object:
        """POST, for an apply would change what is there."""
        try:
            made = await self._api.create(CALLBACK, manifest["metadata"]["namespace"], manifest, manager=MANAGER)
        except ApiRefused as refused:
            if refused.reason == "AlreadyExists":
                raise Taken from refused
            raise _meaning(refused) from refused
        self._feed.seen(CALLBACK, "ADDED", made)
        return made

    async def change(self, namespace: str, name: str, patch: Object) -> Object:
        """A merge patch that names a version: the API server compares it."""
        try:
            changed = await self._api.merge(CALLBACK, namespace, name, patch, manager=MANAGER)
        except ApiRefused as refused:
            if refused.status in (404, 409):
                raise Outdated from refused
            raise _meaning(refused) from refused
        self._feed.seen(CALLBACK, "MODIFIED", changed)
        return changed

    async def delete(self, found: Object) -> None:
        """Its Secret goes with it, by its owner reference. The watch tells when it is gone."""
        metadata = found["metadata"]
        version = metadata["resourceVersion"]
        try:
            await self._api.delete(CALLBACK, metadata["namespace"], metadata["name"], version=version)
        except ApiRefused as refused:
            if refused.status in (404, 409):
                raise Outdated from refused
            raise _meaning(refused) from refused


def _meaning(refused: ApiRefused) -> Exception:
    """What a refusal means for who asked: never to come again, or to be tried again."""
    if refused.status in (400, 422):
        return refused_by_server(refused.message, refused.causes)
    if refused.status == 403:
        known = refused.reason == "Forbidden" and "cannot" in refused.message
        return EditRefused("forbidden", NO_RIGHT if known else refused.message)
    return NotNow(str(refused))
