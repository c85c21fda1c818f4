"""Settings of the statistics: how often they are written, for how long they are kept."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_settings import NoDecode

from kench.pool.door_settings import Network, words_of


class StatisticsSettings(BaseModel):
    """Those of `Settings` that keep numbers of workers, and where they mine from."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    statistics_live_s: Annotated[float, Field(ge=1, le=30)] = 6.0
    """Numbers of each worker are written anew after this many seconds."""
    history_ten_minutes_d: Annotated[int, Field(ge=32, le=3660)] = 40
    """Days for which the history of workers by ten minutes is kept; it goes month by month."""
    history_hours_d: Annotated[int, Field(ge=62, le=36_600)] = 400
    """The same by hours."""
    history_days_d: Annotated[int, Field(ge=366, le=36_600)] = 3653
    """The same by days."""
    history_addresses_d: Annotated[int, Field(ge=31, le=366)] = 90
    """Days for which the addresses that participants mine from are kept."""
    shared_addresses: Annotated[tuple[Network, ...], NoDecode] = ()
    """Networks that many miners come from, such as a balancer or an operator's NAT (CIDR): their
    addresses are not kept, and say nothing of who mines together."""

    @field_validator("shared_addresses", mode="before")
    @classmethod
    def _split_networks(cls, value: object) -> object:
        """One string of the environment holds several values, apart by blanks or commas."""
        return words_of(value)
