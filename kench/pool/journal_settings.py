"""Settings of where the journal goes beside this machine's disk."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class JournalSettings(BaseModel):
    """Those of `Settings` that fronts, and the centre that gathers their journals, read."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    journal_backend: Literal["local", "nats"] = "local"
    """Journal: `local` is this machine's disk alone; with `nats` a share is acknowledged when it is
    on this disk and in the stream of the cluster at `nats_urls`, from which `kench gather` takes
    it to where settlement is. Not together with `standby_address`."""
    journal_when_away: Literal["serve", "stop"] = "serve"
    """Journal: with `nats` and a cluster that cannot acknowledge, `serve` on (an alarm; what is
    acknowledged meanwhile is on one disk, and goes to the stream later) or `stop`, so that miners
    fail over."""
    nats_wait_s: Annotated[float, Field(ge=0.05, le=60)] = 2.0
    """Journal: with `nats`, a cluster that has not acknowledged after so many seconds is away."""
    journal_stream_bytes: Annotated[int, Field(ge=1 << 20, le=1 << 45)] = 8 << 30
    """Journal: bytes that the stream may have at each server, where it is made. Full, it is as if
    the cluster were away. `kench gather` takes away what every archive has."""

    @model_validator(mode="after")
    def _check_journal(self) -> Self:
        # Both are of `Settings`, which this is a part of.
        if self.journal_backend == "nats" and not getattr(self, "nats_urls", ()):
            raise ValueError("journal_backend nats needs nats_urls")
        if self.journal_backend == "nats" and getattr(self, "standby_address", None) is not None:
            raise ValueError("journal_backend nats and standby_address do not go together")
        return self
