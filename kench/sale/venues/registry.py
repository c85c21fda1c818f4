"""From settings to venues: which adapter speaks to each, with the key from its private file."""

from collections.abc import Iterable

from kench.pool.api_key import read_api_key
from kench.pool.clock import Clock
from kench.pool.venue_settings import VenueKind, VenueSettings
from kench.sale.venues.paper import PaperVenue
from kench.sale.venues.port import Venue
from kench.sale.venues.web import Web


def open_venue(settings: VenueSettings, clock: Clock) -> Venue:
    """Return the venue of an entry; nothing is asked of it yet. Raises KenchError's subclasses."""
    key = read_api_key(settings.key_file)
    web = Web(settings.name, clock, settings.timeout_s)
    if settings.kind is VenueKind.PAPER:
        if settings.url is None:
            raise AssertionError("settings see to the url of a paper venue")
        return PaperVenue(settings.name, settings.url, key, web, clock)
    # Half a second and many megabytes, which a pool without such a venue need not have.
    from kench.sale.venues.ccxt_venue import CcxtVenue  # noqa: PLC0415 - as above

    return CcxtVenue(settings, key, web, clock)


def open_venues(entries: Iterable[VenueSettings], clock: Clock) -> dict[str, Venue]:
    """Return the venues of all entries by name."""
    return {entry.name: open_venue(entry, clock) for entry in entries}
