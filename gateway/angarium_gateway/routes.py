"""The API as a table: the application serves it and the OpenAPI document is made from it, so they can't differ."""

from dataclasses import dataclass, field

from pydantic import BaseModel

from angarium import tokens
from angarium_gateway import people_requests as people
from angarium_gateway import people_responses as told
from angarium_gateway import problems, requests, responses
from angarium_gateway.auth import Permission
from angarium_gateway.edge import Serve
from angarium_gateway.handlers import (
    about,
    accept,
    callbacks,
    editing,
    groups,
    members,
    reading,
    retrying,
    testing,
    topics,
    users,
    why,
)
from angarium_gateway.problems import Kind

GUARD = (problems.UNAUTHENTICATED, problems.RATE, problems.UNCONFIGURED, problems.ISSUER, problems.INTERNAL)
READ = Permission(tokens.READ, "read")
MANAGE = Permission(tokens.ADMIN, "change users and groups")
CHANGE = Permission(tokens.ADMIN, "change callbacks")
SECRETS = Permission(tokens.ADMIN, "read signing keys")
EDIT = (
    problems.CALLBACKS_FORBIDDEN,
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
    permission: Permission = READ
    status: int = 200
    body: type[requests.Request] | None = None
    or_body: type[requests.Request] | None = None
    body_required: bool = False
    media_types: tuple[str, ...] = ("application/json",)
    query: type[requests.Request] = requests.NoQuery
    path_parameter: str = ""  # what it is; a line for each where the path has several
    request_headers: dict[str, str] = field(default_factory=dict)
    answer_headers: dict[str, str] = field(default_factory=dict)
    refusals: tuple[Kind, ...] = ()
    partly: str = ""  # what a 207 means, where the answer may be one
    lines: type[BaseModel] | None = None  # of the answer as NDJSON, for who accepts that
    needs_storage: bool = True  # else it is answered from memory, also while Redis is away

    @property
    def problems(self) -> tuple[Kind, ...]:
        """All that it may refuse with."""
        scoped = (problems.FORBIDDEN,) if self.permission.scope else ()
        return (*GUARD, *scoped, *((problems.UNAVAILABLE,) if self.needs_storage else ()), *self.refusals)


LIST = (*BODY, problems.FULL)
PARTLY = "Some rows were refused; the others are stored."
USER = "Id of the user (`usr_…`), or the phone number."
GROUP = "Name of the group."

ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/notifications",
        accept.accept,
        "Accept a notification: it is stored, with a delivery for each callback that subscribes to its event, or for"
        " each recipient of a message",
        responses.AcceptedNotification,
        "Notifications",
        permission=accept.SEND,
        status=202,
        body=requests.NotificationRequest,
        or_body=requests.MessageRequest,
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
            problems.SUSPENDED,
            problems.BACKLOG,
            problems.FULL,
            problems.UNCONFIRMED,
            problems.NO_PROVIDER,
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
        "Read a notification with its deliveries as they stand, or wait for its end",
        responses.NotificationView,
        "Notifications",
        query=requests.WaitQuery,
        request_headers={"If-None-Match": "The ETag that the caller knows: 304 where nothing has changed."},
        answer_headers={"ETag": "Changes with what is shown."},
        path_parameter="Id of the notification.",
        refusals=(problems.NOT_FOUND, problems.INVALID),
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
        "GET",
        "/v1/notifications/{id}/why",
        why.why,
        "Ask why a notification was not delivered, what happens next and what can be done",
        responses.Why,
        "Notifications",
        path_parameter="Id of the notification.",
        refusals=(problems.NOT_FOUND,),
    ),
    Endpoint(
        "GET",
        "/v1/notifications/{id}/recipients",
        reading.recipients,
        "Read whom of the groups a notification is for, and what became of it for each",
        responses.RecipientPage,
        "Notifications",
        query=requests.RecipientsQuery,
        path_parameter="Id of the notification.",
        refusals=(problems.NOT_FOUND, problems.INVALID_CURSOR, problems.INVALID),
    ),
    Endpoint(
        "POST",
        "/v1/notifications/{id}/retry",
        retrying.retry,
        "Try deliveries again: those that were refused start anew, those that are scheduled are due at once",
        responses.Retried,
        "Notifications",
        permission=Permission(tokens.ADMIN, "redrive"),
        status=202,
        body=requests.RetryRequest,
        path_parameter="Id of the notification.",
        refusals=(*BODY, problems.NOT_FOUND, problems.NOT_RETRYABLE, problems.FULL),
    ),
    Endpoint(
        "POST",
        "/v1/notifications/{channel}/{topic}",
        topics.post,
        "Post to a topic: each of its integrations is sent what its template makes of the variables",
        responses.Posted,
        "Notifications",
        permission=accept.SEND,
        body=requests.TopicRequest,
        body_required=True,
        path_parameter="First part of the Topic's spec.path.\nSecond part of it.",
        request_headers={
            "Idempotency-Key": "1 to 255 characters. The same key with the same body is answered as the first time,"
            " for 24 hours; refusals are not remembered.",
            topics.HEADER: "The topic's hash, where the Topic asks for one.",
        },
        answer_headers={
            "Location": "The notification that holds all of these deliveries.",
            "Idempotency-Replay": "`true` where this is the answer to an earlier request with this key.",
        },
        refusals=(
            *BODY,
            problems.INVALID_KEY,
            problems.TOPIC_HASH,
            problems.TOPIC_OWN,
            problems.TOPIC_SUSPENDED,
            problems.SUSPENDED,
            problems.NOT_FOUND,
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
        permission=CHANGE,
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
        permission=CHANGE,
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
        permission=CHANGE,
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
        permission=CHANGE,
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
        permission=CHANGE,
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
        permission=SECRETS,
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
        permission=Permission(tokens.ADMIN, "test callbacks"),
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
    Endpoint(
        "POST",
        "/v1/users",
        users.take,
        "Create or change users, up to 10,000; each row is taken by itself. With `Accept: application/x-ndjson`"
        " the answer is a line of progress every 500 rows",
        told.UsersTaken,
        "Users",
        permission=MANAGE,
        body=people.UsersRequest,
        body_required=True,
        partly=PARTLY,
        lines=told.TakenSoFar,
        refusals=LIST,
    ),
    Endpoint(
        "GET",
        "/v1/users",
        users.several,
        "List users, or find one by phone, email or key",
        told.UserPage,
        "Users",
        query=people.UsersQuery,
        refusals=(problems.INVALID_CURSOR, problems.INVALID),
    ),
    Endpoint(
        "GET",
        "/v1/users/{id}",
        users.one,
        "Read a user",
        told.UserDetails,
        "Users",
        path_parameter=USER,
        refusals=(problems.NOT_FOUND, problems.INVALID),
    ),
    Endpoint(
        "PATCH",
        "/v1/users/{id}",
        users.change,
        "Change a user: what is named is replaced, null takes away, the rest stays",
        told.UserDetails,
        "Users",
        permission=MANAGE,
        body=people.UserPatch,
        body_required=True,
        path_parameter=USER,
        refusals=(*LIST, problems.NOT_FOUND, problems.TAKEN),
    ),
    Endpoint(
        "DELETE",
        "/v1/users/{id}",
        users.erase,
        "Erase a person: the user, its devices, its memberships and all that leads there",
        told.Erased,
        "Users",
        permission=MANAGE,
        path_parameter=USER,
        refusals=(problems.NOT_FOUND, problems.INVALID),
    ),
    Endpoint(
        "PUT",
        "/v1/users/{phone}/device-token",
        users.set_device,
        "Give a user a device, or refresh it; whoever had it before has it no more",
        told.DeviceTaken,
        "Users",
        permission=MANAGE,
        body=people.DeviceTokenRequest,
        body_required=True,
        path_parameter="Phone number of the user, or its id (`usr_…`).",
        refusals=(*LIST, problems.NOT_FOUND, problems.LIMIT),
    ),
    Endpoint(
        "POST",
        "/v1/groups",
        groups.create,
        "Create a group, with users as its members; these are created or changed as by `POST /v1/users`",
        told.GroupTaken,
        "Groups",
        permission=MANAGE,
        status=201,
        body=people.GroupRequest,
        body_required=True,
        answer_headers={"Location": "The group."},
        partly="The group is created; " + PARTLY[0].lower() + PARTLY[1:],
        lines=told.TakenSoFar,
        refusals=(*LIST, problems.GROUP_EXISTS, problems.LIMIT),
    ),
    Endpoint(
        "GET",
        "/v1/groups",
        groups.several,
        "List groups",
        told.GroupPage,
        "Groups",
        query=people.PageQuery,
        refusals=(problems.INVALID_CURSOR, problems.INVALID),
    ),
    Endpoint(
        "GET",
        "/v1/groups/{name}",
        groups.one,
        "Read a group",
        told.GroupView,
        "Groups",
        path_parameter=GROUP,
        refusals=(problems.NOT_FOUND,),
    ),
    Endpoint(
        "DELETE",
        "/v1/groups/{name}",
        groups.disband,
        "Delete a group; its members stay users",
        told.GroupDeleted,
        "Groups",
        permission=MANAGE,
        path_parameter=GROUP,
        refusals=(problems.NOT_FOUND,),
    ),
    Endpoint(
        "GET",
        "/v1/groups/{name}/members",
        members.several,
        "List the members of a group; who is in it all the while is on exactly one page",
        told.UserPage,
        "Groups",
        query=people.PageQuery,
        path_parameter=GROUP,
        refusals=(problems.NOT_FOUND, problems.INVALID_CURSOR, problems.INVALID),
    ),
    Endpoint(
        "POST",
        "/v1/groups/{name}/members",
        members.add,
        "Add members to a group, up to 10,000, new users or known ones, as by `POST /v1/users`",
        told.GroupTaken,
        "Groups",
        permission=MANAGE,
        body=people.UsersRequest,
        body_required=True,
        partly=PARTLY,
        lines=told.TakenSoFar,
        path_parameter=GROUP,
        refusals=(*LIST, problems.NOT_FOUND),
    ),
    Endpoint(
        "DELETE",
        "/v1/groups/{name}/members/{id}",
        members.remove,
        "Take a user out of a group",
        told.MemberRemoved,
        "Groups",
        permission=MANAGE,
        path_parameter=f"{GROUP}\n{USER}",
        refusals=(problems.NOT_FOUND, problems.INVALID),
    ),
    Endpoint(
        "GET",
        "/v1/me",
        about.me,
        "Who this key speaks for",
        responses.Me,
        "You",
        permission=Permission("", "see itself"),
        needs_storage=False,
    ),
)
