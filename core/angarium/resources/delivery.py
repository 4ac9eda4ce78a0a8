"""How deliveries are attempted: time-outs, retries, limits, and when an endpoint is given up."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from angarium.resources.durations import Delay, Patience, Period, Retention, Timeout
from angarium.resources.rules import Distinct, SpecModel

FailureStatus = Annotated[int, Field(strict=True, ge=300, le=599)]
InFlight = Annotated[int, Field(strict=True, ge=1, le=1000)]
PATIENCE = timedelta(hours=120)


class Retry(SpecModel):
    """When to try again. No default stands in the CRD: what is left out follows the product, then the code."""

    schedule: Annotated[tuple[Delay, ...], Field(max_length=32)] | None = Field(
        default=None,
        description="Waits after the 1st, 2nd, ... failed attempt; an empty list means one attempt."
        " Default: 5s, 5m, 30m, 2h, 5h, 10h, 14h, 20h, 24h. Up to 20% is added.",
    )
    non_retryable_statuses: Annotated[tuple[FailureStatus, ...], Field(max_length=32), Distinct()] | None = Field(
        default=None,
        description="HTTP statuses after which there is no other attempt. Default: none; 410 always disables.",
    )


class RateLimit(SpecModel):
    """How fast attempts may begin, over all deliverers together."""

    requests: int = Field(
        strict=True,
        ge=1,
        le=100_000,
        description="Attempts that may begin in each period. What is beyond it waits its turn; no attempt is spent.",
    )
    period: Period = Field(default=timedelta(seconds=1), description="The period that requests are counted in.")


class AutoDisable(SpecModel):
    """When an endpoint that only fails is given up; what is left out follows the product, then the code."""

    enabled: bool | None = Field(
        default=None,
        strict=True,
        description="Whether it is ever given up for failing; 410 Gone disables it all the same."
        " Default: the product's, else true.",
    )
    after: Patience | None = Field(
        default=None,
        description="How long there was nothing but failure, from the first failed attempt to the last."
        " Then nothing more is sent and what waits is refused, until spec.url or the annotation"
        " angarium.dev/enable-requested-at changes. Default: the product's, else 120h.",
    )

    def patience(self, default: "AutoDisable") -> timedelta | None:
        """How long it may fail, with what is left open taken from the product's; None: for ever."""
        enabled = self.enabled if self.enabled is not None else default.enabled
        return None if enabled is False else self.after or default.after or PATIENCE


class ProductDelivery(SpecModel):
    """What callbacks of the product follow unless they say otherwise, and how long notifications are kept."""

    timeout: Timeout = Field(default=timedelta(seconds=15), description="How long an attempt may take.")
    retention: Retention = Field(
        default=timedelta(hours=720), description="How long a notification is kept once it is finished."
    )
    durability: Literal["Standard", "Replicated"] = Field(
        default="Standard",
        description="What a 202 stands for. Standard: Redis holds the notification."
        " Replicated: replicas of it have confirmed it too, which takes longer; 503 where too few do in time.",
    )
    retry: Retry = Field(default_factory=Retry, description="When to try again.")
    max_in_flight: InFlight = Field(
        default=100,
        description="Attempts under way at once for each of its callbacks, over all deliverers."
        " What is beyond it waits; no attempt is spent.",
    )
    auto_disable: AutoDisable = Field(
        default_factory=AutoDisable, description="When an endpoint that only fails is given up."
    )


class CallbackDelivery(SpecModel):
    """What this callback does otherwise than its product."""

    timeout: Timeout | None = Field(default=None, description="How long an attempt may take. Default: the product's.")
    retry: Retry = Field(default_factory=Retry, description="When to try again. Default: as the product does.")
    max_in_flight: InFlight | None = Field(
        default=None,
        description="Attempts under way at once, over all deliverers. What is beyond it waits; no attempt is spent."
        " Default: the product's.",
    )
    rate_limit: RateLimit | None = Field(
        default=None, description="How fast attempts may begin, over all deliverers. Default: as fast as they can."
    )
    auto_disable: AutoDisable = Field(
        default_factory=AutoDisable,
        description="When an endpoint that only fails is given up. Default: as the product says.",
    )
