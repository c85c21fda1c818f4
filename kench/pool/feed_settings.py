"""Settings of the job feed between machines: where jobs come from, leases, how long without."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

# A job for all is at most so much older than the feed's end when the front counts it as away.
REFRESH_MAX_S = 60.0


class FeedSettings(BaseModel):
    """Those of `Settings` that `kench stratum` reads where a pool has several machines."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    job_source: Literal["nodes", "nats"] = "nodes"
    """Several machines: `nodes`, jobs are made here; `nats`, by one of the machines that have
    nodes, for all. A machine with `node_urls` stands for election, one without needs none."""
    job_lease_s: Annotated[float, Field(ge=0.4, le=60)] = 1.2
    """Several machines: another makes the jobs when who makes them has not said for so many
    seconds that it lives."""
    feed_away_s: Annotated[float, Field(ge=1, le=86_400)] = 600.0
    """Several machines: without the one that makes the jobs, the last job is served for so many
    seconds."""
    number_lease_s: Annotated[float, Field(ge=60, le=31_536_000)] = 86_400.0
    """Several machines: a front's number may be another machine's when this one has not said for
    so many seconds that it lives; after half of it, it serves no more. Longer than twice
    `feed_away_s` and two minutes."""

    @model_validator(mode="after")
    def _check_feed(self) -> Self:
        if self.number_lease_s <= 2 * (self.feed_away_s + REFRESH_MAX_S):
            raise ValueError(
                "number_lease_s must be longer than twice feed_away_s and two minutes: who serves"
                " without the others must have ended before its number is another's"
            )
        return self
