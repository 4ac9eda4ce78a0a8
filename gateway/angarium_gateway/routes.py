"""The API as a table: the application serves it and the OpenAPI document is made from it, so they can't differ."""

from dataclasses import dataclass, field

from pydantic import BaseModel

from angarium_gateway import problems, requests, responses
from angarium_gateway.edge import Serve
from angarium_gateway.handlers import about, accept, callbacks, editing, reading, retrying, testing
from angarium_gateway.problems import Kind

GUARD = (problems.UNAUTHENTICATED, problems.RATE, problems.UNCONFIGURED, problems.INTERNAL)
EDIT = (
    problems.FORBIDDEN,
    problems.CONFLICT,
    problems.INVALID,
    problems.INVALID_KEY,
    problems.MISMATCH,
    problems.OPERATOR,
    problems.FULL,
)
OWN = (*EDIT, problems.NOT_FOUND, problems.GITOPS)
ONCE = {
    "Idempotency-Key": "1 to 255 characters. The same key with the same request is done once and answered as the first"
    " time, for 24 hours; refusals are not remembered."
}
NAME = "Name of the callback; `namespace%2Fname` where it is in another namespace."
BODY = (problems.MALFORMED, problems.SLOW, problems.TOO_LARGE, problems.MEDIA_TYPE, problems.INVALID)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one path. `status` and `answer` are of success; `refusals` come on top of GUARD's."""

    method: str
    path: str
    serve: Serve
    summary: str
    answer: type[BaseModel] | None  # None: there is no body
    tag: str
    status: int = 200
    body: type[requests.Request] | None = None
    body_required: bool = False
    media_types: tuple[str, ...] = ("application/json",)
    query: type[requests.Request] = requests.NoQuery
    path_parameter: str = ""
    request_headers: dict[str, str] = field(default_factory=dict)
    answer_headers: dict[str, str] = field(default_factory=dict)
    refusals: tuple[Kind, ...] = ()
    needs_storage: bool = True  # else it is answered from memory, also while Redis is away

    @property
    def problems(self) -> tuple[Kind, ...]:
        """All that it may refuse with."""
        return (*GUARD, *((problems.UNAVAILABLE,) if self.needs_storage else ()), *self.refusals)


ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/notifications",
        accept.accept,
        "Accept a notification: it is stored, with a delivery for each callback that subscribes to its event",
        responses.AcceptedNotification,
        "Notifications",
        status=202,
        body=requests.NotificationRequest,
        body_required=True,
        request_headers={
            "Idempotency-Key": "1 to 255 characters. The same key with the same body is answered as the first time,"
            " for 24 hours; refusals are not remembered."
        },
        answer_headers={
            "Location": "Where to see what became of it.",
            "Idempotency-Replay": "`true` where this is the answer to an earlier request with this key.",
        },
        refusals=(
            *BODY,
            problems.INVALID_KEY,
            problems.IN_PROGRESS,
            problems.SPENT,
            problems.MISMATCH,
            problems.BACKLOG,
            problems.FULL,
            problems.UNCONFIRMED,
        ),
    ),
    Endpoint(
        "GET",
        "/v1/notifications",
        reading.several,
        "List notifications, newest first",
        responses.NotificationPage,
        "Notifications",
        query=requests.ListQuery,
        refusals=(problems.INVALID_CURSOR, problems.INVALID),
    ),
    Endpoint(
        "GET",
        "/v1/notifications/{id}",
        reading.one,
        "Read a notification with its deliveries as they stand",
        responses.NotificationView,
        "Notifications",
        path_parameter="Id of the notification.",
        refusals=(problems.NOT_FOUND,),
    ),
    Endpoint(
        "GET",
        "/v1/notifications/{id}/timeline",
        reading.timeline,
        "Read all that happened to a notification",
        responses.Timeline,
        "Notifications",
        path_parameter="Id of the notification.",
        refusals=(problems.NOT_FOUND,),
    ),
    Endpoint(
        "POST",
        "/v1/notifications/{id}/retry",
        retrying.retry,
        "Try deliveries again: those that were refused start anew, those that are scheduled are due at once",
        responses.Retried,
        "Notifications",
        status=202,
        body=requests.RetryRequest,
        path_parameter="Id of the notification.",
        refusals=(*BODY, problems.NOT_FOUND, problems.NOT_RETRYABLE, problems.FULL),
    ),
    Endpoint(
        "GET",
        "/v1/callbacks",
        callbacks.several,
        "List this tenant's callbacks",
        responses.CallbackPage,
        "Callbacks",
        query=requests.CallbacksQuery,
        needs_storage=False,
        refusals=(problems.INVALID_CURSOR, problems.INVALID),
    ),
    Endpoint(
        "POST",
        "/v1/callbacks",
        editing.create,
        "Make a callback, through the operator",
        responses.MadeCallback,
        "Callbacks",
        status=201,
        body=requests.CallbackRequest,
        body_required=True,
        request_headers=ONCE,
        answer_headers={"Location": "Where the callback is."},
        refusals=(*BODY, *EDIT, problems.GITOPS, problems.NAME_TAKEN, problems.QUOTA),
    ),
    Endpoint(
        "GET",
        "/v1/callbacks/{name}",
        callbacks.one,
        "Read a callback",
        responses.CallbackView,
        "Callbacks",
        path_parameter=NAME,
        needs_storage=False,
        refusals=(problems.NOT_FOUND,),
    ),
    Endpoint(
        "PATCH",
        "/v1/callbacks/{name}",
        editing.change,
        "Change a callback that was made here",
        responses.CallbackView,
        "Callbacks",
        body=requests.CallbackChange,
        body_required=True,
        media_types=("application/merge-patch+json", "application/json"),
        path_parameter=NAME,
        request_headers=ONCE,
        refusals=(*BODY, *OWN),
    ),
    Endpoint(
        "DELETE",
        "/v1/callbacks/{name}",
        editing.delete,
        "Delete a callback that was made here; what waits for it is refused",
        None,
        "Callbacks",
        status=204,
        path_parameter=NAME,
        request_headers=ONCE,
        refusals=OWN,
    ),
    Endpoint(
        "POST",
        "/v1/callbacks/{name}/suspend",
        editing.suspend,
        "Send nothing to a callback for now; what waits keeps its attempts",
        responses.CallbackView,
        "Callbacks",
        path_parameter=NAME,
        request_headers=ONCE,
        refusals=OWN,
    ),
    Endpoint(
        "POST",
        "/v1/callbacks/{name}/activate",
        editing.activate,
        "Go on with a callback that was suspended, or given up",
        responses.CallbackView,
        "Callbacks",
        path_parameter=NAME,
        request_headers=ONCE,
        refusals=OWN,
    ),
    Endpoint(
        "GET",
        "/v1/callbacks/{name}/secret",
        editing.secret,
        "Read the key that the receiver of a callback that was made here verifies signatures with",
        responses.SigningSecret,
        "Callbacks",
        path_parameter=NAME,
        refusals=(*OWN, problems.UNMADE),
    ),
    Endpoint(
        "POST",
        "/v1/callbacks/{name}/test",
        testing.test,
        "Send a test to a callback, by the way of every delivery, and wait for its outcome",
        responses.TestResult,
        "Callbacks",
        body=requests.TestRequest,
        path_parameter=NAME,
        refusals=(
            *BODY,
            problems.NOT_FOUND,
            problems.NOT_TESTABLE,
            problems.BACKLOG,
            problems.FULL,
            problems.UNDECIDED,
        ),
    ),
    Endpoint("GET", "/v1/me", about.me, "Who this key speaks for", responses.Me, "You", needs_storage=False),
)
