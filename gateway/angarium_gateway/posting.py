"""Posts to topics as they come in: variables checked, integrations rendered, addresses looked at."""

from dataclasses import replace
from typing import NamedTuple

from angarium.notifications import Priority
from angarium.records import TopicRecord
from angarium.topics import Fault, Rendered, Unfit, read_metadata, render
from angarium_gateway.addresses import normalize
from angarium_gateway.bodies import pointer, split
from angarium_gateway.problems import INVALID, Problem, invalid
from angarium_gateway.requests import MOST_ERRORS, TopicRequest, expiry, read_members


class Post(NamedTuple):
    """What was posted; `metadata` are the very bytes, times in ms, 0 where none was asked for."""

    metadata: bytes
    priority: Priority
    due_ms: int
    expires_ms: int


def read_post_request(raw: bytes) -> Post:
    """The body of a post; raises a Problem with a pointer for each member that is wrong."""
    members, metadata = split(raw, "metadata")
    asked = read_members(TopicRequest, members)
    if metadata is not None and not metadata.startswith(b"{"):
        raise invalid("/metadata", "must be an object")
    return Post(metadata or b"{}", asked.priority, asked.deliver_at or 0, expiry(asked))


def rendered(topic: TopicRecord, asked: Post) -> tuple[Rendered, ...]:
    """What each integration sends, and to whom; raises a Problem."""
    try:
        return tuple(_addressed(each) for each in render(topic, read_metadata(asked.metadata.decode())))
    except Unfit as unfit:
        raise Problem(INVALID, errors=[_error(fault, topic) for fault in unfit.faults[:MOST_ERRORS]]) from None
    except RecursionError:
        raise invalid("/metadata", "is nested too deeply") from None


def _addressed(made: Rendered) -> Rendered:
    """With addresses as they are stored; who is named twice gets it once."""
    to = []
    for text in made.to:
        try:
            to.append(normalize(made.integration.channel, text))
        except ValueError as error:
            raise Unfit([Fault((made.integration.name, "to"), str(error))]) from None
    return replace(made, to=tuple(dict.fromkeys(to)))


def _error(fault: Fault, topic: TopicRecord) -> dict[str, str]:
    """A variable is pointed at; of a text, which several may have made what it is, integration and field are told."""
    if fault.at[0] == "metadata":
        return {"pointer": pointer(*fault.at), "detail": fault.detail}
    parts = list(fault.at)
    if parts[0] == "integrations" and isinstance(parts[1], int):
        parts = [topic.integrations[parts[1]].name, *parts[2:]]
    field = ".".join(map(str, parts[1:]))
    return {"pointer": "/metadata", "detail": f"integration {parts[0]}, {field}: {fault.detail}"}
