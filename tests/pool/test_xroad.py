"""Names of X-Road have one spelling, and what is none is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.pool.xroad import read_client, read_hash, read_id, read_service, read_user, request_hash


def test_a_name_has_one_spelling() -> None:
    assert read_client("KG/GOV/1/%74axes") == "KG/GOV/1/taxes"
    assert read_client("KG/GOV/1/%D1%81") == read_client("KG/GOV/1/%d1%81")
    assert read_service("KG/GOV/1/taxes/income") == "KG/GOV/1/taxes/income"


@pytest.mark.parametrize(
    "name",
    ["", "KG", "KG/GOV", "KG/GOV/1/2/3", "KG//1/2", "/KG/GOV/1", "KG/GOV/1/%00", "KG/GOV/1/%2F",
     "KG/GOV/1/..", "KG/GOV/1/a b", "KG/GOV/1/%FF", "KG/GOV/1/%", "KG/GOV/1/с", "KG/GOV/1/a\n"],
)  # fmt: skip
def test_what_is_no_clients_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"part"):
        read_client(name)


@given(st.text())
def test_whatever_is_read_is_read_again_as_it_is(text: str) -> None:
    for read in (read_client, read_service, read_id, read_user):
        try:
            said = read(text)
        except ValueError:
            continue
        assert read(said) == said
        assert said.isascii()


def test_a_request_hash_is_of_sha512() -> None:
    said = request_hash("GET", "/x", {"X-Road-Id": "1"}, b"")
    assert len(read_hash(said)) == 64
    assert said != request_hash("GET", "/x", {"X-Road-Id": "2"}, b"")
    with pytest.raises(ValueError, match="SHA-512"):
        read_hash("AAAA")
