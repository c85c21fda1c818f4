"""Words of entries: folded alike for what is kept and what is typed."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import to_builtins

from kench.cabinet.registration.membership import Entry
from kench.cabinet.registry.words import (
    WORDS_MAX,
    Where,
    public_words_of,
    query_of,
    vector_of,
    words_in,
    words_of_entry,
)
from kench.pool.migrations import versions
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


def test_what_was_entered_before_is_found_by_the_same_words() -> None:
    """The migration cannot know the cabinet: it has the same few lines once more."""
    (path,) = (Path(versions.__file__).parent).glob("*_registry.py")
    spec = spec_from_file_location("registry_migration", path)
    assert spec is not None
    assert spec.loader is not None
    migration = module_from_spec(spec)
    spec.loader.exec_module(migration)
    for changed in ({"name": "ОсОО «Кең-Өзөн» №7"}, {"certificate_number": "ЧМ-2026/77"}):
        given = application(draft(**changed))
        entry = Entry(given.applicant, given.certificate, given.equipment)
        assert migration._vectors(to_builtins(entry)) == {
            "words": vector_of(words_of_entry(entry.applicant, entry.certificate, entry.equipment)),
            "public_words": vector_of(public_words_of(entry.applicant, entry.certificate)),
        }
