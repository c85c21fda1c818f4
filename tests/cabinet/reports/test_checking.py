"""Forms are read strictly: what is wrong is named, and nothing in them is ever run."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.cabinet.registration.bodies import data_line
from kench.cabinet.reports.checking import check_form, read_form
from kench.cabinet.reports.form import FORM_BYTES_MAX, Form, canonical
from kench.pool.migrations.versions import __path__ as migrations
from tests.support.reports import new_form

FIRST = ("monthly", "simplified", "quarterly")
TEXT = st.text(max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


def wrong(document: Any) -> str:
    """What is said of a document."""
    read = read_form(json.dumps(document).encode())
    assert not isinstance(read, Form)
    return " | ".join(gap.said(str) for gap in read)


def with_field(**changed: Any) -> dict[str, Any]:
    """The new form with its first field changed."""
    form = new_form()
    form["parts"][0]["fields"][0] |= changed
    return form


@pytest.mark.parametrize("kind", FIRST)
def test_the_first_forms_are_sound_and_as_they_came(kind: str) -> None:
    content = (Path(next(iter(migrations))).parent / "forms" / f"{kind}.json").read_bytes()
    form = read_form(content)
    assert isinstance(form, Form), form
    assert canonical(form) == content.rstrip(b"\n")
    assert data_line(form).encode() == canonical(form)


def test_a_form_that_the_code_has_never_seen_is_read_whole() -> None:
    form = read_form(json.dumps(new_form()).encode())
    assert isinstance(form, Form)
    assert [field.key for field in form.fields] == ["machines", "water_m3", "air"]
    assert msgspec.json.decode(canonical(form), type=Form) == form


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (new_form(kench_form=2), "kench_form is 1"),
        (new_form(kind="../x"), "short word"),
        (new_form(version=0), "from 1 on"),
        (new_form(order=0), "number of an order"),
        (new_form(effective_from="2026-Q4"), "effective_from"),
        (new_form(instead_of="cooling"), "another form"),
        (new_form(due={"count": 0, "days": "working days"}), "1 to 90 days"),
        (new_form(due={"count": 9, "days": "working days", "moves": True}), "1 to 90 days"),
        (new_form(parts=[]), "parts: 1 to 20"),
        (new_form(template="{{ 7 * 7 }}"), "unknown field"),
        (new_form(title={"ky": "x", "ru": "y"}), "missing required field"),
        (new_form(title={"ky": "x", "ru": "y", "en": "a\u202eb"}), "title: a text"),
        (new_form(title={"ky": "x", "ru": "y", "en": "a\nb"}), "title: a text"),
        (with_field(key="A b"), "a key is small"),
        (with_field(key="air"), "there twice"),
        (with_field(source="net_tyiyn"), "no such source"),
        (with_field(source="__class__"), "no such source"),
        (with_field(source=None), "typed anyway"),
        (with_field(least=5, most=4), "bounds"),
        (with_field(most=10**18), "bounds"),
        (with_field(decimals=10), "decimals"),
        (with_field(options=[{"key": "a", "label": new_form()["title"]}]), "choice has options"),
        (with_field(columns=[{"key": "a", "type": "text", "label": new_form()["title"]}]),
         "only a table"),
        (with_field(type="table", source=None, editable=False, summed=False), "1 to 12 columns"),
        (with_field(type="text", source=None, editable=False), "only whole numbers"),
        (new_form(checks=[{"field": "water_m3", "rule": "equal", "plus": ["nobody"],
                           "text": new_form()["title"]}]), "not whole numbers"),
        (new_form(checks=[{"field": "water_m3", "rule": "equal", "plus": [],
                           "text": new_form()["title"]}]), "1 to 30"),
        (new_form(files=[{"key": "f", "label": new_form()["title"], "required": True,
                          "media": []}]), "kinds of documents"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(document: dict[str, Any], said: str) -> None:
    assert said in wrong(document)


def test_a_document_has_a_bound_in_bytes_and_in_depth() -> None:
    assert "128 KiB" in wrong("x" * FORM_BYTES_MAX)
    read = read_form(b"[" * 60_000)
    assert not isinstance(read, Form)


def test_many_faults_are_not_all_told() -> None:
    fields = [{"key": "A", "type": "integer", "label": new_form()["title"]} for _ in range(120)]
    form = new_form(parts=[{"title": new_form()["title"], "fields": fields}])
    read = read_form(json.dumps(form).encode())
    assert not isinstance(read, Form)
    assert len(read) <= 50


@given(st.dictionaries(st.sampled_from(sorted(new_form())), JSON, min_size=1, max_size=3))
def test_whatever_stands_in_a_form_it_is_read_or_named(changed: dict[str, Any]) -> None:
    read = read_form(json.dumps(new_form(**changed)).encode())
    if isinstance(read, Form):
        assert check_form(read) == []
        assert read_form(canonical(read)) == read
    else:
        assert all(gap.said(str) for gap in read)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_form_are_none(content: bytes) -> None:
    assert not isinstance(read_form(content), Form)
