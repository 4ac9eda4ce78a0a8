"""How many requests a tenant may make: a token bucket for each, in this pod's memory.

The tenant's rate is divided by the number of live gateways, which presence tells; a burst is what one second allows, at
least one request. Fields are those of draft-ietf-httpapi-ratelimit-headers.
"""

import math
from collections.abc import Callable
from time import monotonic

from angarium_gateway.directory import Tenant
from angarium_gateway.problems import RATE, Problem


class Bucket:
    """Tokens flow in at `rate` a second up to `size`."""

    __slots__ = ("rate", "seen", "size", "tokens")

    def __init__(self, rate: float, now: float) -> None:
        self.rate = rate
        self.size = max(1.0, rate)
        self.tokens = self.size
        self.seen = now

    def take(self, now: float) -> bool:
        """One token, if there is one."""
        self.tokens = min(self.size, self.tokens + (now - self.seen) * self.rate)
        self.seen = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True

    @property
    def wait(self) -> int:
        """Whole seconds until there is a token."""
        return max(1, math.ceil((1 - self.tokens) / self.rate))


class RateLimits:
    """`gateways` tells how many share a tenant's rate."""

    def __init__(self, gateways: Callable[[], int], clock: Callable[[], float] = monotonic) -> None:
        self._gateways = gateways
        self._clock = clock
        self._buckets: dict[str, Bucket] = {}

    def admit(self, tenant: Tenant) -> dict[str, str]:
        """Count one request; the fields to answer with (none without a quota). Raises a Problem when it is too many."""
        if tenant.requests_per_second is None:
            return {}
        rate, now = tenant.requests_per_second / self._gateways(), self._clock()
        bucket = self._buckets.get(tenant.id)
        if bucket is None or bucket.rate != rate:
            bucket = self._buckets[tenant.id] = Bucket(rate, now)
        admitted = bucket.take(now)
        fields = {
            "RateLimit-Policy": f'"requests";q={int(bucket.size)};w=1',
            "RateLimit": f'"requests";r={int(bucket.tokens)};t={1 if admitted else bucket.wait}',
        }
        if not admitted:
            detail = f"this tenant may make {tenant.requests_per_second} requests a second"
            raise Problem(RATE, detail, headers={**fields, "Retry-After": str(bucket.wait)})
        return fields
