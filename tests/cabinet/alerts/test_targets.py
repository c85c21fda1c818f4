"""No webhook reaches inside, whatever its address or its name stands for."""

import socket

import pytest

from kench.cabinet.alerts import targets
from kench.cabinet.alerts.targets import (
    TargetError,
    is_chat,
    is_email,
    is_public,
    place_of,
    resolve,
)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
     "0.0.0.0", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1",
     "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:1::1",
     "::7f00:1", "fec0::1"],
)  # fmt: skip
def test_addresses_of_inside_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2a00:1450:4001::1", "::ffff:8.8.8.8"])
def test_those_of_the_internet_are(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    ["http://example.com/", "http://127.0.0.1/", "ftp://example.com/", "https://",
     "https://u:p@example.com/", "https://example.com/#x", "https://example.com/a b",
     "https://example.com/\r\nHost: x", "https://example.com:99999/", "https://[::1/",
     "https://example.com/" + "x" * 500, "//example.com", "https://пример.kg/"],
)  # fmt: skip
def test_what_is_no_public_https_address_is_refused(url: str) -> None:
    with pytest.raises(TargetError):
        place_of(url, here=False)


def test_a_name_with_one_address_inside_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def both(*_: object, **__: object) -> list[tuple[object, ...]]:
        return [(2, 1, 6, "", (ip, 443)) for ip in ("8.8.8.8", "10.0.0.1")]

    monkeypatch.setattr(targets.socket, "getaddrinfo", both)
    with pytest.raises(TargetError, match="not a public one"):
        resolve(place_of("https://example.com/", here=False), here=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "2130706433", "0x7f.1", "localhost"])
def test_this_machine_by_any_name_is_refused(host: str) -> None:
    with pytest.raises(TargetError):
        resolve(place_of(f"https://{host}/", here=False), here=False)


def test_a_name_is_resolved_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def one(host: str, *_: object, **__: object) -> list[tuple[object, ...]]:
        asked.append(host)
        return [(socket.AF_INET, 1, 6, "", ("8.8.8.8", 443))]

    monkeypatch.setattr(targets.socket, "getaddrinfo", one)
    assert resolve(place_of("https://example.com/x?y=1", here=False), here=False) == "8.8.8.8"
    assert asked == ["example.com"]


@pytest.mark.parametrize("text", ["a@example.kg", "a.b+c@mail.example.com"])
def test_plain_e_mail_addresses_are_taken(text: str) -> None:
    assert is_email(text)


@pytest.mark.parametrize(
    "text", ["a", "a@b", "a@example.kg, b@example.kg", "a@example.kg\nBcc: b@example.kg",
             "<a@example.kg>", "a b@example.kg", "a@" + "x." * 130 + "kg"]
)  # fmt: skip
def test_others_are_not(text: str) -> None:
    assert not is_email(text)


def test_chats_are_numbers_or_names() -> None:
    assert is_chat("-1001234567890")
    assert is_chat("@miners_kg")
    assert not is_chat("../x")
    assert not is_chat("@x")
