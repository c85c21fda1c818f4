"""An order over the last thirty days, in a real database: who would have had what."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from kench.cabinet.desk.simulation import rewards
from kench.cabinet.desk.simulation.deadlines import simulate_calendar
from kench.cabinet.desk.simulation.money import simulate_fee, simulate_payouts
from kench.cabinet.desk.simulation.rewards import simulate_rewards
from kench.cabinet.desk.simulation.sale import (
    day_sat,
    simulate_sale,
    simulate_screening,
    simulate_venues,
)
from kench.cabinet.desk.simulation.telling import Simulation
from kench.cabinet.words.formats import Formats
from kench.cabinet.words.languages import Language
from kench.pool.calendar import WorkingDays
from kench.pool.database import open_engine
from kench.pool.moments import midnight_us, moment_of
from kench.pool.orders.book import OrderBook
from kench.pool.orders.rules import (
    CalendarDay,
    InForce,
    Reward,
    SaleRule,
    ScreeningRule,
    Section,
)
from kench.pool.register import add_participant
from tests.support.applications import TODAY
from tests.support.orders import DEMO_RULES, book_of, document
from tests.support.registration import NOW_US, apply, put_officer
from tests.support.signing import SECOND_US, cabinet_engine

HOUR_US = 3600 * SECOND_US
DAY_US = 24 * HOUR_US
BEGIN_US = midnight_us(TODAY) - 3 * DAY_US
BLOCKS = (6, 12, 30, 54)
"""Hours at which blocks were found."""
SAT = 1_000_000_000
BOOK = book_of()


@pytest.fixture(scope="module")
def cabinet(module_database: str) -> Iterator[sa.Engine]:
    """One that mined all the time and one that mined after the first day; four blocks."""
    engine = open_engine(module_database, application_name="test")
    with engine.begin() as owner:
        put_officer(owner)
        whose = [add_participant(owner, name)[0] for name in ("Ала-Тоо", "Нарын")]
        owner.execute(sa.text("SET LOCAL session_replication_role = replica"))
        for level, step_us in (("hours", HOUR_US), ("days", DAY_US)):
            begin = BEGIN_US if level == "hours" else BEGIN_US - 18 * HOUR_US
            for index in range(72 * HOUR_US // step_us):
                for place, participant in enumerate(whose):
                    if place == 0 or index * step_us >= DAY_US:
                        owner.execute(
                            sa.text(f"INSERT INTO participant_{level} (participant_id, bucket_at, "
                                    "work_hashes) VALUES (:who, :at, :work)"),
                            {"who": participant, "at": moment_of(begin + index * step_us),
                             "work": 10**15 * (step_us // HOUR_US)},
                        )  # fmt: skip
        for number, hour in enumerate(BLOCKS, start=1):
            _block(owner, number, BEGIN_US + hour * HOUR_US)
    engine.dispose()
    opened = cabinet_engine(module_database)
    yield opened
    opened.dispose()


@pytest.fixture
def db(cabinet: sa.Engine) -> Iterator[sa.Connection]:
    """What a test does is taken back."""
    with cabinet.connect() as connection:
        yield connection


def _block(owner: sa.Connection, number: int, found_us: int) -> None:
    """A mature block with a lot that was screened, sold, settled, and paid out."""
    named = {"hash": f"{number:064x}", "height": 100 + number, "at": moment_of(found_us),
             "sat": SAT, "score": 2500 * number, "number": number}  # fmt: skip
    for statement in (
        """INSERT INTO blocks (hash, height, instance, sequence, job_key, reward_sat, finder,
               found_at, credited, state, attempts)
           VALUES (:hash, :height, 1, :number, 1, :sat, 'x', :at, true, 'mature', 1)""",
        """INSERT INTO lots (block_hash, vout, coinbase_txid, height, venue, address, output_sat,
               amount_sat, venues_order, made_at, changed_at)
           VALUES (:hash, 0, :hash, :height, 'paper', 'x', :sat, :sat, 1, :at, :at)""",
        """INSERT INTO screenings (block_hash, vout, attempt, provider, score_bp, decision, reason,
               at) VALUES (:hash, 0, 1, 'local', :score, 'officer', '', :at)""",
        """INSERT INTO fills VALUES ('paper', :hash, :hash, :hash, 0, :sat, 1, 1, 1, 1, 1, :at,
               :at, '')""",
        """INSERT INTO lot_settlements VALUES (:hash, 0, :hash, :sat, 1000000, 2000, 20000, 978000,
               20000, 1, :at)""",
        """INSERT INTO payout_batches VALUES (:number, 'clients', CAST(:number AS text), :at, 1, 1,
               1, 'x', sha256('x'))""",
        """INSERT INTO payouts (end_to_end_id, participant_id, amount_tyiyn, batch,
               account_version, changed_at)
           VALUES (left(:hash, 20) || :number, 1, 100000 * :number, :number, 1, :at)""",
    ):
        owner.execute(sa.text(statement.replace(":hash", "CAST(:hash AS text)")), named)


def rewarded(db: sa.Connection, reward: Reward, **given: Any) -> rewards.RewardsFound:
    return simulate_rewards(
        db, BOOK, reward, now_us=NOW_US, network_work_hashes=given.get("work", 10**15)
    )


def test_the_same_method_changes_nothing_and_pays_every_block(db: sa.Connection) -> None:
    found = rewarded(db, Reward("round"))
    assert (found.blocks, found.participants, found.affected) == (4, 2, 0)
    assert found.before_sat == found.then_sat
    assert 4 * SAT - 8 <= found.then_sat <= 4 * SAT
    assert found.largest == []
    assert found.by_hours


def test_another_method_says_who_gains_and_who_loses(db: sa.Connection) -> None:
    first, second = 1, 2
    by_days = rewarded(db, Reward("period"))
    # By rounds the third block pays 18 hours of one and 6 of both, by days what both did alike.
    assert {one.participant_id: one.then_sat - one.before_sat for one in by_days.largest} == {
        first: pytest.approx(-SAT // 4, abs=8), second: pytest.approx(SAT // 4, abs=8),
    }  # fmt: skip
    window = rewarded(db, Reward("pplns", 4_000_000))
    third = next(one for one in window.largest if one.participant_id == second)
    # Each window of four hashes of work is of the last two hours, when both mined alike.
    assert abs(third.then_sat - SAT) <= 4
    assert window.moved_sat == abs(third.then_sat - third.before_sat)


def test_of_many_participants_days_are_read(
    db: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rewards, "HOURLY_PARTICIPANTS_MAX", 1)
    found = rewarded(db, Reward("round"))
    assert not found.by_hours
    assert found.affected == 0
    assert 4 * SAT - 8 <= found.then_sat <= 4 * SAT


def test_another_fee_is_taken_of_the_same_proceeds(db: sa.Connection) -> None:
    found = simulate_fee(db, 10_000, now_us=NOW_US)
    assert found == (4, 4_000_000, 80_000, 40_000)
    # Never more than what the venue left.
    assert simulate_fee(db, 1_000_000, now_us=NOW_US).then_tyiyn == 4 * 998_000
    assert simulate_fee(db, 10_000, now_us=NOW_US, days=2).lots == 1


def test_payouts_below_another_threshold_would_have_waited(db: sa.Connection) -> None:
    found = simulate_payouts(db, 250_000, 100_000, now_us=NOW_US)
    assert found[:3] == (4, 2, 300_000)


def test_scores_are_decided_about_by_other_thresholds(db: sa.Connection) -> None:
    before, then = ScreeningRule("local", 7500, 5000), ScreeningRule("local", 4000, 2000)
    found = simulate_screening(db, then, before, now_us=NOW_US)
    assert (found.lots, found.before, found.then) == (
        4, {"clear": 2, "officer": 1, "refuse": 1}, {"officer": 1, "refuse": 3},
    )  # fmt: skip
    assert [(one.score_bp, one.before, one.then) for one in found.changed] == [
        (7500, "officer", "refuse"), (5000, "clear", "refuse"), (2500, "clear", "officer"),
    ]  # fmt: skip


def test_days_on_which_more_was_sold_than_a_day_holds_are_named(db: sa.Connection) -> None:
    rule = BOOK.sale_at(NOW_US).rule
    small = SaleRule(**{name: getattr(rule, name) for name in SaleRule.__slots__}
                     | {"daily_cap_sat": SAT * 3 // 2})  # fmt: skip
    found = simulate_sale(db, small, rule, now_us=NOW_US)
    assert found.sold_sat == 4 * SAT
    assert found.over_before == []
    assert [sold for _, sold in found.over_then] == [2 * SAT]
    slow = SaleRule(**{name: getattr(rule, name) for name in SaleRule.__slots__}
                    | {"interval_s": 86_400})  # fmt: skip
    assert day_sat(slow) == rule.slice_sat


def test_rewards_are_shared_among_other_venues(db: sa.Connection) -> None:
    venues = document(
        2, {"venues": [{**DEMO_RULES["venues"][0], "venue": "other"}]}, height=200
    ).rules.venues  # fmt: skip
    assert venues is not None
    found = simulate_venues(db, BOOK, venues, now_us=NOW_US)
    assert (found.before_sat, found.then_sat) == ({"paper": 4 * SAT}, {"other": 4 * SAT})


def test_deadlines_that_another_calendar_would_move_are_named(db: sa.Connection) -> None:
    number = apply(db)
    same = WorkingDays(InForce(0, ()))
    assert simulate_calendar(db, same) == (1, [])
    free = tuple(
        CalendarDay(TODAY + timedelta(days=day), False, "resolution 1") for day in range(1, 8)
    )
    (changed,) = simulate_calendar(db, WorkingDays(InForce(2, free))).changed
    assert (changed.what, changed.number) == ("application", number)
    assert changed.then > changed.day


@pytest.mark.parametrize("language", Language)
def test_every_section_is_told_and_says_what_it_assumes(
    db: sa.Connection, language: Language
) -> None:
    one = document(2, DEMO_RULES | {"reward": {"method": "period"}}, height=200,
                   moment_us=NOW_US + DAY_US)  # fmt: skip
    told = Simulation(db, BOOK, one, NOW_US, lambda: None, Formats(language), str).findings()
    assert [finding.section for finding in told] == list(Section)
    for finding in told:
        assert finding.figures, finding.section
        assert finding.assumes, finding.section
    first = document(1, DEMO_RULES | {"reward": {"method": "pplns", "window_ppm": 5}}, height=200,
                     moment_us=NOW_US + DAY_US)  # fmt: skip
    told = Simulation(
        db, OrderBook(), first, NOW_US, lambda: None, Formats(language), str
    ).findings()
    assert told[0].without
