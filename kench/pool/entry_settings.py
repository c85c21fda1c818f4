"""Settings of the ways into the cabinet beside a signature: the state's sign-on."""

from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from kench.pool.door_settings import words_of
from kench.pool.origins import is_loopback

CLAIM = r"^[A-Za-z0-9_.:/-]{1,100}$"


class EntrySettings(BaseModel):
    """Those of `Settings` that say how people enter the cabinet."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

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

    @field_validator("oidc_scopes", mode="before")
    @classmethod
    def _split_scopes(cls, value: object) -> object:
        return words_of(value)

    @field_validator("oidc_issuer")
    @classmethod
    def _check_issuer(cls, value: str | None) -> str | None:
        return None if value is None else _issuer(value)

    @model_validator(mode="after")
    def _check_sign_on(self) -> Self:
        if self.oidc_issuer is not None and not self.oidc_client_id:
            raise ValueError("oidc_issuer needs oidc_client_id: our name at the sign-on")
        if "openid" not in self.oidc_scopes:
            raise ValueError("oidc_scopes must have openid in it")
        return self


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
