"""Values of reports: what is typed is read exactly, what the system knows stays as it is."""

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from kench.cabinet.reports.checking import read_form
from kench.cabinet.reports.filing import Filing, filing_body
from kench.cabinet.reports.form import NUMBER_MAX, Column, FieldType, Form, Option, Texts
from kench.cabinet.reports.values import (
    Value,
    WrongError,
    check_values,
    names_of,
    plain_text,
    read_values,
    typed_of,
    value_of,
)
from tests.support.reports import new_form

SAID = Texts("к", "р", "a")
FORM = read_form(json.dumps(new_form()).encode())
assert isinstance(FORM, Form)
WHOLE = st.integers(-NUMBER_MAX, NUMBER_MAX)
GOOD = {"v-machines": "40", "v-water_m3": "12", "v-air": "cold"}
HOSTILE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


def column(kind: FieldType, **options: Any) -> Column:
    return Column(key="x", type=kind, label=SAID, **options)


@given(WHOLE, st.sampled_from([FieldType.INTEGER, FieldType.SATOSHI, FieldType.TYIYN]))
def test_a_whole_amount_is_read_as_it_is_written(amount: int, kind: FieldType) -> None:
    assert value_of(column(kind), plain_text(column(kind), amount)) == amount


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-10**9,
                   max_value=10**9))  # fmt: skip
def test_a_decimal_is_one_text_however_it_was_typed(number: Any) -> None:
    spec = column(FieldType.DECIMAL, decimals=3)
    read = value_of(spec, f"{number:f}")
    assert value_of(spec, f"{number:f}".replace(".", ",")) == read
    assert isinstance(read, str)
    assert value_of(spec, read) == read


@given(st.text(max_size=30), st.sampled_from(FieldType))
def test_any_text_is_a_value_that_fits_or_is_refused(text: str, kind: FieldType) -> None:
    spec = column(kind, options=(Option("a", SAID),) if kind is FieldType.CHOICE else ())
    try:
        value = value_of(spec, text)
    except WrongError:
        return
    assert value is None or value is False or value_of(spec, plain_text(spec, value)) == value


@given(st.dictionaries(st.sampled_from([*GOOD, "n-machines"]), st.text(max_size=20)))
@example({"v-machines": "", "n-machines": "none of them ran"})
def test_whatever_is_typed_what_is_read_without_a_gap_is_sound(typed: dict[str, str]) -> None:
    facts: dict[str, Value] = {"machines": 40}
    values, notes, gaps = read_values(FORM, facts, GOOD | typed, "en")
    assert all(gap.said(str) for gap in gaps)
    if not gaps:
        assert check_values(FORM, facts, values, notes) == []
        again = read_values(
            FORM, facts, typed_of(FORM, facts, values) | {"n-machines": notes.get("machines", "")},
            "ru",
        )  # fmt: skip
        assert again == (values, notes, [])
        filing = Filing(1, 1, "cooling", "2026-11", "cooling", 1, "", 1, values, notes, ())
        assert filing_body(filing, FORM, "x", "ky", str).endswith("}")


@given(st.dictionaries(st.sampled_from(["machines", "water_m3", "air", "x"]), HOSTILE),
       st.dictionaries(st.sampled_from(["machines", "air", "x"]), st.text(max_size=9)))  # fmt: skip
def test_hostile_values_are_refused_and_nothing_breaks(
    values: dict[str, Any], notes: dict[str, str]
) -> None:
    gaps = check_values(FORM, {"machines": 40}, values, notes)
    assert all(gap.said(str) for gap in gaps)
    if not gaps:
        assert isinstance(values["water_m3"], int)
        assert 0 <= values["water_m3"] <= 1000
        assert values["air"] in {"cold", "warm"}
        assert (values["machines"] != 40) == bool(notes)


def said(facts: dict[str, Value], typed: dict[str, str]) -> str:
    _, _, gaps = read_values(FORM, facts, typed, "en")
    return " | ".join(gap.said(str) for gap in gaps)


def test_another_value_than_the_systems_needs_a_note() -> None:
    assert "say in the note why" in said({"machines": 41}, GOOD)
    values, notes, gaps = read_values(
        FORM, {"machines": 41}, GOOD | {"n-machines": "One was sold."}, "en"
    )
    assert not gaps
    assert values["machines"] == 40
    assert notes == {"machines": "One was sold."}


def test_a_note_where_nothing_differs_is_not_kept() -> None:
    _, notes, gaps = read_values(FORM, {"machines": 40}, GOOD | {"n-machines": "x"}, "en")
    assert (notes, gaps) == ({}, [])


def test_one_is_not_true() -> None:
    assert check_values(FORM, {"machines": 1},
                        {"machines": True, "water_m3": 1, "air": "cold"}, {})  # fmt: skip


def test_what_the_system_alone_wrote_is_not_typed_over() -> None:
    fixed = new_form()
    fixed["parts"][0]["fields"][0]["editable"] = False
    form = read_form(json.dumps(fixed).encode())
    assert isinstance(form, Form)
    facts: dict[str, Value] = {"machines": 41}
    assert "v-machines" not in dict(names_of(form, facts))
    values, _, gaps = read_values(form, facts, GOOD, "en")
    assert not gaps
    assert values["machines"] == 41
    assert check_values(form, facts, values | {"machines": 40}, {})
    # Where it knows nothing, the participant says it.
    assert read_values(form, {"machines": None}, GOOD, "en")[0]["machines"] == 40


def test_bounds_sums_and_what_is_missing_are_told() -> None:
    assert "between 0 and 1000" in said({}, GOOD | {"v-water_m3": "1001"})
    assert "Water used: this is missing" in said({}, GOOD | {"v-water_m3": " "})
    assert "a whole number" in said({}, GOOD | {"v-water_m3": "1.5"})
    assert "choose one" in said({}, GOOD | {"v-air": "hot"})
    document = new_form(checks=[{"field": "water_m3", "rule": "at_most", "plus": ["machines"],
                                 "text": {"ky": "к", "ru": "р", "en": "Too much"}}])  # fmt: skip
    form = read_form(json.dumps(document).encode())
    assert isinstance(form, Form)
    _, _, gaps = read_values(form, {}, GOOD | {"v-water_m3": "41"}, "en")
    assert [gap.said(str) for gap in gaps] == ["Too much"]
    assert read_values(form, {}, GOOD, "en")[2] == []
