"""Entries of `venues`, and the words of `venue_faults`."""

import json
from pathlib import Path

import pytest

from kench.pool.settings_file import SettingsError, read_settings
from kench.pool.venue_settings import VenueFault, fault_shares

PAPER = {"name": "paper", "kind": "paper", "url": "http://127.0.0.1:9335", "key_file": "/k"}
CCXT = {"name": "first", "kind": "ccxt", "exchange": "hollaex", "key_file": "/k"}


def test_entries_are_read_from_json_and_from_toml(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KENCH_VENUES", json.dumps([PAPER, CCXT]))
    from_variable = read_settings(data_dir=tmp_path).venues
    monkeypatch.delenv("KENCH_VENUES")
    (tmp_path / "kench.toml").write_text(
        '[[venues]]\nname = "paper"\nkind = "paper"\nurl = "http://127.0.0.1:9335"\n'
        'key_file = "/k"\n[[venues]]\nname = "first"\nkind = "ccxt"\nexchange = "hollaex"\n'
        'key_file = "/k"\n'
    )
    assert read_settings(data_dir=tmp_path).venues == from_variable
    assert [venue.name for venue in from_variable] == ["paper", "first"]


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ({**PAPER, "url": None}, "needs url"),
        ({**PAPER, "url": "ftp://127.0.0.1"}, "https://host:port"),
        ({**PAPER, "url": "http://venue.example"}, "use https://"),
        ({**PAPER, "url": "https://user:hush@venue.example"}, "key_file"),
        ({**PAPER, "url": "https://venue.example?key=hush"}, "key_file"),
        ({**PAPER, "url": "http://127.0.0.1:99999999"}, "https://host:port"),
        ({**PAPER, "exchange": "hollaex"}, "exchange"),
        ({**CCXT, "exchange": None}, "exchange"),
        ({**PAPER, "name": "Paper Venue"}, "name"),
        ({**PAPER, "further": 1}, "unknown key further"),
        ({**PAPER, "timeout_s": 0}, "timeout_s"),
    ],
)
def test_a_wrong_entry_is_named_by_its_place_and_what_is_wrong(
    entry: dict[str, object], why: str
) -> None:
    with pytest.raises(SettingsError, match=why) as caught:
        read_settings(venues=json.dumps([entry]))
    assert "KENCH_VENUES" in str(caught.value)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "why"),
    [("http://kyt.example", "use https://"), ("https://me:hush@kyt.example", "screening_secret")],
)
def test_what_clears_coins_is_asked_over_tls_and_its_secret_is_in_no_url(
    url: str, why: str
) -> None:
    with pytest.raises(SettingsError, match=why) as caught:
        read_settings(screening_url=url)
    assert "hush" not in str(caught.value)
    assert read_settings(screening_url="http://127.0.0.1:1/").screening_url == "http://127.0.0.1:1"


def test_two_venues_of_one_name_are_refused() -> None:
    with pytest.raises(SettingsError, match="same name"):
        read_settings(venues=json.dumps([PAPER, PAPER]))


def test_faults_are_words_with_shares() -> None:
    assert fault_shares(("reject=0.5", "lost-answer=0.25")) == {
        VenueFault.REJECT: 0.5,
        VenueFault.LOST_ANSWER: 0.25,
    }


@pytest.mark.parametrize(
    "words",
    ["reject", "reject=2", "reject=nan", "reject=-1", "nonsense=0.1", "reject=0.6 partial=0.6"],
)
def test_faults_that_cannot_be_are_refused(words: str) -> None:
    with pytest.raises(SettingsError, match="KENCH_VENUE_FAULTS"):
        read_settings(venue_faults=words)
