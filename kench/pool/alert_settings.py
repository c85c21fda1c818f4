"""Settings of alerts: the servers that carry them."""

from enum import StrEnum
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from kench.pool.secret_sources import PrivateFile


class SmtpTls(StrEnum):
    """How a mail server is spoken to."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


class AlertSettings(BaseModel):
    """Those of `Settings` that the cabinet's alerts alone read."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    alerts_smtp_host: str | None = None
    """Alerts: the mail server that takes them. Unset: nobody is told by e-mail."""
    alerts_smtp_port: Annotated[int, Field(ge=1, le=65_535)] = 587
    """Alerts: its port."""
    alerts_smtp_tls: SmtpTls = SmtpTls.STARTTLS
    """Alerts: `starttls`, `tls`, or `none` for a mail server on this machine."""
    alerts_smtp_from: str = "kench@localhost"
    """Alerts: whom their e-mail comes from."""
    alerts_smtp_file: PrivateFile | None = None
    """Alerts: private file `{"key": "user", "secret": "password"}` for the mail server. Unset: it
    asks for none."""
    alerts_bot_url: str | None = None
    """Alerts: where the messenger's bot is reached, such as `https://api.telegram.org`: messages go
    to `/bot<token>/sendMessage` there. Unset: nobody is told by it."""
    alerts_bot_file: PrivateFile | None = None
    """Alerts: private file `{"key": "bot's name", "secret": "token"}` of the bot."""
    alerts_webhooks: bool = True
    """Alerts: whether webhooks may be called, at public addresses by https."""
    alerts_webhooks_here: bool = False
    """Alerts: whether webhooks may be on this machine, for development; also by plain http."""

    @model_validator(mode="after")
    def _check_alerts(self) -> Self:
        here = {"127.0.0.1", "::1", "localhost"}
        if self.alerts_smtp_tls is SmtpTls.NONE and (self.alerts_smtp_host or "::1") not in here:
            raise ValueError("alerts_smtp_tls may be none for a mail server of this machine only")
        if (self.alerts_bot_url is None) != (self.alerts_bot_file is None):
            raise ValueError("alerts_bot_url and alerts_bot_file are set both or not at all")
        if self.alerts_bot_url is not None:
            parts = urlsplit(self.alerts_bot_url)
            if parts.scheme != "https" and (parts.scheme, parts.hostname in here) != ("http", True):
                raise ValueError("alerts_bot_url must begin with https://")
        return self
