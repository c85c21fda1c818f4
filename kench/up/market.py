"""What the coins of the embedded regtest are sold on: the paper venue and a local screening.

With nodes of others there is neither: their coins are real, and settings must name who sells them.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from kench.pool.running import paper_venue
from kench.pool.secret_sources import tell_secret, variables_for
from kench.pool.settings import Settings
from kench.pool.venue_settings import VenueSettings
from kench.up.environment import base_environment, text_of
from kench.up.part import Part
from kench.up.preflight import PortTakenError, free_port

LOOPBACK = "127.0.0.1"
KEY_ID = "kench-up"
PRIVATE = variables_for("database_url")
"""What the paper venue and the screening have no need of."""


@dataclass(frozen=True, slots=True)
class MarketPlan:
    """Which of them `kench up` runs, where they answer, and what the sale is told of them."""

    venue_port: int | None
    screening_port: int | None
    venues: tuple[VenueSettings, ...]
    screening: Mapping[str, str]
    """Variables that name the screening and the file of its secret."""

    @property
    def venue_url(self) -> str | None:
        """Where the paper venue answers."""
        return f"http://{LOOPBACK}:{self.venue_port}" if self.venue_port else None

    @property
    def sells(self) -> bool:
        """Whether there is a venue to sell on."""
        return bool(self.venues)

    def variables(self) -> dict[str, str]:
        """Return what the sale is told beside what all parts are."""
        return {"KENCH_VENUES": text_of(self.venues) or "[]", **self.screening}

    def parts(self, variables: Mapping[str, str], settings: Settings) -> list[Part]:
        """Return the parts to run, not started; `variables` are what all parts are told."""
        told = {name: text for name, text in variables.items() if name not in PRIVATE}
        data = ["--data", str(settings.data_dir)]
        found = []
        if self.venue_port:
            flags = [*data, "--venue-host", LOOPBACK, "--venue-port", str(self.venue_port)]
            found.append(Part("venue", flags, told, settings.log_directory / "venue.log"))
        if self.screening_port:
            flags = [*data, "--host", LOOPBACK, "--port", str(self.screening_port)]
            environment = {**base_environment(), **told, **self.screening}
            log = settings.log_directory / "screening.log"
            found.append(Part("screening", flags, environment, log))
        return found


def plan_market(settings: Settings) -> MarketPlan:
    """Decide what to run: what settings name is never doubled."""
    own_node = not settings.node_urls
    venue_port = screening_port = None
    venues = settings.venues
    screening: dict[str, str] = {}
    if own_node and not venues:
        venue_port = _venue_port(settings)
        venues = (paper_venue(f"http://{LOOPBACK}:{venue_port}", settings.venue_key_path),)
    if own_node and settings.screening_url is None:
        screening_port = free_port(LOOPBACK)
        screening = {
            "KENCH_SCREENING_URL": f"http://{LOOPBACK}:{screening_port}",
            "KENCH_SCREENING_KEY_ID": KEY_ID,
        }
        secret, folder = secrets.token_hex(32), settings.secrets_directory
        screening = tell_secret(screening, folder, "screening_secret", secret)
    return MarketPlan(venue_port, screening_port, venues, screening)


def _venue_port(settings: Settings) -> int:
    chosen = settings.venue_port if "venue_port" in settings.model_fields_set else 0
    try:
        return free_port(LOOPBACK, chosen)
    except OSError as error:
        raise PortTakenError(
            f"cannot listen on {LOOPBACK}:{chosen}: {error.strerror}; "
            "choose another port for the paper venue with KENCH_VENUE_PORT"
        ) from error
