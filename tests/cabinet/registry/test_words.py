"""Words of entries: folded alike for what is kept and what is typed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.cabinet.registry.words import (
    WORDS_MAX,
    Where,
    public_words_of,
    query_of,
    vector_of,
    words_in,
    words_of_entry,
)
from tests.support.applications import application, draft
from tests.support.pki import PIN


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ОсОО «Кең-Өзөн»", ["осоо", "кен", "озон"]),
        ("Үсөнов Ёлкин", ["усонов", "елкин"]),
        ("S19j Pro+ (234.5T)", ["s19j", "pro", "234", "5t"]),
        ("'; DROP --\\ :*", ["drop"]),
        ("ÉCOLE", ["ecole"]),
    ],
)
def test_words_are_small_plain_and_nothing_else(text: str, words: list[str]) -> None:
    assert words_in(text) == words


def test_an_entry_is_found_by_name_numbers_sites_and_models_and_a_person_by_nobody() -> None:
    given = application(draft(name="Асан Үсөнов"))
    words = words_of_entry(given.applicant, given.certificate, given.equipment)
    assert {("асан", Where.NAME), (PIN, Where.NUMBER), ("m17", Where.NUMBER), ("s21", Where.MODEL),
            ("чуи", Where.SITE)} <= set(words)  # fmt: skip
    assert public_words_of(given.applicant, given.certificate) == []


@given(st.text(max_size=300))
def test_whatever_is_typed_asks_for_few_words_and_breaks_no_query(typed: str) -> None:
    query = query_of(typed, Where.NAME)
    parts = query.split(" & ") if query else []
    assert len(parts) <= WORDS_MAX
    assert all(part[1:-4].isalnum() and part[-4:] == "':*A" for part in parts)
    assert query_of(query) == query_of(query.casefold())
    assert vector_of([(word, Where.SITE) for word in words_in(typed)]).count("'") % 2 == 0
