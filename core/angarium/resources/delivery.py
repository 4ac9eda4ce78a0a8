"""How deliveries are attempted: time-outs and retries."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from angarium.resources.durations import Delay, Retention, Timeout
from angarium.resources.rules import Distinct, SpecModel

FailureStatus = Annotated[int, Field(strict=True, ge=300, le=599)]


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


class ProductDelivery(SpecModel):
    """What callbacks of the product follow unless they say otherwise, and how long notifications are kept."""

    timeout: Timeout = Field(default=timedelta(seconds=15), description="How long an attempt may take.")
    retention: Retention = Field(
        default=timedelta(hours=720), description="How long a notification is kept once it is finished."
    )
    retry: Retry = Field(default_factory=Retry, description="When to try again.")


class CallbackDelivery(SpecModel):
    """What this callback does otherwise than its product."""

    timeout: Timeout | None = Field(default=None, description="How long an attempt may take. Default: the product's.")
    retry: Retry = Field(default_factory=Retry, description="When to try again. Default: as the product does.")
