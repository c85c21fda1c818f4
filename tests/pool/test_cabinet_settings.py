"""Settings of the cabinet: what browsers call it, and what may not be set."""

import pytest
from pydantic import ValidationError

from kench.pool.settings import Settings


@pytest.mark.parametrize(
    ("given", "origin"),
    [({}, "http://127.0.0.1:8080"),
     ({"cabinet_host": "::1", "cabinet_port": 81}, "http://[::1]:81"),
     ({"cabinet_url": "https://Cabinet.example.kg/"}, "https://cabinet.example.kg"),
     ({"cabinet_url": "https://cabinet.example.kg:443"}, "https://cabinet.example.kg"),
     ({"cabinet_url": "http://localhost:80"}, "http://localhost"),
     ({"cabinet_host": "0.0.0.0", "cabinet_url": "https://a.kg:8443"}, "https://a.kg:8443")],
)  # fmt: skip
def test_the_origin_is_what_browsers_send(given: dict[str, object], origin: str) -> None:
    assert Settings(**given).cabinet_origin == origin


@pytest.mark.parametrize(
    "url",
    ["http://cabinet.example.kg", "https://", "cabinet.example.kg", "ftp://127.0.0.1",
     "https://user@cabinet.example.kg", "https://cabinet.example.kg/kench",
     "https://cabinet.example.kg?x", "https://cabinet.example.kg:x", ""],
)  # fmt: skip
def test_what_is_no_safe_origin_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        Settings(cabinet_url=url)


def test_a_cabinet_for_the_network_must_say_its_address() -> None:
    with pytest.raises(ValidationError, match="cabinet_url must say the https"):
        Settings(cabinet_host="0.0.0.0")


def test_an_idle_login_ends_no_later_than_any() -> None:
    with pytest.raises(ValidationError, match="cabinet_idle_s"):
        Settings(cabinet_idle_s=600, cabinet_login_s=300)
