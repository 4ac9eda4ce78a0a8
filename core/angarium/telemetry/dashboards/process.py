"""Redis, and the processes of gateways, deliverers and operator."""

from angarium.telemetry.dashboards.grafana import HERE, Dashboard, Panel, Query, series

RATE = "[$__rate_interval]"
ONLY = f" * on (instance) group_left (component) angarium_build_info{{{HERE}}}"  # of all processes, ours
NAME = "{{component}} {{instance}}"

REDIS = (
    series(
        "Redis answers",
        "1 where the last exchange of a process with Redis went well.",
        "short",
        (f"min by (component, instance) (angarium_redis_up{{{HERE}}}{ONLY})", NAME),
    ),
    series(
        "Redis memory",
        "Of the fullest master; maxmemory 0: there is no limit.",
        "bytes",
        (f"max(angarium_redis_memory_used_bytes{{{HERE}}})", "used"),
        (f"max(angarium_redis_memory_max_bytes{{{HERE}}})", "maxmemory"),
    ),
    series(
        "Failovers",
        "Failovers, restarts and replacements of Redis that were noticed: each may lose its last writes.",
        "short",
        (f"sum(increase(angarium_redis_failovers_total{{{HERE}}}{RATE})) or vector(0)", "noticed"),
    ),
    series(
        "Rounds that failed",
        "Of maintenance loops; mostly because Redis was away. The log has the rest.",
        "ops",
        (f"sum by (loop) (rate(angarium_loop_errors_total{{{HERE}}}{RATE})) or vector(0)", "{{loop}}"),
    ),
    series(
        "Event loop",
        "By how much its last tick was late. Over 0.1 s: the process lacks CPU, or something blocks.",
        "s",
        (f"max by (component, instance) (angarium_event_loop_lag_seconds{{{HERE}}}{ONLY})", NAME),
    ),
)

PROCESSES = (
    series(
        "CPU",
        "Cores in use. A process has one event loop: 1 is all that it can use.",
        "short",
        (f"rate(process_cpu_seconds_total{{{HERE}}}{RATE}){ONLY}", NAME),
    ),
    series(
        "Memory",
        "Resident.",
        "bytes",
        (f"process_resident_memory_bytes{{{HERE}}}{ONLY}", NAME),
    ),
    series(
        "Open files",
        "Of those that the process may have open: connections, mostly.",
        "percentunit",
        (f"process_open_fds{{{HERE}}} / process_max_fds{{{HERE}}}{ONLY}", NAME),
    ),
    series(
        "Running for",
        "Since the process started.",
        "s",
        (f"(time() - process_start_time_seconds{{{HERE}}}){ONLY}", NAME),
    ),
    series(
        "Certificates",
        "Until each certificate that is served ends; empty where the gateway serves no TLS.",
        "s",
        (
            f"min by (certificate) (angarium_certificate_expiry_timestamp_seconds{{{HERE}}}) - time()",
            "{{certificate}}",
        ),
    ),
    Panel(
        "Versions",
        "How many processes of each part run which version.",
        "short",
        (Query(f"count by (component, version) (angarium_build_info{{{HERE}}})"),),
        "table",
    ),
)

OPERATOR = (
    series(
        "Reconciliations",
        "Plans that were made and carried out, by result.",
        "ops",
        (
            f"sum by (kind, result) (rate(angarium_operator_reconciliations_total{{{HERE}}}{RATE}))",
            "{{kind}} {{result}}",
        ),
    ),
    series(
        "Objects that wait",
        "To be reconciled.",
        "short",
        (f"max(angarium_operator_queue_depth{{{HERE}}})", "waiting"),
    ),
    series(
        "Requests to the Kubernetes API",
        "By verb and status.",
        "reqps",
        (f"sum by (verb, code) (rate(angarium_operator_api_requests_total{{{HERE}}}{RATE}))", "{{verb}} {{code}}"),
    ),
    series(
        "Silence",
        "Since the most silent watch brought anything, which the API server sees to each minute; and since everything "
        "was compared.",
        "s",
        (f"time() - min(angarium_operator_watches_heard_timestamp_seconds{{{HERE}}} > 0)", "watches"),
        (f"time() - max(angarium_operator_last_resync_timestamp_seconds{{{HERE}}} > 0)", "comparison"),
    ),
)

PROCESS = Dashboard(
    "angarium-process",
    "Angarium / Redis and processes",
    "Redis as Angarium sees it, its processes, and the operator.",
    (("Redis", REDIS), ("Processes", PROCESSES), ("Operator", OPERATOR)),
)
