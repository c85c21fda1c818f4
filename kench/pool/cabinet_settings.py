"""Settings of the cabinet: where people reach it, how long a login lasts, what they may send."""

from typing import Annotated, Self

from pydantic import ConfigDict, Field, field_validator, model_validator
from pydantic_settings import NoDecode

from kench.pool.alert_settings import AlertSettings
from kench.pool.door_settings import Network, Port, words_of
from kench.pool.entry_settings import EntrySettings
from kench.pool.origins import is_loopback, origin_of, plain_origin


class CabinetSettings(AlertSettings, EntrySettings):
    """Those of `Settings` that the cabinet alone reads."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    cabinet_host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """Cabinet: the address that it listens on."""
    cabinet_port: Port = 8080
    """Cabinet: its port; 0 takes any free one."""
    cabinet_url: str | None = None
    """Cabinet: what people's browsers call it, such as `https://cabinet.example.kg`: signed texts
    name it and forms must come from it. Unset: `http://cabinet_host:cabinet_port`. Plain http is
    for this machine only."""
    cabinet_proxy_from: Annotated[tuple[Network, ...], NoDecode] = ()
    """Cabinet: networks of the web servers in front of it, whose `X-Forwarded-For`
    says who asks."""
    cabinet_idle_s: Annotated[int, Field(ge=60, le=86_400)] = 1800
    """Cabinet: a login that was not used for so long ends."""
    cabinet_login_s: Annotated[int, Field(ge=300, le=604_800)] = 43_200
    """Cabinet: a login ends after so long, used or not."""
    cabinet_uploads_max_bytes: Annotated[int, Field(ge=65_536, le=2**30)] = 33_554_432
    """Cabinet: the most that one form may send with its files, from somebody who has entered."""

    cabinet_miners_host: Annotated[str, Field(pattern=r"^[A-Za-z0-9.:-]{1,253}$")] | None = None
    """Cabinet: the name or address by which miners reach the ports, for the connection
    instructions. Unset: the first of a port's own addresses."""
    personal_unsigned_d: Annotated[int, Field(ge=30, le=3650)] = 180
    """Cabinet: drafts, and documents that nobody signed, are forgotten after so many days."""

    @field_validator("cabinet_proxy_from", mode="before")
    @classmethod
    def _split_networks(cls, value: object) -> object:
        return words_of(value)

    @field_validator("cabinet_url")
    @classmethod
    def _check_cabinet_url(cls, value: str | None) -> str | None:
        return None if value is None else origin_of(value)

    @model_validator(mode="after")
    def _check_cabinet(self) -> Self:
        if self.cabinet_idle_s > self.cabinet_login_s:
            raise ValueError("cabinet_idle_s <= cabinet_login_s must hold")
        if self.cabinet_url is None and not is_loopback(self.cabinet_host):
            raise ValueError(
                "cabinet_host is not of this machine alone: cabinet_url must say the https:// "
                "address that people reach the cabinet by"
            )
        return self

    @property
    def cabinet_origin(self) -> str:
        """What browsers send as Origin: scheme, host and port, with no slash at the end."""
        return self.cabinet_url or plain_origin(self.cabinet_host, self.cabinet_port)
