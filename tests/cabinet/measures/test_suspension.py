"""What officers type of a suspension is whole before it is signed; the text says all of it."""

from collections.abc import Mapping
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.cabinet.measures.suspension import (
    FORM_FIELDS,
    Lifting,
    Suspension,
    SuspensionGround,
    lifting_body,
    read_lifting,
    read_suspension,
    suspension_body,
)
from kench.cabinet.registration.bodies import data_of

TODAY = date(2026, 11, 23)
WHOLE = {"ground": "danger", "reason": "The transformer burns."}
LOT = f"{'0' * 64}:1"


def read(fields: Mapping[str, str], *, in_force: bool = False) -> Suspension | set[str]:
    """The suspension, or the fields that are to be mended."""
    read = read_suspension(7, fields, today=TODAY, instead_of=None, in_force=in_force)
    return read if isinstance(read, Suspension) else {gap.field for gap in read}


@pytest.mark.parametrize(
    ("typed", "wrong"),
    [
        ({}, ["ground", "reason"]),
        (WHOLE | {"ground": "dislike"}, ["ground"]),
        (WHOLE | {"ground": "inspection"}, ["inspection"]),
        (WHOLE | {"ground": "aml", "lot": "1"}, ["lot"]),
        (WHOLE | {"ground": "order"}, ["document", "document_day"]),
        (
            WHOLE | {"ground": "order", "document": "7", "document_day": "2026-11-24"},
            ["document_day"],
        ),
        (WHOLE | {"begins": "2026-11-22"}, ["begins"]),
        (WHOLE | {"begins": "2028-01-01"}, ["begins"]),
        (WHOLE | {"begins": "soon"}, ["begins"]),
        (WHOLE | {"until": "2026-11-23"}, ["until"]),
        (WHOLE | {"begins": "2026-12-01", "until": "2026-12-01"}, ["until"]),
    ],
    ids=str,
)
def test_what_is_missing_or_cannot_be_is_named(typed: dict[str, str], wrong: list[str]) -> None:
    assert read(typed) == set(wrong)


def test_a_ground_has_what_it_rests_on_and_nothing_of_the_others() -> None:
    typed = WHOLE | {
        "inspection": "3", "lot": LOT, "document": "17-Б", "document_day": "2026-11-20",
    }  # fmt: skip
    found = {
        ground: (made.inspection, made.lot, made.document)
        for ground in SuspensionGround
        if isinstance(made := read(typed | {"ground": ground.value}), Suspension)
    }
    assert found == {
        SuspensionGround.INSPECTION: (3, "", ""),
        SuspensionGround.AML: (None, LOT, ""),
        SuspensionGround.ORDER: (None, "", "17-Б"),
        SuspensionGround.DANGER: (None, "", ""),
    }


def test_today_is_at_once_and_what_is_in_force_is_followed_without_a_gap() -> None:
    made = read(WHOLE | {"begins": TODAY.isoformat()}, in_force=True)
    assert isinstance(made, Suspension)
    assert made.begins is None
    assert read(WHOLE | {"begins": "2026-12-01"}, in_force=True) == {"begins"}


def test_an_end_says_why() -> None:
    assert isinstance(read_lifting(7, 1, {"reason": "It is mended."}), Lifting)
    assert not isinstance(read_lifting(7, 1, {"reason": " "}), Lifting)


@given(
    fields=st.fixed_dictionaries(
        {name: st.text(max_size=30) for name in FORM_FIELDS}
        | {
            "ground": st.sampled_from(["", "x", *SuspensionGround]),
            "begins": st.one_of(st.just(""), st.dates().map(str)),
            "until": st.one_of(st.just(""), st.dates().map(str)),
        }
    ),
    instead_of=st.one_of(st.none(), st.integers(1, 9)),
)
def test_whatever_is_typed_what_is_signed_says_it_again(
    fields: dict[str, str], instead_of: int | None
) -> None:
    made = read_suspension(7, fields, today=TODAY, instead_of=instead_of, in_force=False)
    if isinstance(made, Suspension):
        begins = made.begins or TODAY
        assert TODAY <= begins <= TODAY + timedelta(days=366)
        assert made.until is None or made.until > begins
        assert data_of(suspension_body(made, "X", str).encode(), Suspension) == made
    else:
        assert made
    lifting = Lifting(participant=7, suspension=1, reason="y")
    assert data_of(lifting_body(lifting, "X", str).encode(), Lifting) == lifting
