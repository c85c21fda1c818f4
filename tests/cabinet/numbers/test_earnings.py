"""What the pages say of earnings is what the ledger has, to the satoshi and the tyiyn."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from kench.cabinet.numbers.earnings import (
    Place,
    Stages,
    first_found,
    place_of,
    read_block,
    read_blocks,
    read_days,
    read_stages,
)
from kench.payouts.statements.statement import period_of
from kench.sale.machine import LotState
from tests.cabinet.money import (
    FIRST_FOUND,
    LOTS,
    MATURING,
    ORPHANED,
    SELLING,
    SETTLED,
    WAITING,
    fill_books,
)
from tests.support.signing import cabinet_engine


@pytest.fixture(scope="module")
def books(module_database: str) -> Iterator[sa.Engine]:
    fill_books(module_database)
    engine = cabinet_engine(module_database)
    yield engine
    engine.dispose()


@pytest.fixture
def db(books: sa.Engine) -> Iterator[sa.Connection]:
    with books.connect() as connection:
        yield connection


def test_every_coin_and_every_som_is_at_one_stage(db: sa.Connection) -> None:
    stages = read_stages(db, [1, 2, 99])
    assert stages[99] == Stages()
    for who in (1, 2):
        kept = db.execute(
            sa.text("SELECT * FROM participant_balances WHERE participant_id = :id"), {"id": who}
        ).one()
        mine = stages[who]
        assert mine.maturing_sat == kept.pending_sat
        assert mine.waiting_sat + mine.in_sale_sat == kept.mature_sat
        assert mine.sold_sat == kept.sold_sat
        assert mine.written_off_sat == kept.written_off_sat == 0
        settled = db.execute(
            sa.text("SELECT sum(net_tyiyn) FROM lot_settlement_lines WHERE participant_id = :id"),
            {"id": who},
        ).scalar_one()
        assert (
            mine.credited_tyiyn
            == settled
            == kept.due_tyiyn + kept.leaving_tyiyn + (mine.paid_tyiyn)
        )
    first = stages[1]
    assert first.maturing_sat == 200_000_000
    assert first.waiting_sat == first.in_sale_sat == 187_500_000
    assert first.by_state == {LotState.SELLING: 187_500_000}
    assert first.sold_sat == 3 * 187_500_000
    # One of three was paid; what came back is on its way again, with the third.
    assert (first.paid_tyiyn, first.leaving_tyiyn, first.due_tyiyn) == (
        1_472_868_000, 2 * 1_472_868_000, 0,
    )  # fmt: skip


def test_the_blocks_add_up_to_the_stages(db: sa.Connection) -> None:
    for who in (1, 2):
        stages, blocks = read_stages(db, [who])[who], read_blocks(db, who, most=100)
        assert len(blocks) == len(LOTS)
        by_stage = {
            stage: sum(one.credit_sat for one in blocks if one.stage == stage)
            for stage in ("maturing", "waiting", "in_sale", "sold")
        }
        assert by_stage == {
            "maturing": stages.maturing_sat,
            "waiting": stages.waiting_sat,
            "in_sale": stages.in_sale_sat,
            "sold": stages.sold_sat,
        }
        assert sum(one.sold_sat for one in blocks) == stages.sold_sat
        assert sum(one.net_tyiyn for one in blocks) == stages.credited_tyiyn
        assert sum(by_stage.values()) == stages.earned_sat


def test_the_days_of_all_months_add_up_to_the_stages(db: sa.Connection) -> None:
    stages = read_stages(db, [1])[1]
    # Payouts were made just now; the rest has days of its own.
    now: str = db.execute(
        sa.text("SELECT to_char(now() + interval '6 hours', 'YYYY-MM')")
    ).scalar_one()
    months = dict.fromkeys(["2026-10", "2026-11", now])
    days = [day for month in months for day in read_days(db, 1, period_of(month))]
    assert sum(day.earned_sat for day in days) == stages.earned_sat
    assert sum(day.sold_sat for day in days) == stages.sold_sat
    assert sum(day.credited_tyiyn for day in days) == stages.credited_tyiyn
    assert sum(day.paid_tyiyn for day in days) == stages.paid_tyiyn
    assert sum(day.blocks for day in days) == len(LOTS)
    assert sum(day.orphaned for day in days) == 1


def test_a_day_is_bishkeks(db: sa.Connection) -> None:
    assert read_days(db, 1, period_of("2026-09")) == []
    first = read_days(db, 1, period_of("2026-10"))[-1]
    assert (first.day.isoformat(), first.blocks, first.earned_sat) == ("2026-10-01", 1, 187_500_000)
    assert first_found(db, 1) == FIRST_FOUND
    assert first_found(db, 99) is None


def test_each_block_says_where_its_coins_are(db: sa.Connection) -> None:
    stages = {one.hash: one.stage for one in read_blocks(db, 1, most=100)}
    expected = dict.fromkeys((lot.block_hash for lot in SETTLED), "sold") | {
        SELLING.block_hash: "in_sale",
        WAITING.block_hash: "waiting",
        MATURING.block_hash: "maturing",
        ORPHANED.block_hash: "orphaned",
    }
    assert stages == expected


def test_pages_of_blocks_have_each_once_newest_first(db: sa.Connection) -> None:
    whole = [one.hash for one in read_blocks(db, 1, most=100)]
    assert whole == [lot.block_hash for lot in reversed(LOTS)]
    page, seen = read_blocks(db, 1, most=2), []
    while page:
        seen += [one.hash for one in page]
        place = place_of(db, page[-1].hash)
        assert isinstance(place, Place)
        page = read_blocks(db, 1, most=2, before=place)
    assert seen == whole
    assert place_of(db, "00" * 32) is None


def test_a_block_is_shown_to_those_who_have_a_part_of_it(db: sa.Connection) -> None:
    found = read_block(db, 1, SETTLED[0].block_hash)
    assert found is not None
    assert found.part == pytest.approx(0.6)
    assert (found.sold_sat, found.net_tyiyn) == (187_500_000, 1_472_868_000)
    assert read_block(db, 99, SETTLED[0].block_hash) is None
    assert read_block(db, 1, "00" * 32) is None
