"""One product: what it sends, what becomes of it, and whose endpoints fail."""

from angarium.telemetry.dashboards.grafana import HERE, Dashboard, Panel, Query, Variable, series

ITS = f'{HERE}, product=~"$product"'
ATTEMPTS = f"angarium_attempts_total{{{ITS}"
RATE = "[$__rate_interval]"
SUCCEEDED = f'sum by (product) (rate({ATTEMPTS}, outcome=~"delivered|sent"}}{RATE}))'

SENDING = (
    series(
        "Accepted",
        "Notifications of the product and its organizations, by priority.",
        "ops",
        (f"sum by (priority) (rate(angarium_notifications_accepted_total{{{ITS}}}{RATE}))", "{{priority}}"),
    ),
    series(
        "Unmatched",
        "Accepted, and nobody subscribes to them.",
        "ops",
        (f"sum by (product) (rate(angarium_notifications_unmatched_total{{{ITS}}}{RATE}))", "{{product}}"),
    ),
    series(
        "Waiting",
        "Deliveries, scheduled and parked ones too. A product's quota of backlog counts these.",
        "short",
        (f"max by (product) (angarium_product_backlog{{{ITS}}})", "{{product}}"),
    ),
)

ARRIVING = (
    series(
        "Ended",
        "By channel and status.",
        "ops",
        (
            f"sum by (channel, status) (rate(angarium_deliveries_settled_total{{{ITS}}}{RATE}))",
            "{{channel}} {{status}}",
        ),
    ),
    series(
        "Attempts by outcome",
        "Delivered, tried again, refused, dead.",
        "ops",
        (f"sum by (outcome) (rate(angarium_attempts_total{{{ITS}}}{RATE}))", "{{outcome}}"),
    ),
    series(
        "Attempts that succeeded",
        "Of all attempts: an endpoint's matter, not one of Angarium's objectives.",
        "percentunit",
        (f"{SUCCEEDED} / sum by (product) (rate({ATTEMPTS}}}{RATE}))", "{{product}}"),
    ),
    series(
        "Why attempts failed",
        "docs/states.md tells what each reason means; `angarium timeline` shows one notification's.",
        "ops",
        (f'topk(10, sum by (reason) (rate(angarium_attempts_total{{{ITS}, reason!=""}}{RATE})))', "{{reason}}"),
    ),
    series(
        "Dead letters",
        "Refused and dead deliveries that are kept, less those redriven.",
        "short",
        (f"max by (product) (angarium_dead_letters{{{ITS}}})", "{{product}}"),
    ),
)

ENDPOINTS = (
    Panel(
        "Callbacks whose endpoint fails",
        "Of all products. `kubectl describe callback` tells since when and why, and what waits for each.",
        "short",
        (Query(f'max by (callback) (angarium_callback_unhealthy{{{HERE}, callback=~"$callback"}})'),),
        "table",
        12,
    ),
    Panel(
        "Keys that were rotated out",
        "Seconds until each ends. One that is still used by then locks its sender out.",
        "s",
        (
            Query(
                f"min by (product, organization, key) (angarium_credential_expiry_timestamp_seconds{{{ITS}}}) - time()"
            ),
        ),
        "table",
        12,
    ),
)

PRODUCT = Dashboard(
    "angarium-product",
    "Angarium / Product",
    "What a product sends, what becomes of it, and whose endpoints fail.",
    (("Sending", SENDING), ("Arriving", ARRIVING), ("Callbacks and keys", ENDPOINTS)),
    (
        Variable("product", 'label_values(angarium_product_backlog{namespace=~"$namespace"}, product)'),
        Variable("callback", 'label_values(angarium_callback_unhealthy{namespace=~"$namespace"}, callback)'),
    ),
)
