"""Settings of processes that serve nobody, and tell only how they fare."""

from pydantic import BaseModel, ConfigDict

from kench.pool.door_settings import Port


class MetricsSettings(BaseModel):
    """Those of `Settings` that say where settlement, sale and gathering tell how they fare.

    None by itself: several of a kind may stand by on one machine, and each needs its own.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    settle_metrics_port: Port | None = None
    """Settlement: its port of `/metrics` and `/healthz`, at `metrics_host`; 0 takes any free one.
    Unset: none. The units of `deploy/` set 9337."""
    sell_metrics_port: Port | None = None
    """Sale: the same. The units of `deploy/` set 9338."""
    gather_metrics_port: Port | None = None
    """`kench gather`: the same. The units of `deploy/` set 9339."""
