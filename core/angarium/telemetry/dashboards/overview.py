"""The whole: is it well, and if not, where does it pinch?"""

from angarium.telemetry.dashboards.grafana import HERE, Dashboard, quantiles, series, stat

SENDS = f'angarium_requests_total{{{HERE}, route=~"POST /v1/notifications(/{{channel}}/{{topic}})?"'
RATE = "[$__rate_interval]"

OBJECTIVES = (
    stat(
        "Accepted",
        "Of the requests to send that were no mistake of the caller's, in the time shown: the part that was not "
        "answered by 5xx. Objective: 99.9 %.",
        "percentunit",
        f'1 - (sum(rate({SENDS}, code=~"5.."}}[$__range])) or vector(0)) / sum(rate({SENDS}, code!~"4.."}}[$__range]))',
        0.999,
        low=True,
    ),
    stat(
        "Delivered when due",
        "Of what callbacks got that neither failed nor were suspended or at their limits meanwhile, in the time shown: "
        "the part that came within 60 s of being due. Objective: 99 %.",
        "percentunit",
        f'sum(rate(angarium_delivery_delay_seconds_bucket{{{HERE}, le="60.0"}}[$__range]))'
        f" / sum(rate(angarium_delivery_delay_seconds_count{{{HERE}}}[$__range]))",
        0.99,
        low=True,
    ),
    stat(
        "Time to drain",
        "Until all that is ready is delivered, at the present rate; a day at most.",
        "s",
        f"max(angarium_backlog_drain_seconds{{{HERE}}})",
        300,
    ),
    stat(
        "Oldest ready",
        "Age of the oldest delivery that is ready and not yet taken.",
        "s",
        f"max(angarium_oldest_ready_seconds{{{HERE}}})",
        300,
    ),
    stat(
        "Dead letters",
        "Refused and dead deliveries that are kept, less those redriven.",
        "short",
        f"sum(max by (product) (angarium_dead_letters{{{HERE}}}))",
    ),
    stat(
        "Redis memory",
        "Used memory over maxmemory of the fullest master. From 75 % on nothing new is accepted. 0: no limit is set.",
        "percentunit",
        f"max(angarium_redis_memory_ratio{{{HERE}}})",
        0.75,
    ),
)

INTAKE = (
    series(
        "Accepted",
        "Notifications answered with 202, by product.",
        "ops",
        (f"sum by (product) (rate(angarium_notifications_accepted_total{{{HERE}}}{RATE}))", "{{product}}"),
    ),
    series(
        "Answers to requests to send",
        "By status. 5xx count against the objective; 429 is a caller's own quota.",
        "reqps",
        (f"sum by (code) (rate({SENDS}}}{RATE}))", "{{code}}"),
    ),
    series(
        "Not accepted",
        "Why notifications were not accepted.",
        "ops",
        (f"sum by (reason) (rate(angarium_notifications_rejected_total{{{HERE}}}{RATE}))", "{{reason}}"),
    ),
    series(
        "Time to answer",
        "Of requests to send, from request to response.",
        "s",
        *quantiles(
            "angarium_request_duration_seconds", f'{HERE}, route=~"POST /v1/notifications(/{{channel}}/{{topic}})?"'
        ),
    ),
    series(
        "Unmatched and replayed",
        "Accepted notifications that nobody subscribes to; and requests answered from their Idempotency-Key.",
        "ops",
        (f"sum(rate(angarium_notifications_unmatched_total{{{HERE}}}{RATE}))", "unmatched"),
        (f"sum(rate(angarium_notifications_replayed_total{{{HERE}}}{RATE}))", "replayed"),
    ),
)

