"""The ways of a lot: every state is reached and left as said; PostgreSQL holds the same table."""

import re

import pytest
import sqlalchemy as sa

from kench.sale.machine import (
    FINAL,
    STANDING,
    STUCK,
    WAYS,
    WHAT_ENDS,
    Actor,
    LotState,
    WayError,
    check_way,
    ways_out,
)

BEGIN = LotState.AWAITING_DEPOSIT


def test_the_database_knows_the_same_ways(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT came_from, goes_to, actor FROM lot_ways")).all()
    assert {(row.came_from, row.goes_to): row.actor for row in rows} == {
        (came_from.value, goes_to.value): way.actor.value
        for (came_from, goes_to), way in WAYS.items()
    }


def test_every_state_is_reached_from_the_first_and_only_named_ends_are_final() -> None:
    reached = {BEGIN}
    while fresh := {end for start, end in WAYS if start in reached} - reached:
        reached |= fresh
    assert reached == set(LotState)
    assert {LotState.SETTLED, LotState.WRITTEN_OFF} == FINAL


def test_every_state_says_what_ends_it_and_names_no_act_that_officers_have_not() -> None:
    assert WHAT_ENDS.keys() == set(LotState)
    for state, words in WHAT_ENDS.items():
        acts = {way.needs.split("`")[1] for way in ways_out(state, Actor.OFFICERS)}
        named = set(re.findall(r"`(kench lot [a-z-]+)`", words))
        assert named <= acts


def test_what_is_sold_is_only_settled() -> None:
    assert [way.goes_to for actor in Actor for way in ways_out(LotState.SOLD, actor)] == [
        LotState.SETTLED
    ]


def test_every_state_where_people_must_look_lets_officers_act() -> None:
    assert all(ways_out(state, Actor.OFFICERS) for state in STUCK)


def test_a_lot_that_lost_its_licence_or_market_goes_back_to_where_it_was() -> None:
    for fault in (LotState.LICENCE_LAPSED, LotState.DELISTED):
        back = {way.goes_to for way in ways_out(fault, Actor.KENCH)} - {LotState.ORPHANED}
        assert back == STANDING


def test_a_halted_sale_is_not_resumed_by_the_program() -> None:
    with pytest.raises(WayError, match="moved by officers"):
        check_way(LotState.HALTED, LotState.SELLING, Actor.KENCH)
    assert check_way(LotState.HALTED, LotState.SELLING, Actor.OFFICERS).needs


def test_a_way_that_is_none_says_where_it_goes_instead() -> None:
    with pytest.raises(WayError, match="it goes settled"):
        check_way(LotState.SOLD, LotState.SELLING, Actor.KENCH)
