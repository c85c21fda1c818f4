"""Settings of the hand-over of income to the tax service: who may ask, and whom we tell."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_settings import NoDecode

from kench.pool.door_settings import Port, tables_of
from kench.pool.origins import is_loopback
from kench.pool.secret_sources import PrivateFile
from kench.pool.venue_settings import check_url
from kench.pool.xroad import read_client, read_service

CLIENTS_MAX = 64
PAGE_MAX = 1000


class TaxEndpoint(StrEnum):
    """What a client of X-Road may be let into."""

    PERIODS = "periods"
    REPORTS = "income-reports"
    PARTICIPANTS = "participants"
    CORRECTIONS = "corrections"
    RECEIPTS = "receipts"
    REGISTER = "register-entries"


class TaxClient(BaseModel):
    """One entry of `tax_clients`."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    client: str
    """Its name in X-Road: `KG/GOV/12345678/taxes`, each part percent-encoded."""
    may: Annotated[tuple[TaxEndpoint, ...], Field(min_length=1)]
    """What it may ask: `periods`, `income-reports`, `participants`, `corrections`, `receipts`,
    `register-entries`."""

    @field_validator("client")
    @classmethod
    def _read_client(cls, value: str) -> str:
        return read_client(value)


class TaxSettings(BaseModel):
    """Those of `Settings` that the hand-over of income alone reads."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    tax_host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """Tax: the address that `kench tax` listens on for the security server."""
    tax_port: Port = 8090
    """Tax: its port; 0 takes any free one."""
    tax_metrics_port: Port = 9336
    """Tax: its port of `/metrics` and `/healthz`, at `metrics_host`; 0 takes any free one."""
    tax_certificate: Path | None = None
    """Tax: our certificate, PEM, its chain behind it: for the security server that asks us, and as
    client where we tell."""
    tax_key: PrivateFile | None = None
    """Tax: its private key, PEM, without a password."""
    tax_client_ca: Path | None = None
    """Tax: certificates, PEM, one of which a connection must show or be signed by: those of the
    security server. Without certificate, key and these, only this machine is served, in plain
    HTTP."""
    tax_clients: Annotated[tuple[TaxClient, ...], NoDecode, Field(max_length=CLIENTS_MAX)] = ()
    """Tax: who in X-Road may ask what: see below. All others are refused."""
    tax_page_max: Annotated[int, Field(ge=1, le=PAGE_MAX)] = PAGE_MAX
    """Tax: the most records of a page."""
    tax_requests_per_s: Annotated[float, Field(gt=0, le=100_000)] = 50.0
    """Tax: requests a second of one client; twice as many at once."""
    tax_log_d: Annotated[int, Field(ge=30, le=36_600)] = 1096
    """Tax: days for which it is kept who asked what, and which answers were given."""

    tax_push_url: str | None = None
    """Tax: our own security server, by which closed periods are sent to the tax service. Unset:
    they are only there to be pulled."""
    tax_push_service: str | None = None
    """Tax: the service that takes them, `KG/GOV/12345678/taxes/mining-income`."""
    tax_push_client: str | None = None
    """Tax: our name as a client in X-Road, `KG/GOV/87654321/mining`."""
    tax_push_ca: Path | None = None
    """Tax: certificates, PEM, by which that security server is known. Unset: the system's."""
    tax_push_batch: Annotated[int, Field(ge=1, le=PAGE_MAX)] = PAGE_MAX
    """Tax: records of one message."""
    tax_push_timeout_s: Annotated[float, Field(gt=0, le=600)] = 60.0
    """Tax: a message that is not answered by then is sent again later."""

    @field_validator("tax_clients", mode="before")
    @classmethod
    def _read_tax_clients(cls, value: object) -> object:
        return tables_of(value, "tax_clients", '{"client": "KG/GOV/1/taxes", "may": ["periods"]}')

    @field_validator("tax_clients")
    @classmethod
    def _check_tax_clients(cls, value: tuple[TaxClient, ...]) -> tuple[TaxClient, ...]:
        if len({one.client for one in value}) < len(value):
            raise ValueError("a client stands there twice")
        return value

    @field_validator("tax_certificate", "tax_client_ca", "tax_push_ca")
    @classmethod
    def _resolve_tax_file(cls, value: Path | None) -> Path | None:
        return value and value.expanduser().resolve()

    @field_validator("tax_push_url")
    @classmethod
    def _check_push_url(cls, value: str | None) -> str | None:
        return value and check_url(value, "tax_key")

    @field_validator("tax_push_client")
    @classmethod
    def _check_push_client(cls, value: str | None) -> str | None:
        return value and read_client(value)

    @field_validator("tax_push_service")
    @classmethod
    def _check_push_service(cls, value: str | None) -> str | None:
        return value and read_service(value)

    @model_validator(mode="after")
    def _check_tax(self) -> Self:
        files = (self.tax_certificate, self.tax_key, self.tax_client_ca)
        if any(files) and not all(files):
            raise ValueError("tax_certificate, tax_key and tax_client_ca go together")
        if not all(files) and not is_loopback(self.tax_host):
            raise ValueError(
                "tax_host is not of this machine alone: set tax_certificate, tax_key and "
                "tax_client_ca, so that the security server alone is served"
            )
        pushes = (self.tax_push_url, self.tax_push_service, self.tax_push_client)
        if any(pushes) and not all(pushes):
            raise ValueError("tax_push_url, tax_push_service and tax_push_client go together")
        return self