DELIVERY = (
    series(
        "Ended",
        "Deliveries that reached their end. Refused: trying again can't help. Dead: the attempts are used up.",
        "ops",
        (f"sum by (status) (rate(angarium_deliveries_settled_total{{{HERE}}}{RATE}))", "{{status}}"),
    ),
    series(
        "Attempts that failed",
        "By reason; docs/states.md tells what each means.",
        "ops",
        (
            f'sum by (reason) (rate(angarium_attempts_total{{{HERE}, outcome!~"delivered|sent"}}{RATE}))',
            "{{reason}}",
        ),
    ),
    series(
        "From due to delivered",
        "Of callbacks that neither failed nor were at a limit: what the objective is about.",
        "s",
        *quantiles("angarium_delivery_delay_seconds"),
    ),
    series(
        "From accepted to delivered",
        "Of all, retries and slow endpoints too.",
        "s",
        *quantiles("angarium_delivery_latency_seconds"),
    ),
    series(
        "Duration of attempts",
        "By channel: mostly the time that receivers take.",
        "s",
        *quantiles("angarium_attempt_duration_seconds", by="channel"),
    ),
    series(
        "Heard twice, perhaps",
        "Taken over from a deliverer that died, sent again by libcurl, settled by somebody else meanwhile.",
        "ops",
        (f"sum(rate(angarium_deliveries_recovered_total{{{HERE}}}{RATE}))", "recovered"),
        (f"sum(rate(angarium_requests_resent_total{{{HERE}}}{RATE}))", "resent"),
        (f"sum(rate(angarium_settles_stale_total{{{HERE}}}{RATE}))", "stale"),
    ),
)

QUEUE = (
    series(
        "Ready",
        "Deliveries that wait for a deliverer, by lane.",
        "short",
        (f'max by (lane) (angarium_backlog{{{HERE}, state="ready"}})', "{{lane}}"),
    ),
    series(
        "In flight, scheduled, parked",
        "Attempts being made; retries and future sends; what waits for a suspended, limited or failing callback.",
        "short",
        (f'sum(max by (lane) (angarium_backlog{{{HERE}, state="in_flight"}}))', "in flight"),
        (f'max(angarium_backlog{{{HERE}, state="scheduled"}})', "scheduled"),
        (f'max(angarium_backlog{{{HERE}, state="parked"}})', "parked"),
    ),
    series(
        "Oldest ready",
        "By lane. Over five minutes somebody is called.",
        "s",
        (f"max by (lane) (angarium_oldest_ready_seconds{{{HERE}}})", "{{lane}}"),
    ),
    series(
        "Time to drain",
        "What deliverers are scaled by: ready ÷ settled a second.",
        "s",
        (f"max(angarium_backlog_drain_seconds{{{HERE}}})", "seconds to drain"),
    ),
    series(
        "Dead letters",
        "By product.",
        "short",
        (f"max by (product) (angarium_dead_letters{{{HERE}}})", "{{product}}"),
    ),
    series(
        "Slots in use",
        "Of all slots of all deliverers. Near 100 % with an idle CPU: receivers are slow, and more slots help.",
        "percentunit",
        (f"sum(angarium_deliverer_slots_used{{{HERE}}}) / sum(angarium_deliverer_slots{{{HERE}}})", "in use"),
    ),
)

CONTROL = (
    series(
        "Callbacks by health",
        "As the operator sees their endpoints.",
        "short",
        (f"max by (health) (angarium_callbacks{{{HERE}}})", "{{health}}"),
    ),
    series(
        "Objects that are not ready",
        "By kind.",
        "short",
        (f'max by (kind) (angarium_operator_resources{{{HERE}, ready="false"}})', "{{kind}}"),
    ),
    series(
        "Revisions behind",
        "How much of the config a pod has yet to apply, and records that it could not read.",
        "short",
        (f"max(angarium_config_revision_lag{{{HERE}}})", "behind"),
        (f"max(angarium_config_rejected_records{{{HERE}}})", "rejected records"),
    ),
)

OVERVIEW = Dashboard(
    "angarium-overview",
    "Angarium / Overview",
    "Objectives, intake, delivery, queue and config of an installation.",
    (
        ("Objectives", OBJECTIVES),
        ("Intake", INTAKE),
        ("Delivery", DELIVERY),
        ("Queue", QUEUE),
        ("Callbacks and config", CONTROL),
    ),
)
