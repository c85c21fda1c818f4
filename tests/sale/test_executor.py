"""The executor takes each lot from its block to its money, and stops where people must look."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from kench.pool.database import Role
from kench.sale.acts import Act, Approval, ResolutionError, carry_out, document_of, read_document
from kench.sale.lots import Lot
from kench.sale.reconcile import reconcile
from kench.venue.exchange import Terms, Whim
from tests.sale.world import BITCOIN, LICENCE, World, book_of, quick_engine, rules
from tests.support.venues import DirectVenue

ALL = {"other": 0, "paper": 10 * BITCOIN}


@pytest.fixture
def world(database: str) -> Iterator[World]:
    owner, seller = quick_engine(database), quick_engine(database, Role.SELL)
    yield World(owner, seller)
    owner.dispose()
    seller.dispose()


def decide(world: World, lot: Lot, act: Act) -> None:
    document = document_of(lot, act, "seen")
    with world.engine.begin() as connection:
        carry_out(connection, document, Approval("1", b"1"), Approval("2", b"2"),
                  world.clock.now_us())  # fmt: skip


def one_lot(world: World, sat: int = 20_000_000) -> str:
    return world.block({1: sat - 7, 2: 7}, weights={"paper": sat})


def state(world: World, block: str) -> str:
    return world.lot(block).state.value


def test_a_block_is_sold_at_both_venues_and_settled(world: World) -> None:
    block = world.block()
    world.run()
    assert [lot.state for lot in world.lots()] == ["settled", "settled"]
    assert [lot.sold_sat == lot.amount_sat for lot in world.lots()] == [True, True]
    assert world.events(world.lot(block).key) == [
        "awaiting_deposit", "screening", "cleared", "selling", "sold", "settled"
    ]  # fmt: skip
    assert world.rigs["paper"].exchange.free_sat == 0
    for rig in world.rigs.values():
        assert reconcile(world.executor._desk, rig.venue).differences == []


def test_a_deposit_that_does_not_come_is_missing_and_sold_once_it_came(world: World) -> None:
    block = world.block({1: 10**7}, credit=False, weights={"paper": 10**7})
    world.run(turns=3, seconds=50_000)
    assert state(world, block) == "deposit_missing"
    world.rigs["paper"].exchange.credit_deposit(world.txid_of(1), 0)
    world.run()
    assert state(world, block) == "settled"


def test_a_short_credit_waits_for_people(world: World) -> None:
    block = world.block({1: 10**7}, credit=False, weights={"paper": 10**7})
    rig = world.rigs["paper"]
    rig.exchange.deposits[world.txid_of(1), 0].amount_sat -= 1
    rig.exchange.credit_deposit(world.txid_of(1), 0)
    world.run(turns=3)
    assert state(world, block) == "short_credit"
    decide(world, world.lot(block), Act.WRITE_OFF)
    assert state(world, block) == "written_off"


def test_no_score_holds_and_a_high_one_refuses_until_officers_release(world: World) -> None:
    world.screening.scores_bp = {world.txid_of(1): None, world.txid_of(2): 9_000}
    held, refused = one_lot(world), one_lot(world)
    world.run(turns=3)
    assert (state(world, held), state(world, refused)) == ("held", "refused")
    world.screening.scores_bp = {}
    world.run(turns=12)
    assert (state(world, held), state(world, refused)) == ("settled", "refused")
    decide(world, world.lot(refused), Act.RELEASE)
    world.run()
    assert state(world, refused) == "settled"


def test_a_lapsed_licence_stops_the_sale_and_a_new_one_lets_it_go_on(world: World) -> None:
    before = world.orders
    block = one_lot(world, 30_000_000)
    world.run(turns=2)
    lapsed = rules()
    lapsed["licences"] = [{**LICENCE, "until": "2025-12-31", "from": "2025-01-01"},
                          {**LICENCE, "venue": "other"}]  # fmt: skip
    world.orders = book_of((1, lapsed))
    world.run(turns=3)
    assert state(world, block) == "licence_lapsed"
    sold_sat = world.lot(block).sold_sat
    assert 0 < sold_sat < 30_000_000
    world.orders = before
    world.run()
    assert (state(world, block), world.lot(block).sold_sat) == ("settled", 30_000_000)


def test_a_venue_that_the_settings_drop_is_delisted(world: World) -> None:
    block = one_lot(world)
    paper = world.rigs.pop("paper")
    world.restart()
    world.run(turns=2)
    assert state(world, block) == "delisted"
    world.rigs["paper"] = paper
    world.restart()
    world.run()
    assert state(world, block) == "settled"


def test_a_jump_of_the_price_halts_and_two_officers_resume(world: World) -> None:
    block = one_lot(world, 30_000_000)
    world.run(turns=2)
    world.rigs["paper"].quote("7000000")
    world.run(turns=3)
    assert state(world, block) == "halted"
    other = one_lot(world)
    world.run(turns=3)
    assert state(world, other) == "cleared"
    decide(world, world.lot(block), Act.RESUME)
    world.run()
    assert (state(world, block), state(world, other)) == ("settled", "settled")


def test_an_orphaned_block_stands_still_and_comes_back(world: World) -> None:
    block = one_lot(world)
    world.set_orphaned(block, orphaned=True)
    world.run(turns=2)
    assert world.lots() == []
    world.set_orphaned(block, orphaned=False)
    world.executor.turn()
    world.rigs["paper"].quote("8000000", sat=1)
    world.set_orphaned(block, orphaned=True)
    world.run(turns=2)
    assert state(world, block) == "orphaned"
    world.set_orphaned(block, orphaned=False)
    world.rigs["paper"].quote("8000000")
    world.run()
    assert state(world, block) == "settled"


def test_what_the_venue_takes_no_order_for_goes_along_with_the_next_lot(world: World) -> None:
    small = one_lot(world, 9_999)
    world.run(turns=3)
    assert (state(world, small), world.lot(small).sold_sat) == ("settled", 0)
    next_one = one_lot(world, 20_000_000)
    world.run()
    lot = world.lot(next_one)
    assert (lot.carried_sat, lot.amount_sat, lot.sold_sat) == (9_999, 20_009_999, 20_009_999)
    with world.owner.connect() as connection:
        lines = connection.execute(
            sa.text("SELECT sum(amount_sat) FROM lot_settlement_lines")
        ).scalar_one()
    assert lines == 20_009_999


def test_a_rejecting_venue_halts_the_sale(world: World) -> None:
    block = one_lot(world)
    world.rigs["paper"].whims = lambda: Whim(reject="no")
    world.run(turns=12)
    assert state(world, block) == "halted"


def test_a_partial_fill_is_sold_on_and_the_rest_never_below_the_limit(world: World) -> None:
    block = one_lot(world)
    world.rigs["paper"].whims = lambda: Whim(take_ppm=400_000)
    world.run(turns=40)
    lot = world.lot(block)
    assert lot.state == "settled"
    assert lot.sold_sat + lot.left_sat == lot.amount_sat
    assert lot.left_sat < 10_000
    with world.owner.connect() as connection:
        worst = connection.execute(
            sa.text(
                "SELECT min(price - limit_price) FROM fills JOIN venue_orders USING (client_id)"
            )
        ).scalar_one()
    assert worst >= Decimal(0)


def test_a_venue_that_tells_what_is_not_so_is_found_by_reconciliation(world: World) -> None:
    one_lot(world)
    world.run()
    rig = world.rigs["paper"]
    rig.exchange.free_sat += 5
    rig.exchange.trades.pop()
    rig.exchange.see_deposit("ab" * 32, 3, 77)
    rig.exchange.credit_deposit("ab" * 32, 3)
    words = "\n".join(reconcile(world.executor._desk, rig.venue).differences)
    assert "unknown to the venue" in words
    assert "no block of ours pays" in words
    assert "by our books 0 sat" in words


def test_a_deposit_that_the_sale_has_not_taken_up_yet_is_no_difference(world: World) -> None:
    one_lot(world)
    desk, venue = world.executor._desk, world.rigs["paper"].venue
    assert reconcile(desk, venue).differences == []
    world.executor._make_lots()
    assert reconcile(desk, venue).differences == []
    # The sale is behind by many blocks, which the venue has all credited.
    for _ in range(30):
        one_lot(world)
    assert len(world.lots()) == 1
    assert reconcile(desk, venue).differences == []
    world.rigs["paper"].exchange.free_sat += 1
    (words,) = reconcile(desk, venue).differences
    assert "by our books 620000000 sat" in words
    world.rigs["paper"].exchange.free_sat -= 1
    world.run(turns=200)
    assert len(world.lots()) == 31
    assert reconcile(desk, venue).differences == []


def test_what_was_sold_long_ago_is_no_difference_and_no_longer_asked_about(world: World) -> None:
    desk, rig = world.executor._desk, world.rigs["paper"]
    differences = []
    for days in (0, 29, 20, 20, 20):
        world.clock.advance(days * 86_400)
        rig.quote("8000000")
        one_lot(world)
        world.run()
        differences += reconcile(desk, rig.venue).differences
    assert sum(lot.state == "settled" for lot in world.lots()) == 5
    assert differences == []
    rig.exchange.trades.pop()
    (words,) = reconcile(desk, rig.venue).differences
    assert "unknown to the venue" in words


def test_a_deposit_that_the_venue_saw_before_what_is_compared_is_no_difference(
    world: World,
) -> None:
    desk, rig = world.executor._desk, world.rigs["paper"]
    world.screening.scores_bp = {world.txid_of(number): 9_000 for number in (1, 2)}
    early = world.block({1: 10**7}, credit=False, weights={"paper": 10**7})
    world.run(turns=3, seconds=20 * 86_400 / 3)
    rig.exchange.credit_deposit(world.txid_of(1), 0)
    world.run(turns=3)
    assert state(world, early) == "refused"  # not at an end: it stays among what is compared
    world.clock.advance(41 * 86_400)
    assert reconcile(desk, rig.venue).differences == []
    late = one_lot(world)
    world.run(turns=3)
    assert state(world, late) == "refused"
    world.clock.advance(29 * 86_400)
    assert reconcile(desk, rig.venue).differences == []
    del rig.exchange.deposits[world.txid_of(2), 0]
    (words,) = reconcile(desk, rig.venue).differences
    assert words == f"lot {world.txid_of(2)}:0 was credited and the venue does not say so"


def test_a_block_that_was_passed_over_or_waits_for_a_day_is_a_difference(world: World) -> None:
    passed, _later = one_lot(world), one_lot(world)
    desk, venue = world.executor._desk, world.rigs["paper"].venue
    world.executor._skipped.add(passed)
    world.executor._make_lots()
    (words,) = reconcile(desk, venue).differences
    assert f"of block {passed}" in words
    assert "is no lot" in words
    world.executor._skipped.clear()
    world.executor._make_lots()
    assert reconcile(desk, venue).differences == []
    waiting = one_lot(world)
    with world.owner.begin() as connection:
        connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
        connection.execute(
            sa.text("UPDATE transfers SET created_at = created_at - interval '86401 s'")
        )
    (words,) = reconcile(desk, venue).differences
    assert f"of block {waiting}" in words


@pytest.mark.parametrize("question", ["deposits", "fills_since", "balance"])
@pytest.mark.parametrize("is_asked_first", [True, False])
def test_what_the_sale_does_while_the_venue_is_asked_is_no_difference(
    world: World, question: str, is_asked_first: bool
) -> None:
    one_lot(world)
    world.run()
    rig, desk = world.rigs["paper"], world.executor._desk

    class Meanwhile(DirectVenue):
        """The venue, while a block becomes mature, is credited, and another one is sold."""

        def __getattribute__(self, name: str) -> Any:
            asked = super().__getattribute__(name)
            if name != question:
                return asked

            def ask(*words: object) -> object:
                answer = asked(*words) if is_asked_first else None
                world.executor.turn()
                world.clock.advance(61)
                one_lot(world)
                return answer if is_asked_first else asked(*words)

            return ask

    venue = Meanwhile(rig.exchange, world.clock, "paper")
    for _ in range(12):
        assert reconcile(desk, venue).differences == []
    assert sum(lot.state == "settled" for lot in world.lots()) > 3
    rig.exchange.kgs_fine -= 10**12
    assert any("KGS" in words for words in reconcile(desk, rig.venue).differences)


def test_postgresql_holds_the_sale_against_whoever_writes(world: World) -> None:
    block = one_lot(world)
    world.run(turns=2)
    key = {"hash": block}
    for statement in (
        "UPDATE lots SET state = 'settled', version = version + 1 WHERE block_hash = :hash",
        "UPDATE lots SET version = version + 1 WHERE block_hash = :hash",
        "UPDATE lots SET sold_sat = 0 WHERE block_hash = :hash",
        "UPDATE lots SET amount_sat = 1 WHERE block_hash = :hash",
        "DELETE FROM lots WHERE block_hash = :hash",
        "UPDATE fills SET amount_sat = 1 WHERE block_hash = :hash",
        "DELETE FROM fills WHERE block_hash = :hash",
        "DELETE FROM lot_events WHERE block_hash = :hash",
        "UPDATE venue_orders SET state = 'intended', ended_at = NULL WHERE block_hash = :hash",
        "INSERT INTO lot_shares VALUES (:hash, 0, 99, 5)",
        (
            "INSERT INTO lot_events SELECT block_hash, vout, 99, NULL, 'sold', at, who, why, 1"
            " FROM lot_events WHERE block_hash = :hash"
        ),
        (
            "INSERT INTO venue_orders (client_id, block_hash, vout, slice, venue, amount_sat,"
            " limit_price, reference_price, sale_order, licence_order, intended_at)"
            " VALUES (repeat('a', 32), :hash, 0, 99, 'paper', 20000001, 1, 1, 1, 1, now())"
        ),
    ):
        with pytest.raises(DBAPIError), world.engine.begin() as connection:
            connection.execute(sa.text(statement), key)


def test_a_resolution_moves_the_version_that_it_names_and_no_other(world: World) -> None:
    block = one_lot(world, 30_000_000)
    world.run(turns=2)
    world.rigs["paper"].quote("7000000")
    world.run(turns=3)
    halted = world.lot(block)
    document = document_of(halted, Act.RESUME, "calm again")
    one, two = Approval("1", b"1"), Approval("2", b"2")
    with pytest.raises(ResolutionError, match="two different"), world.engine.begin() as connection:
        carry_out(connection, document, one, one, world.clock.now_us())
    decide(world, halted, Act.RESUME)
    with (
        pytest.raises(ResolutionError, match="draft another"),
        world.engine.begin() as connection,
    ):
        carry_out(connection, document, one, two, world.clock.now_us())


@pytest.mark.parametrize(
    "document",
    [b"", b"[]", b"{}", b"\xff", b'{"a": NaN}', b"[" * 4000, b" " * 5000,
     b'{"kench_resolution":1,"act":"sell","lot":"x","version":1,"why":"y"}'],
)  # fmt: skip
def test_what_is_no_resolution_is_refused(document: bytes) -> None:
    with pytest.raises(ResolutionError):
        read_document(document)


def test_a_day_that_sold_its_cap_goes_on_as_soon_as_an_order_raises_it(world: World) -> None:
    raised = world.orders
    world.orders = book_of((1, rules(daily_cap_sat=10_000_000)))
    block = one_lot(world)
    world.run(turns=3)
    assert world.lot(block).sold_sat == 10_000_000
    world.orders = raised
    world.run(turns=3)
    assert state(world, block) == "settled"


def test_what_postgresql_refuses_of_one_lot_stops_no_other(world: World) -> None:
    refused = one_lot(world)
    with world.owner.begin() as connection:
        connection.execute(
            sa.text(
                "CREATE FUNCTION refuse_one() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                f" IF NEW.block_hash = '{refused}' THEN RAISE EXCEPTION 'no'"
                " USING ERRCODE = 'check_violation'; END IF; RETURN NEW; END $$"
            )
        )
        connection.execute(
            sa.text(
                "CREATE TRIGGER refuse_one BEFORE INSERT ON screenings"
                " FOR EACH ROW EXECUTE FUNCTION refuse_one()"
            )
        )
    other = one_lot(world)
    world.run(turns=8)
    assert (state(world, refused), state(world, other)) == ("screening", "settled")


def test_a_venue_with_coarse_steps_leaves_less_than_an_order(world: World) -> None:
    world.rigs["paper"].exchange.terms = Terms(minimum_sat=20_000, step_sat=10_000)
    block = one_lot(world, 20_001_234)
    world.run()
    lot = world.lot(block)
    assert (lot.state, lot.left_sat) == ("settled", 1_234)
