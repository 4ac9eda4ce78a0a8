"""What an edit and its reply say. Both are JSON in Redis, so neither ever holds a secret in the clear."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from angarium.records import CallbackRecord

MADE_BY, API = "angarium.dev/managed-by", "api"  # the label of Callbacks that were made through the API
REQUEST = "angarium.dev/request"  # annotation: the edit that made it, so that its repetition recognizes it
REQUESTED_BY = "angarium.dev/requested-by"  # annotation, for people: who had it made
MEMBERS = frozenset({"events", "url", "signing", "headers", "delivery", "suspend"})  # of a spec, that callers may set

Action = Literal["create", "change", "delete", "reveal"]
Refusal = Literal["not_found", "gitops", "taken", "forbidden", "quota", "invalid", "unmade", "conflict"]


class Edit(BaseModel):
    """A caller's wish. `members` are of the spec: all of them for `create`, a merge patch (RFC 7386) for `change`."""

    model_config = ConfigDict(frozen=True, extra="ignore")  # an older operator may read a newer gateway's

    id: str  # the same for a repetition with the same Idempotency-Key
    action: Action
    tenant: str  # the caller's: prd_… or org_…
    owner: str  # whose that is: `product/shop/shop`
    namespace: str
    name: str
    members: dict[str, Any] = {}
    keyed: bool = False  # whether an Idempotency-Key names it: then its success is told again for a day
    by: str = ""  # who asks, as timelines show it
    known: str = ""  # id of the callback that the gateway knew by this name: if it is gone, it has been deleted
    enable: bool = False  # enable an endpoint that was given up
    seal_to: str = ""  # for `reveal`: whom the answer is sealed for (Envelope.address)


class EditError(BaseModel):
    """One member that is wrong."""

    model_config = ConfigDict(frozen=True)

    pointer: str  # JSON Pointer into the body
    detail: str


class Reply(BaseModel):
    """What became of an edit: refused, or the callback as it is now."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    refused: Refusal | None = None
    detail: str = ""
    errors: tuple[EditError, ...] = ()
    callback: CallbackRecord | None = None  # without keys; None where it was deleted
    sealed: str = Field(default="", repr=False)  # for `reveal`: Secret data as JSON, sealed for the one who asked
