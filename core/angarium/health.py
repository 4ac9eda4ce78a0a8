"""How an endpoint fares, in one word: the operator's status and the gateway's lists say the same."""

from angarium.queue.census import CallbackHealth
from angarium.resources.callback import Health

FAILING_ROW = 3  # failures in a row after which an endpoint fails,
FAILING_AFTER_MS = 30_000  # or so long after the first of them


def at_endpoint(token: str, known: CallbackHealth) -> CallbackHealth:
    """What is known of this very endpoint; of another one only what waits is of interest."""
    return known if known.endpoint in ("", token) else CallbackHealth(known.backlog, in_flight=known.in_flight)


def fails(known: CallbackHealth) -> bool:
    """Whether the last attempt did. Shards know of different ones: failures in one may be older than a delivery."""
    return known.failures > 0 and known.failed_ms >= known.delivered_ms


def word(known: CallbackHealth, *, disabled: bool, now_ms: int) -> Health:
    """`known` is of this very endpoint."""
    if disabled:
        return "Disabled"
    if known.open_until_ms:
        return "CircuitOpen"
    since = known.failing_since_ms // 1000 * 1000
    if fails(known) and (known.failures >= FAILING_ROW or now_ms >= since + FAILING_AFTER_MS):
        return "Failing"
    return "Healthy" if known.delivered_ms else "Unknown"
