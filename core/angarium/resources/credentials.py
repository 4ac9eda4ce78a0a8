"""Where keys are kept and when they are replaced."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from angarium.resources.durations import Interval, Overlap
from angarium.resources.meta import SecretName
from angarium.resources.rules import Rule, SpecModel


class Rotation(SpecModel):
    """When a key is replaced, and how long the old one lives on."""

    rules = (
        Rule(
            cel="!has(self.interval) || duration(self.overlap) < duration(self.interval)",
            message="overlap must be shorter than interval",
            check=lambda rotation: rotation.interval is None or rotation.overlap < rotation.interval,
            at=".overlap",
        ),
    )

    interval: Interval | None = Field(
        default=None,
        description="Age at which the key is replaced. Default: on the annotation angarium.dev/rotate-requested-at.",
    )
    overlap: Overlap = Field(
        default=timedelta(hours=24), description="How long the old key stays valid beside the new one."
    )


class Credentials(SpecModel):
    """The API key and the Secret it is given out in."""

    secret_name: SecretName | None = Field(
        default=None,
        description="Secret to write the API key to, as Service Binding does. Default: <name>-angarium. Can't change.",
    )
    rotation: Rotation = Field(default_factory=Rotation, description="When the API key is replaced.")


class Quotas(SpecModel):
    """Limits beyond which the gateway refuses."""

    requests_per_second: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] | None = Field(
        default=None, description="API requests answered a second, reads included. Default: no limit."
    )
    backlog: Annotated[int, Field(strict=True, ge=1, le=1_000_000_000)] | None = Field(
        default=None, description="Deliveries that may wait at a time. Default: no limit."
    )
    callbacks: Annotated[int, Field(strict=True, ge=0, le=10_000)] | None = Field(
        default=None, description="Callbacks that may be made through the API. Default: 100."
    )


def secret_name_stays(parent: str) -> Rule:
    """A Secret's name, once chosen, stays: workloads mount it by that name."""
    return Rule(
        cel=f"!has(oldSelf.{parent}) || !has(oldSelf.{parent}.secretName) || (has(self.{parent})"
        f" && has(self.{parent}.secretName) && self.{parent}.secretName == oldSelf.{parent}.secretName)",
        message="secretName can't change once set, since workloads mount that Secret; create a new object",
        at=f".{parent}.secretName",
    )
