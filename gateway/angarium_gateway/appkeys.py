"""What handlers find in the application, by typed key."""

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

from aiohttp import web

from angarium.config import ConfigTail
from angarium.edits import EditStore
from angarium.people import Groups, People, Registry
from angarium.queue import Intake, Layout, Ledger, Queue, Reports, Roster, Signals
from angarium.telemetry.probes import Probes
from angarium_gateway.directory import Directory
from angarium_gateway.idempotency import InProgress
from angarium_gateway.issuers import Issuers
from angarium_gateway.limits import Bucket, RateLimits
from angarium_gateway.settings import GatewaySettings
from angarium_gateway.silence import Silence
from angarium_gateway.tokens import Tokens
from angarium_gateway.vitals import Vitals

if TYPE_CHECKING:
    from angarium.telemetry.tracing import Tracing

SETTINGS = web.AppKey("SETTINGS", GatewaySettings)
PROBES = web.AppKey("PROBES", Probes)
STOP = web.AppKey("STOP", asyncio.Event)  # set once this pod is going away
SILENCE = web.AppKey("SILENCE", Silence)
TAIL = web.AppKey("TAIL", ConfigTail)
TOKENS = web.AppKey("TOKENS", Tokens)
ISSUERS = web.AppKey("ISSUERS", Issuers)
DIRECTORY = web.AppKey("DIRECTORY", Directory)
LAYOUT = web.AppKey("LAYOUT", Layout)
INTAKE = web.AppKey("INTAKE", Intake)
LEDGER = web.AppKey("LEDGER", Ledger)
ROSTER = web.AppKey("ROSTER", Roster)
PEOPLE = web.AppKey("PEOPLE", People)
REGISTRY = web.AppKey("REGISTRY", Registry)
GROUPS = web.AppKey("GROUPS", Groups)
VITALS = web.AppKey("VITALS", Vitals)
LIMITS = web.AppKey("LIMITS", RateLimits)
IN_PROGRESS = web.AppKey("IN_PROGRESS", InProgress)
TESTS = web.AppKey("TESTS", Counter[str])  # test-sends that wait for their outcome, by tenant
IMPORTS = web.AppKey("IMPORTS", Counter[str])  # lists of users that are being taken in, by tenant
WAITING = web.AppKey("WAITING", Counter[str])  # requests that wait for a notification to change, by tenant; "" are all
SIGNALS = web.AppKey("SIGNALS", Signals)
EDITS = web.AppKey("EDITS", EditStore)
EDITING = web.AppKey("EDITING", Counter[str])  # edits that wait for the operator, by tenant
REPORTS = web.AppKey("REPORTS", Reports)
REPORTED = web.AppKey("REPORTED", Bucket)  # how many reports of carriers are looked at
QUEUE = web.AppKey("QUEUE", Queue)

TRACING: "web.AppKey[Tracing | None]" = web.AppKey("TRACING")  # None where traces are off

NAME = web.RequestKey("NAME", str)  # the request's id
FIELDS = web.RequestKey("FIELDS", dict[str, str])  # header fields that the answer gets, be it good or bad
