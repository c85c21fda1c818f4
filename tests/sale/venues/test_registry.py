"""From entries of settings to venues, their keys from private files."""

from pathlib import Path

import pytest

from kench.pool.api_key import ApiKeyError, keep_api_key
from kench.pool.clock import ManualClock
from kench.pool.venue_settings import VenueKind, VenueSettings
from kench.sale.venues.ccxt_venue import CcxtVenue
from kench.sale.venues.paper import PaperVenue
from kench.sale.venues.registry import open_venues


def test_each_kind_has_its_adapter_and_no_secret_shows(tmp_path: Path) -> None:
    key_file = tmp_path / "key.json"
    secret = keep_api_key(key_file).secret
    url = "http://127.0.0.1:1"
    entries = [
        VenueSettings(name="paper", kind=VenueKind.PAPER, url=url, key_file=key_file),
        VenueSettings(name="first", kind=VenueKind.CCXT, exchange="hollaex", key_file=key_file),
    ]
    venues = open_venues(entries, ManualClock())
    assert [type(venue) for venue in venues.values()] == [PaperVenue, CcxtVenue]
    assert [venue.name for venue in venues.values()] == ["paper", "first"]
    assert secret not in repr(venues) + repr(entries)


def test_a_venue_without_its_key_file_is_not_opened(tmp_path: Path) -> None:
    entry = VenueSettings(
        name="paper", kind=VenueKind.PAPER, url="http://127.0.0.1:1", key_file=tmp_path / "none"
    )
    with pytest.raises(ApiKeyError, match="cannot be read"):
        open_venues([entry], ManualClock())
