"""Settings of the ways into the cabinet: what would let anybody listen in, or nobody enter."""

import pytest
from pydantic import ValidationError

from kench.pool.settings import Settings

ISSUER = "https://esia.tunduk.kg"
FILES = {"cabinet_officers_certificate": "door.pem", "cabinet_officers_key": "door.key"}


@pytest.mark.parametrize("issuer", [ISSUER, f"{ISSUER}/", f"{ISSUER}/one", "http://127.0.0.1:9"])
def test_a_sign_on_is_called_as_it_calls_itself(issuer: str) -> None:
    assert Settings(oidc_issuer=issuer, oidc_client_id="kench").oidc_issuer == issuer


@pytest.mark.parametrize(
    "issuer",
    ["http://esia.tunduk.kg", "esia.tunduk.kg", "https://", "https://a@esia.tunduk.kg",
     f"{ISSUER}?x", f"{ISSUER}#x", "https://esia.tunduk.kg:x", "https://есиа.кг", ""],
)  # fmt: skip
def test_what_is_no_safe_sign_on_is_refused(issuer: str) -> None:
    with pytest.raises(ValidationError):
        Settings(oidc_issuer=issuer, oidc_client_id="kench")


def test_a_sign_on_needs_our_name_there_and_is_asked_who_it_is() -> None:
    with pytest.raises(ValidationError, match="oidc_client_id"):
        Settings(oidc_issuer=ISSUER)
    with pytest.raises(ValidationError, match="openid"):
        Settings(oidc_issuer=ISSUER, oidc_client_id="kench", oidc_scopes="profile")
    with pytest.raises(ValidationError):
        Settings(oidc_pin_claim="pin' OR")
    scopes = Settings(oidc_scopes="openid profile,organizations").oidc_scopes
    assert scopes == ("openid", "profile", "organizations")


def test_the_secret_at_the_sign_on_is_shown_to_nobody() -> None:
    assert "hidden" not in repr(Settings(oidc_client_secret="hidden"))


@pytest.mark.parametrize(
    ("given", "origin"),
    [({}, "https://127.0.0.1:8444"),
     ({"cabinet_officers_host": "::1", "cabinet_officers_port": 443}, "https://[::1]"),
     ({"cabinet_officers_url": "https://Desk.example.kg/"}, "https://desk.example.kg"),
     ({"cabinet_officers_host": "0.0.0.0", "cabinet_officers_url": "https://a.kg:8444"},
      "https://a.kg:8444")],
)  # fmt: skip
def test_the_officers_door_has_an_origin_of_its_own(given: dict[str, object], origin: str) -> None:
    settings = Settings(**{"cabinet_officers_port": 8444} | FILES | given)
    assert settings.officers_origin == origin


@pytest.mark.parametrize(
    ("given", "why"),
    [({"cabinet_officers_key": None}, "cabinet_officers_certificate and"),
     ({"cabinet_officers_url": "http://127.0.0.1:8444"}, "must begin with https"),
     ({"cabinet_officers_host": "0.0.0.0"}, "cabinet_officers_url must say")],
)  # fmt: skip
def test_a_door_that_nobody_could_trust_is_refused(given: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Settings(**{"cabinet_officers_port": 8444} | FILES | given)


def test_there_is_no_door_unless_it_is_asked_for() -> None:
    assert Settings().cabinet_officers_port is None
    assert Settings().oidc_issuer is None
