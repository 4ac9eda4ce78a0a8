"""Carries out what callers of the API ask for. `angarium dev` does so, too, on files instead of on a cluster.

At least once: an edit is closed with its answer and not before, so each way through here ends as it would have ended
if it had been gone before.
"""

import asyncio
import json
import logging
from collections import defaultdict
from typing import Any, Protocol

from angarium.edits import Edit, EditStore, EnvelopeError, OpenEdit, Reply, seal_for
from angarium.identifiers import resource_id
from angarium.signing import HMAC_PREFIX, PUBLIC_PREFIX
from angarium.telemetry.metrics import EDITS
from angarium_operator.mandate import Permit, unlimited
from angarium_operator.planning import Snapshot
from angarium_operator.planning.edits import (
    Caller,
    EditRefused,
    caller_of,
    change,
    made_by,
    new_callback,
    own,
    read,
    told,
)
from angarium_operator.planning.secrets import ours

log = logging.getLogger(__name__)
AGAIN = 0.3  # s until what could not be done is tried again
TRIES = 4  # against somebody who changes the same object
ATTEMPT_S = 8.0  # s for one edit, so that an API server that hangs doesn't hold up the others for long

HALVES = {"HMAC": "signing-key", "Ed25519": "public-key"}  # of the Secret, that a receiver needs
PREFIXES = {"HMAC": HMAC_PREFIX, "Ed25519": PUBLIC_PREFIX}

Object = dict[str, Any]


class Taken(Exception):
    """An object of that name is there."""


class Outdated(Exception):
    """The object is another by now, or gone."""


class NotNow(Exception):
    """It can't be done now; trying again may help."""


class Callbacks(Protocol):
    """Where Callbacks are kept. Any method may raise NotNow or EditRefused."""

    async def read(self, namespace: str, name: str) -> Object | None:
        """The object, as it is now."""

    async def create(self, manifest: Object) -> Object:
        """Make it; raises Taken."""

    async def change(self, namespace: str, name: str, patch: Object) -> Object:
        """Merge into it; raises Outdated where it isn't of the version that the patch names."""

    async def delete(self, found: Object) -> None:
        """Delete it; raises Outdated where it isn't of that version."""


class Editor:
    """`step` in a loop. `allowed`: whether this installation lets callers make Callbacks at all."""

    def __init__(
        self,
        store: EditStore,
        callbacks: Callbacks,
        snapshot: Snapshot,
        *,
        allowed: bool = True,
        permit: Permit = unlimited,
    ) -> None:
        self._store, self._callbacks, self._snapshot = store, callbacks, snapshot
        self._allowed, self._permit = allowed, permit

    async def step(self) -> float:
        """Answer what is open, each tenant's in turn; seconds to the next look."""
        by_tenant: defaultdict[str, list[OpenEdit]] = defaultdict(list)
        for opened in await self._store.wait():
            if self._permit() <= 0:
                return AGAIN
            if opened.void or opened.edit is None:
                await self._store.drop(opened)
            else:
                by_tenant[opened.edit.tenant].append(opened)
        done = await asyncio.gather(*[self._in_turn(several) for several in by_tenant.values()])
        return 0.0 if all(done) else AGAIN

    async def _in_turn(self, several: list[OpenEdit]) -> bool:
        """Whether all of them were answered."""
        return all([await self._serve(opened, opened.edit) for opened in several if opened.edit is not None])

    async def _serve(self, opened: OpenEdit, edit: Edit) -> bool:
        try:
            async with asyncio.timeout(ATTEMPT_S):
                reply = await self._carry_out(edit)
        except EditRefused as refused:
            reply = Reply(refused=refused.refused, detail=refused.detail, errors=refused.errors)
        except (NotNow, Outdated, TimeoutError) as error:
            log.warning("an edit can't be done now", extra={"callback": edit.name, "error": str(error)})
            return False
        except Exception:
            log.exception("an edit could not be done", extra={"callback": edit.name})  # its caller hears nothing: 503
            return False
        if self._permit() <= 0:  # whoever leads now finds it done
            return False
        said = {"action": edit.action, "callback": f"{edit.namespace}/{edit.name}", "by": edit.by}
        log.info("an edit through the API", extra=said | {"refused": reply.refused or ""})
        EDITS.labels(edit.action, reply.refused or "done").inc()
        await self._store.answer(opened, reply)
        return True

    async def _carry_out(self, edit: Edit) -> Reply:
        if not self._allowed:
            raise EditRefused("forbidden", "this installation does not allow it (api.callbacks.enabled)")
        caller = caller_of(self._snapshot, edit)
        match edit.action:
            case "create":
                return self._reply(await self._create(edit, caller), caller)
            case "change":
                return self._reply(await self._change(edit, caller), caller)
            case "delete":
                return await self._delete(edit, caller)
            case "reveal":
                return await self._reveal(edit, caller)

    def _reply(self, found: Object, caller: Caller) -> Reply:
        return Reply(callback=told(self._snapshot, found, caller))

    async def _create(self, edit: Edit, caller: Caller) -> Object:
        namespace = caller.key.namespace
        found = await self._callbacks.read(namespace, edit.name)
        if found is None:
            try:
                return await self._callbacks.create(new_callback(self._snapshot, edit, caller))
            except Taken:
                found = await self._callbacks.read(namespace, edit.name)
        if found is not None and made_by(found, edit):
            return own(found, caller)
        raise _taken(found, caller)

    async def _change(self, edit: Edit, caller: Caller) -> Object:
        for _ in range(TRIES):
            found = own(await self._callbacks.read(edit.namespace, edit.name), caller)
            try:
                return await self._callbacks.change(edit.namespace, edit.name, change(self._snapshot, edit, found))
            except Outdated:
                continue
        raise NotNow("somebody else changes it all the time")

    async def _delete(self, edit: Edit, caller: Caller) -> Reply:
        for _ in range(TRIES):
            found = await self._callbacks.read(edit.namespace, edit.name)
            if edit.known and (found is None or _id(found) != edit.known):
                return Reply()  # it was deleted meanwhile, maybe by us
            try:
                await self._callbacks.delete(own(found, caller))
            except Outdated:
                continue
            return Reply()
        raise NotNow("somebody else changes it all the time")

    async def _reveal(self, edit: Edit, caller: Caller) -> Reply:
        """The signing key for who verifies: of Ed25519 the public half alone."""
        callback = read(own(await self._callbacks.read(edit.namespace, edit.name), caller))
        secret = ours(self._snapshot, callback) if callback else None
        kind = callback.spec.signing.type if callback else "HMAC"
        key = secret.data.get(HALVES[kind], "") if secret else ""
        if not key.startswith(PREFIXES[kind]):  # of another type, until it is replaced
            raise EditRefused("unmade", "its signing key has not been made yet; ask again in a moment")
        plain = json.dumps({"type": kind, "key": key}).encode()
        try:
            return Reply(sealed=seal_for(edit.seal_to, plain))
        except EnvelopeError as error:
            raise EditRefused("invalid", str(error)) from None


def _id(found: Object) -> str:
    return resource_id("cbk", found["metadata"]["uid"])


def _taken(found: Object | None, caller: Caller) -> EditRefused:
    """A name that another tenant's has is taken, and no more is said of it."""
    if found is None:
        return EditRefused("conflict", "it was deleted at the same moment; ask again")
    try:
        own(found, caller)
    except EditRefused as refused:
        if refused.refused == "gitops":
            return refused
        return EditRefused("taken", "the name is taken in this namespace; choose another")
    return EditRefused("taken", "a callback of this name exists; PATCH changes it")
