"""Settings of the NATS cluster that machines of one pool speak through."""

from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_settings import NoDecode

from kench.pool.door_settings import words_of
from kench.pool.origins import is_loopback
from kench.pool.secret_sources import PrivateFile

REPLICAS_MAX = 3
SERVERS_MAX = 16


class NatsSettings(BaseModel):
    """Those of `Settings` that every process reads which speaks with the cluster."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    nats_urls: Annotated[tuple[str, ...], NoDecode, Field(max_length=SERVERS_MAX)] = ()
    """Several machines: the servers of the NATS cluster, `tls://host:4222`; `nats://` on this
    machine alone. Unset: this machine is the whole pool."""
    nats_certificate: Path | None = None
    """NATS: certificate that this machine shows the cluster, PEM. It is also who we are there:
    there are no passwords."""
    nats_key: PrivateFile | None = None
    """NATS: its key, PEM, without a password."""
    nats_authority: Path | None = None
    """NATS: certificate of the authority that the servers' are of."""
    nats_replicas: Annotated[int, Field(ge=1, le=REPLICAS_MAX)] = 3
    """NATS: servers that keep each message, where streams are made: 3 in production, 1 for trying
    it with one server."""

    @field_validator("nats_urls", mode="before")
    @classmethod
    def _split_nats_urls(cls, value: object) -> object:
        return words_of(value)

    @field_validator("nats_certificate", "nats_authority")
    @classmethod
    def _resolve_nats_files(cls, value: Path | None) -> Path | None:
        return value and value.expanduser().resolve()

    @model_validator(mode="after")
    def _check_nats(self) -> Self:
        files = (self.nats_certificate, self.nats_key, self.nats_authority)
        if any(files) and not all(files):
            raise ValueError("nats_certificate, nats_key and nats_authority go together")
        for url in self.nats_urls:
            parts = urlsplit(url)
            if parts.scheme not in {"nats", "tls"} or not parts.hostname or "@" in parts.netloc:
                raise ValueError("nats_urls must look like tls://host:4222, without a user")
            if parts.scheme == "nats" and not is_loopback(parts.hostname):
                raise ValueError(f"nats_urls: {url} is not this machine: use tls://")
            if parts.scheme == "tls" and not all(files):
                raise ValueError(f"{url} needs nats_certificate, nats_key and nats_authority")
        return self
