"""Settings of the ways into the cabinet beside a signature: the sign-on, the officers' door."""

from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from kench.pool.door_settings import Port, words_of
from kench.pool.origins import is_loopback, origin_of, plain_origin
from kench.pool.secret_sources import PrivateFile

CLAIM = r"^[A-Za-z0-9_.:/-]{1,100}$"


class EntrySettings(BaseModel):
    """Those of `Settings` that say how people enter the cabinet."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    oidc_issuer: str | None = None
    """Cabinet: the state's sign-on (OpenID Connect), exactly as it names itself, such as
    `https://esia.tunduk.kg`. Unset: people enter by signature alone."""
    oidc_client_id: str | None = None
    """Cabinet: our name at the sign-on."""
    oidc_client_secret: SecretStr | None = None
    """Cabinet: our secret there. Unset: none, where the sign-on asks for none."""
    oidc_scopes: Annotated[tuple[str, ...], NoDecode, Field(min_length=1, max_length=16)] = (
        "openid",
        "profile",
    )
    """Cabinet: what the sign-on is asked about a person."""
    oidc_pin_claim: Annotated[str, Field(pattern=CLAIM)] = "pin"
    """Cabinet: the claim that has the personal number (ПИН)."""
    oidc_name_claim: Annotated[str, Field(pattern=CLAIM)] = "name"
    """Cabinet: the claim that has the person's name."""
    oidc_timeout_s: Annotated[float, Field(gt=0, le=15)] = 5.0
    """Cabinet: a question to the sign-on is given up after so many seconds."""

    cabinet_officers_port: Port | None = None
    """Cabinet: a port of its own for officers, with TLS, where they enter by the certificate of
    their connection; 0 takes any free one. Unset: there is none."""
    cabinet_officers_host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """Cabinet: the address that the officers' door listens on."""
    cabinet_officers_url: str | None = None
    """Cabinet: what officers' browsers call that door, such as `https://desk.example.kg`. Unset:
    `https://cabinet_officers_host:cabinet_officers_port`."""
    cabinet_officers_certificate: Path | None = None
    """Cabinet: the server's certificate at that door, PEM, its chain behind it."""
    cabinet_officers_key: PrivateFile | None = None
    """Cabinet: its private key, PEM, without a password."""

    @field_validator("oidc_scopes", mode="before")
    @classmethod
    def _split_scopes(cls, value: object) -> object:
        return words_of(value)

    @field_validator("oidc_issuer")
    @classmethod
    def _check_issuer(cls, value: str | None) -> str | None:
        return None if value is None else _issuer(value)

    @field_validator("cabinet_officers_url")
    @classmethod
    def _check_officers_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        origin = origin_of(value)
        if not origin.startswith("https://"):
            raise ValueError("the officers' door speaks TLS: must begin with https://")
        return origin

    @field_validator("cabinet_officers_certificate")
    @classmethod
    def _resolve_officers_files(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser().resolve()

    @model_validator(mode="after")
    def _check_sign_on(self) -> Self:
        if self.oidc_issuer is not None and not self.oidc_client_id:
            raise ValueError("oidc_issuer needs oidc_client_id: our name at the sign-on")
        if "openid" not in self.oidc_scopes:
            raise ValueError("oidc_scopes must have openid in it")
        if self.cabinet_officers_port is None:
            return self
        if self.cabinet_officers_certificate is None or self.cabinet_officers_key is None:
            raise ValueError(
                "cabinet_officers_port needs cabinet_officers_certificate and cabinet_officers_key"
            )
        if self.cabinet_officers_url is None and not is_loopback(self.cabinet_officers_host):
            raise ValueError(
                "cabinet_officers_host is not of this machine alone: cabinet_officers_url must say "
                "the https:// address that officers reach it by"
            )
        return self

    @property
    def officers_origin(self) -> str:
        """What browsers send as Origin at the officers' door."""
        return self.cabinet_officers_url or plain_origin(
            self.cabinet_officers_host, self.cabinet_officers_port or 0, scheme="https"
        )


def _issuer(value: str) -> str:
    wanted = "must look like https://esia.tunduk.kg, as the sign-on names itself"
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        raise ValueError(wanted) from None
    host = parts.hostname or ""
    if parts.scheme not in {"http", "https"} or not host or "@" in parts.netloc:
        raise ValueError(wanted)
    if parts.query or parts.fragment or not value.isascii() or not value.isprintable():
        raise ValueError(wanted)
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError("plain http is for this machine only: must begin with https://")
    return value
