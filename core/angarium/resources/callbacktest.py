"""CallbackTest: one real delivery to a Callback, by a live deliverer, and how far it got."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from angarium.resources.durations import Deadline
from angarium.resources.meta import ATOMIC, ApiVersion, Identifier, ObjectName, Reason, Report, Resource, Time
from angarium.resources.replay import SecondsAfter
from angarium.resources.rules import Rule, SpecModel, StatusModel

_STAYS = Rule(cel="self == oldSelf", message="can't change; create a new test")
Milliseconds = Annotated[int, Field(ge=0)]


class LocalCallbackRef(SpecModel):
    """Names a Callback of the same namespace."""

    model_config = ConfigDict(json_schema_extra=ATOMIC)

    name: ObjectName = Field(description="Name of the Callback, in this namespace.")


class CallbackTestSpec(SpecModel):
    """What is asked for."""

    callback_ref: Annotated[LocalCallbackRef, _STAYS] = Field(description="The Callback to test. Can't change.")
    deadline: Annotated[Deadline, _STAYS] = Field(
        default=timedelta(minutes=1),
        description="How long to try, from the test's creation, until a deliverer takes it up: the callback may be"
        " suspended, or no deliverer may live. Can't change.",
    )
    ttl_seconds_after_finished: SecondsAfter | None = Field(
        default=None, description="Seconds after which a finished one is deleted. Default: it stays."
    )

    @property
    def ttl(self) -> timedelta | None:
        """After which time it is deleted."""
        seconds = self.ttl_seconds_after_finished
        return None if seconds is None else timedelta(seconds=seconds)


class Phases(StatusModel):
    """How long each part took; those that were not reached are left out."""

    lookup_ms: Milliseconds | None = Field(default=None, description="To look up the name, in ms; 0: it was known.")
    connect_ms: Milliseconds | None = Field(default=None, description="To connect, in ms.")
    tls_ms: Milliseconds | None = Field(default=None, description="To agree on TLS, in ms.")
    answer_ms: Milliseconds | None = Field(default=None, description="From the request to the answer's head, in ms.")
    total_ms: Milliseconds | None = Field(default=None, description="All of it, in ms.")


class CallbackTestStatus(Report):
    """What the operator reports."""

    test_id: Identifier | None = Field(
        default=None, alias="testID", description="Stable identifier, made from metadata.uid."
    )
    notification: Identifier | None = Field(default=None, description="The notification that was sent.")
    url: Annotated[str, StringConstraints(max_length=2048)] | None = Field(
        default=None, description="Where it was sent to."
    )
    deliverer: Annotated[str, StringConstraints(max_length=253)] | None = Field(
        default=None, description="The pod that sent it."
    )
    address: Annotated[str, StringConstraints(max_length=64)] | None = Field(
        default=None, description="The address that was dialled, with its port."
    )
    http_status: Annotated[int, Field(ge=0, le=999)] | None = Field(
        default=None, alias="httpStatus", description="The status of the answer."
    )
    body: Annotated[str, StringConstraints(max_length=1024)] | None = Field(
        default=None, description="The beginning of the answer's body."
    )
    reason: Reason | None = Field(default=None, description="Why it failed, as timelines say it: http_503, timeout.")
    phases: Phases | None = Field(default=None, description="How long each part took.")
    certificate_expires_at: Time | None = Field(
        default=None, description="When the certificate expires that the receiver showed."
    )
    completion_time: Time | None = Field(default=None, description="When the outcome was known.")


class CallbackTest(Resource):
    """One real, signed delivery to a Callback, and how far it got: name, connection, TLS, answer."""

    api_version: ApiVersion = "angarium.dev/v1alpha1"
    kind: Literal["CallbackTest"] = "CallbackTest"
    spec: CallbackTestSpec = Field(description="What is asked for.")
    status: CallbackTestStatus = Field(default_factory=CallbackTestStatus, description="What the operator reports.")
