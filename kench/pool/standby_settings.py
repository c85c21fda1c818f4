"""Settings of the standby: where it is, what is waited for it, how both ends know each other."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from kench.pool.origins import is_loopback
from kench.pool.secret_sources import PrivateFile


class StandbySettings(BaseModel):
    """Those of `Settings` that a main machine and its standby read."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    standby_address: str | None = None
    """Standby: `host:port` where `kench standby serve` listens; fronts ship their journals there.
    Unset: there is none, and it costs nothing."""
    standby_mode: Literal["async", "sync"] = "async"
    """Standby: `sync` acknowledges a share when both machines have it on disk; `async` ships it
    some tenths of a second later."""
    standby_when_away: Literal["serve", "stop"] = "serve"
    """Standby: with `sync` and a standby that is away, `serve` on (an alarm, and what is
    acknowledged meanwhile is on one machine) or `stop`, so that miners fail over."""
    standby_wait_s: Annotated[float, Field(ge=0.05, le=60)] = 2.0
    """Standby: with `sync`, one that has not answered after so many seconds is away."""
    standby_listen: str = "127.0.0.1:9447"
    """Standby: `host:port` that `kench standby serve` listens on; port 0 takes any free one."""
    standby_certificate: Path | None = None
    """Standby: certificate that this machine shows on the line, PEM. Needed beyond one machine."""
    standby_key: PrivateFile | None = None
    """Standby: its key, PEM, without a password."""
    standby_authority: Path | None = None
    """Standby: certificate of the authority that both ends' are of, and nobody else's."""
    postgres_listen: str | None = None
    """Standby: `host:port` where `kench standby lend`, which `kench up` runs, lets another machine
    copy the embedded PostgreSQL, by TLS and with a certificate of `standby_authority` alone."""

    @field_validator("standby_certificate", "standby_authority")
    @classmethod
    def _resolve_standby_files(cls, value: Path | None) -> Path | None:
        return value and value.expanduser().resolve()

    @field_validator("standby_address", "standby_listen", "postgres_listen")
    @classmethod
    def _check_standby_address(cls, value: str | None) -> str | None:
        if value is not None:
            host, _, port = value.rpartition(":")
            if not host or not port.isdecimal() or int(port) > 65_535:
                raise ValueError("must look like host:port")
        return value

    @model_validator(mode="after")
    def _check_standby(self) -> Self:
        files = (self.standby_certificate, self.standby_key, self.standby_authority)
        if any(files) and not all(files):
            raise ValueError("standby_certificate, standby_key and standby_authority go together")
        if not all(files):
            for name in ("standby_address", "standby_listen", "postgres_listen"):
                address = getattr(self, name)
                near = address is None or is_loopback(address.rpartition(":")[0].strip("[]"))
                if not near or (name == "postgres_listen" and address is not None):
                    raise ValueError(f"{name} needs standby_certificate, _key and _authority")
        return self
