"""The queue: Redis Streams by shard and lane, one Lua script for each transition.

`Intake` accepts (gateway), `Ledger` reads what was accepted (gateway), `Consumer` works it off and `Upkeep` keeps it in
order (deliverer), `Replays` have much of it start anew (operator), `Reports` are what carriers tell of it (from gateway
to deliverer), and `Census` counts (metrics, status). They share a `Queue`: the connection and the names of the shards'
keys. Nothing else in the project speaks to Redis about deliveries.

A *ticket* stands for a delivery wherever it waits: `<notification> <index> <tenant> <callback> <lane>`.
"""

from angarium.cursors import InvalidCursor
from angarium.queue.census import Backlog, CallbackHealth, Census, Memory, Share
from angarium.queue.consumer import Consumer, Entry, Release, Settlement, Started, Taken
from angarium.queue.draining import Headway, drain_seconds
from angarium.queue.duplicates import Duplicates
from angarium.queue.endings import Ending, Endings
from angarium.queue.expander import Expander, Progress
from angarium.queue.inquiry import Inquiry, Limits, Place, Whereabouts
from angarium.queue.intake import Accepted, BacklogFull, Idempotency, IdempotencyConflict, Intake
from angarium.queue.layout import Layout
from angarium.queue.ledger import Filters, Ledger, Page
from angarium.queue.pacing import Pacing, pace
from angarium.queue.queue import Queue
from angarium.queue.replays import Replays
from angarium.queue.reports import Heard, Report, Reports, Told
from angarium.queue.roster import Roster, RosterPage
from angarium.queue.signals import Signals
from angarium.queue.upkeep import Limit, Promotion, Upkeep

__all__ = [
    "Accepted",
    "Backlog",
    "BacklogFull",
    "CallbackHealth",
    "Census",
    "Consumer",
    "Duplicates",
    "Ending",
    "Endings",
    "Entry",
    "Expander",
    "Filters",
    "Headway",
    "Heard",
    "Idempotency",
    "IdempotencyConflict",
    "Inquiry",
    "Intake",
    "InvalidCursor",
    "Layout",
    "Ledger",
    "Limit",
    "Limits",
    "Memory",
    "Pacing",
    "Page",
    "Place",
    "Progress",
    "Promotion",
    "Queue",
    "Release",
    "Replays",
    "Report",
    "Reports",
    "Roster",
    "RosterPage",
    "Settlement",
    "Share",
    "Signals",
    "Started",
    "Taken",
    "Told",
    "Upkeep",
    "Whereabouts",
    "drain_seconds",
    "pace",
]
