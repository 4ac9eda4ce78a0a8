"""Every metric, by its public name. No label has values that a caller can invent; product is `namespace/name`."""

from prometheus_client import REGISTRY, Counter, Gauge, Histogram

from angarium import __version__

__all__ = ["REGISTRY"]  # every metric below lands there; each process shows it

LATENCY = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 86400)
DURATION = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

BUILD = Gauge("angarium_build_info", "1, labelled with what runs in this process", ["component", "version"])
REDIS_UP = Gauge("angarium_redis_up", "Whether the last exchange with Redis went well")
REDIS_FAILOVERS = Counter(
    "angarium_redis_failovers", "Failovers, restarts and replacements of Redis: each may lose its last writes", ["how"]
)
REDIS_MEMORY = Gauge("angarium_redis_memory_ratio", "Used memory over maxmemory; 0 where there is no limit")
REDIS_MEMORY_USED = Gauge("angarium_redis_memory_used_bytes", "Memory that Redis uses; of a Cluster its fullest master")
REDIS_MEMORY_MAX = Gauge("angarium_redis_memory_max_bytes", "Its maxmemory; 0 where there is no limit")
CONFIG_LAG = Gauge("angarium_config_revision_lag", "Revisions of the config that this pod has yet to apply")
REJECTED_RECORDS = Gauge("angarium_config_rejected_records", "Config records that this pod could not read")
LOOP_ERRORS = Counter("angarium_loop_errors_total", "Rounds of a maintenance loop that failed", ["loop"])
LOOP_LAG = Gauge("angarium_event_loop_lag_seconds", "By how much the event loop's last tick, one a second, was late")

# gateway
ACCEPTED = Counter("angarium_notifications_accepted", "Notifications answered with 202", ["product", "priority"])
UNMATCHED = Counter("angarium_notifications_unmatched", "Accepted notifications that nobody subscribes to", ["product"])
REPLAYED = Counter("angarium_notifications_replayed", "Requests answered from their Idempotency-Key", ["product"])
REJECTED = Counter("angarium_notifications_rejected", "Notifications that were not accepted", ["reason"])
REQUEST_DURATION = Histogram(
    "angarium_request_duration_seconds", "From request to response", ["route"], buckets=DURATION
)
REQUESTS = Counter("angarium_requests", "Requests answered", ["route", "code"])
CREDENTIAL_EXPIRY = Gauge(
    "angarium_credential_expiry_timestamp_seconds",
    "When an API key that was rotated out ends",
    ["product", "organization", "key"],
)
CREDENTIAL_USED = Gauge(
    "angarium_credential_last_used_timestamp_seconds",
    "When this pod last saw such a key, or a token signed beside it; absent where it never did",
    ["product", "organization", "key"],
)


CERTIFICATE_EXPIRY = Gauge(
    "angarium_certificate_expiry_timestamp_seconds", "When a certificate that is served ends", ["certificate"]
)

# deliverer
ATTEMPTS = Counter("angarium_attempts", "Attempts by how they ended", ["product", "channel", "outcome", "reason"])
ATTEMPT_DURATION = Histogram(
    "angarium_attempt_duration_seconds", "Duration of an attempt", ["channel"], buckets=DURATION
)
SETTLED = Counter("angarium_deliveries_settled", "Deliveries that reached their end", ["product", "channel", "status"])
RECOVERED = Counter(
    "angarium_deliveries_recovered", "Deliveries taken over from a deliverer that died: the receiver may hear twice"
)
STALE = Counter("angarium_settles_stale", "Attempts whose delivery another deliverer had taken over meanwhile")
RESENT = Counter("angarium_requests_resent", "Requests that libcurl sent again: the receiver may hear twice")
REPORTS = Counter("angarium_reports", "What carriers told of messages, by what became of it", ["result"])
DELIVERY_LATENCY = Histogram(
    "angarium_delivery_latency_seconds", "From accepted to delivered", ["priority"], buckets=LATENCY
)
DELIVERY_DELAY = Histogram(
    "angarium_delivery_delay_seconds",
    "From due to delivered, to callbacks that have neither failed nor been suspended or at their limits meanwhile",
    ["priority"],
    buckets=LATENCY,
)
SLOTS = Gauge("angarium_deliverer_slots", "Deliveries this pod can have in flight")
SLOTS_USED = Gauge("angarium_deliverer_slots_used", "Deliveries this pod has in flight")

# the queue as a whole, from Redis: every deliverer shows the same, so take max() over pods
BACKLOG = Gauge("angarium_backlog", "Deliveries that wait", ["lane", "state"])
OLDEST_READY = Gauge(
    "angarium_oldest_ready_seconds", "Age of the oldest delivery that is ready and not yet read", ["lane"]
)
DRAIN = Gauge("angarium_backlog_drain_seconds", "Until all that is ready is delivered, at the present rate")
DEAD_LETTERS = Gauge(
    "angarium_dead_letters", "Refused and dead deliveries that are kept, less those redriven", ["product"]
)
WAITING = Gauge("angarium_product_backlog", "Deliveries that wait, scheduled and parked ones too", ["product"])

# operator
CALLBACKS = Gauge("angarium_callbacks", "Callbacks by the health of their endpoint", ["health"])
UNHEALTHY = Gauge("angarium_callback_unhealthy", "1 for each callback whose endpoint fails", ["callback"])
RESOURCES = Gauge("angarium_operator_resources", "Resources by kind and readiness", ["kind", "ready"])
RECONCILIATIONS = Counter("angarium_operator_reconciliations", "Reconciliations", ["kind", "result"])
RECONCILE_DURATION = Histogram(
    "angarium_operator_reconcile_duration_seconds", "Duration of a reconciliation", ["kind"], buckets=DURATION
)
REDRIVEN = Counter("angarium_operator_replayed_deliveries", "Deliveries that replays have put back into their lines")
CALLBACK_TESTS = Counter("angarium_operator_callback_tests", "CallbackTests that have ended", ["outcome"])
API_REQUESTS = Counter("angarium_operator_api_requests", "Requests to the Kubernetes API", ["verb", "code"])
WATCH_EVENT = Gauge(
    "angarium_operator_watch_last_event_timestamp_seconds", "When a watch last brought something", ["kind"]
)
WATCHES_HEARD = Gauge(
    "angarium_operator_watches_heard_timestamp_seconds",
    "When the most silent watch last brought anything, bookmarks too",
)
RESYNCED = Gauge("angarium_operator_last_resync_timestamp_seconds", "When everything was last compared")
PROBES = Counter("angarium_operator_probes", "Probes of providers' accounts, by what was found", ["type", "reason"])
EDITS = Counter("angarium_operator_edits", "Changes of Callbacks that callers asked for", ["action", "result"])
LEADER = Gauge("angarium_operator_leader", "1 for the operator that acts, 0 for one that stands by")
QUEUE_DEPTH = Gauge("angarium_operator_queue_depth", "Objects that wait to be reconciled")
CONFIG_REVISION = Gauge("angarium_operator_config_revision", "Last revision published")


def show_running(component: str) -> None:
    """gateway, deliverer or operator."""
    BUILD.labels(component, __version__).set(1)


def show_memory(used: int, limit: int) -> None:
    """Of Redis, in bytes; `limit` 0: none."""
    REDIS_MEMORY_USED.set(used)
    REDIS_MEMORY_MAX.set(limit)
    REDIS_MEMORY.set(used / limit if limit else 0.0)
