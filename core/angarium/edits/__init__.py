"""Edits: what callers of the API want changed about a Callback, on its way from a gateway to the operator and back.

The gateway holds no Kubernetes token and the operator serves no callers, so they meet in Redis: the gateway asks, the
operator carries out and replies. An edit lives for seconds: what nobody has begun by then never happens.
"""

from angarium.edits.envelope import Envelope, EnvelopeError, seal_for
from angarium.edits.model import API, MADE_BY, MEMBERS, REQUEST, REQUESTED_BY, Action, Edit, EditError, Refusal, Reply
from angarium.edits.store import Asked, EditsFull, EditStore, OpenEdit

__all__ = [
    "API",
    "MADE_BY",
    "MEMBERS",
    "REQUEST",
    "REQUESTED_BY",
    "Action",
    "Asked",
    "Edit",
    "EditError",
    "EditStore",
    "EditsFull",
    "Envelope",
    "EnvelopeError",
    "OpenEdit",
    "Refusal",
    "Reply",
    "seal_for",
]
