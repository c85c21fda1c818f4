"""What is signed says what for, where, and once; and nothing in it is hidden from its reader."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.cabinet.signing.content import (
    CONTENT_BYTES_MAX,
    Heading,
    SigningContentError,
    check_body,
    check_document,
    content_of,
)
from kench.cabinet.signing.wording import (
    LABELS,
    LANGUAGES,
    LOGIN_BODY,
    NAMES,
    SYSTEM,
    TITLES,
    Purpose,
)
from tests.support.pki import NOW_US


def heading(purpose: Purpose = Purpose.LOGIN, language: str = "en") -> Heading:
    return Heading(
        purpose, language, "https://cabinet.example", "0" * 32, "f" * 64,
        NOW_US + 999_999, NOW_US + 180_000_000,
    )  # fmt: skip


def test_the_text_says_purpose_site_number_and_time_before_the_body() -> None:
    assert content_of(heading(), "I enter.\n").decode() == (
        "Unified State System of Collective Mining (Kench)\n"
        "Entering the personal cabinet\n"
        "\n"
        "Purpose: entry\n"
        "Site: https://cabinet.example\n"
        f"Request: {'0' * 32}\n"
        f"Number used once: {'f' * 64}\n"
        "Made: 2026-01-01T06:00:00+06:00\n"
        "Valid until: 2026-01-01T06:03:00+06:00\n"
        "\n"
        "I enter.\n"
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_purpose_has_its_words_in_every_language(language: str) -> None:
    assert LANGUAGES == ("ky", "ru", "en")
    assert language in SYSTEM.keys() & LABELS.keys() & LOGIN_BODY.keys()
    for purpose in Purpose:
        text = content_of(heading(purpose, language), "x").decode()
        assert TITLES[purpose][language] in text.splitlines()
        assert f"{LABELS[language].purpose}: {NAMES[purpose][language]}" in text.splitlines()
        assert text.count("\n\n") == 2


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_two_purposes_read_alike(language: str) -> None:
    assert len({NAMES[purpose][language] for purpose in Purpose}) == len(Purpose)


@pytest.mark.parametrize(
    "hidden", ["\r", "\t", "\x00", "\u202e", "\u200b", "\u2028", "\ufeff", "\ue000"]
)
def test_a_character_that_nobody_sees_is_refused(hidden: str) -> None:
    with pytest.raises(SigningContentError, match="nobody sees"):
        check_body(f"pay{hidden}me")


def test_an_empty_or_endless_text_is_refused() -> None:
    with pytest.raises(SigningContentError, match="nothing"):
        check_body(" \n")
    with pytest.raises(SigningContentError, match="bytes"):
        content_of(heading(), "x" * CONTENT_BYTES_MAX)


@given(st.text(max_size=60))
def test_a_body_never_reaches_into_the_lines_before_it(body: str) -> None:
    try:
        text = content_of(heading(), body).decode()
    except (SigningContentError, UnicodeEncodeError):
        return
    assert text.split("\n\n", 2)[1].splitlines()[0] == "Purpose: entry"
    assert text.endswith(body.rstrip("\n") + "\n")


def test_a_document_that_is_signed_as_it_is_can_be_taken_for_no_text_with_a_heading() -> None:
    check_document(b'{\n  "kench_order": 1\n}\n')
    for purpose in Purpose:
        for language in LANGUAGES:
            with pytest.raises(SigningContentError):
                check_document(content_of(heading(purpose, language), '{"kench_order": 1}'))


@pytest.mark.parametrize("document", [b"", b" {}", b"{\x00}", b"{\xff}", "{\u202e}".encode(),
                                      b"{" + b" " * CONTENT_BYTES_MAX])  # fmt: skip
def test_a_document_of_which_its_reader_would_not_see_all_is_not_signed(document: bytes) -> None:
    with pytest.raises(SigningContentError):
        check_document(document)
