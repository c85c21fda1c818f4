"""A lot that stands still: two officers sign, and the sale checks, carries out or says why not."""

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from kench.cabinet.desk.lot_signing import subject_of, take_resolution
from kench.cabinet.desk.money_queues import CASES, HALTS, RESOLUTIONS
from kench.cabinet.desk.standing_lots import list_standing, read_way
from kench.cabinet.registration.refusals import ActRefusedError
from kench.cabinet.signing.wording import Purpose
from kench.pool.database import Role
from kench.pool.orders.officers import end_officer
from kench.pool.signature.verifier import SignatureRefusedError
from kench.sale.acts import Act, document_of
from kench.sale.lots import Lot
from kench.sale.wishes import AGAIN_S, PATIENCE_S, Wishes, WishState, wishes_of
from tests.sale.test_executor import decide, one_lot, state
from tests.sale.world import World, quick_engine
from tests.support.applications import TODAY
from tests.support.registration import NOW_US, verifier_at
from tests.support.signing import SECOND_US
from tests.support.two_officers import FINANCE, HEAD, INSPECTOR, OTHER_FINANCE, sign_document

VERIFIER: Any = verifier_at()
SAT = 20_000_000
WHY = "the report was looked at"


@pytest.fixture
def world(database: str) -> Iterator[World]:
    owner, seller = quick_engine(database), quick_engine(database, Role.SELL)
    yield World(owner, seller)
    owner.dispose()
    seller.dispose()


@pytest.fixture
def refused(world: World, cabinet: sa.Engine) -> Lot:
    """A lot that the AML provider refused; it is the officers' day."""
    world.screening.scores_bp = {world.txid_of(1): 9_000}
    block = one_lot(world, SAT)
    world.run(turns=3)
    assert state(world, block) == "refused"
    world.clock.advance((NOW_US - world.clock.now_us()) / SECOND_US + 60)
    del cabinet
    return world.lot(block)


def signed(
    cabinet: sa.Engine, lot: Lot, pin: str, after_s: int = 0, document: bytes | None = None
) -> bool:
    document = document or document_of(lot, Act.RELEASE, WHY)
    with cabinet.begin() as db:
        act = sign_document(db, Purpose.LOT, subject_of(lot.key), document, pin, after_s=after_s)
        return take_resolution(db, act)[1]


def waiting(cabinet: sa.Engine) -> tuple[int, int, int]:
    with cabinet.connect() as db:
        return tuple(one.count(db, TODAY, TODAY).count for one in (RESOLUTIONS, CASES, HALTS))  # type: ignore[return-value]


def ended(world: World, lot: Lot) -> list[tuple[WishState, str]]:
    with world.engine.connect() as db:
        return [(one.state, one.words) for one in wishes_of(db, lot.key)]


def test_what_two_officers_signed_is_carried_out_by_the_sale(
    world: World, refused: Lot, cabinet: sa.Engine
) -> None:
    assert waiting(cabinet) == (0, 1, 0)
    assert not signed(cabinet, refused, FINANCE)
    assert waiting(cabinet) == (1, 1, 0)
    assert signed(cabinet, refused, HEAD, 1)
    assert ended(world, refused) == [(WishState.WAITS, "")]
    with pytest.raises(ActRefusedError, match="takes it up"):
        signed(cabinet, refused, FINANCE, 2, document_of(refused, Act.WRITE_OFF, "lost"))
    Wishes(world.desk(), VERIFIER).look()
    assert state(world, refused.block_hash) == "cleared"
    assert ended(world, refused) == [(WishState.DONE, "the lot is cleared since then")]
    assert waiting(cabinet) == (0, 0, 0)
    with cabinet.connect() as db:
        way = read_way(db, refused.key)
        assert way is not None
        assert [one.pin_2 for one in way.resolutions] == [HEAD]
        assert [one.act for one in way.resolutions] == ["release"]
        assert way.screenings[0].score_bp == 9_000
        assert not list_standing(db)


def test_while_nobody_sells_it_waits_and_a_lot_that_moved_meanwhile_stays_as_it_is(
    world: World, refused: Lot, cabinet: sa.Engine
) -> None:
    signed(cabinet, refused, FINANCE)
    signed(cabinet, refused, HEAD, 1)
    decide(world, refused, Act.WRITE_OFF)
    Wishes(world.desk(), VERIFIER).look()
    ((outcome, words),) = ended(world, refused)
    assert (outcome, state(world, refused.block_hash)) == (WishState.REFUSED, "written_off")
    assert "draft another" in words
    with pytest.raises(ActRefusedError, match="has moved"):
        signed(cabinet, refused, FINANCE, 2)


def test_a_resolution_of_an_old_version_is_void_before_the_second_signs(
    world: World, refused: Lot, cabinet: sa.Engine
) -> None:
    signed(cabinet, refused, FINANCE)
    decide(world, refused, Act.RELEASE)
    assert waiting(cabinet) == (0, 0, 0)
    with pytest.raises(ActRefusedError, match="has moved"):
        signed(cabinet, refused, HEAD, 1)
    assert ended(world, refused) == []


def test_one_officer_twice_and_others_than_those_of_money_are_refused(
    world: World, refused: Lot, cabinet: sa.Engine
) -> None:
    del world
    assert not signed(cabinet, refused, FINANCE)
    for pin, why in ((FINANCE, "already"), (OTHER_FINANCE, "of the other"), (INSPECTOR, "duties")):
        with pytest.raises(ActRefusedError, match=why):
            signed(cabinet, refused, pin, 1)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (b'"release"', b'"resume"', "has no resume"),
        (b'"version": ', b'"version":  ', "not how a resolution"),
        (b'"kench_resolution"', b'"kench_order"', "holds exactly"),
    ],
)
def test_what_is_no_resolution_of_this_lot_is_not_taken(
    refused: Lot, cabinet: sa.Engine, old: bytes, new: bytes, why: str
) -> None:
    document = document_of(refused, Act.RELEASE, WHY).replace(old, new)
    with pytest.raises(ActRefusedError, match=why):
        signed(cabinet, refused, FINANCE, document=document)


def test_the_sale_looks_at_officers_and_signatures_itself(
    world: World, refused: Lot, cabinet: sa.Engine, engine: sa.Engine
) -> None:
    signed(cabinet, refused, FINANCE)
    signed(cabinet, refused, HEAD, 1)
    with engine.begin() as db:
        end_officer(db, HEAD, NOW_US + 2 * SECOND_US)
    Wishes(world.desk(), VERIFIER).look()
    ((outcome, words),) = ended(world, refused)
    assert outcome is WishState.REFUSED
    assert "no officer in service" in words
    assert state(world, refused.block_hash) == "refused"


def test_a_signature_that_cannot_be_checked_waits_a_while_and_is_refused_then(
    world: World, refused: Lot, cabinet: sa.Engine
) -> None:
    asked = []

    class NoLists:
        def verify(self, *_: object) -> Any:
            asked.append(1)
            raise SignatureRefusedError("there is no fresh list")

    signed(cabinet, refused, FINANCE)
    signed(cabinet, refused, HEAD, 1)
    wishes = Wishes(world.desk(), NoLists())
    wishes.look()
    assert ended(world, refused)[0][0] is WishState.WAITS
    # Whoever is asked for lists may answer late: the sale does not wait for that each second.
    world.clock.advance(AGAIN_S - 1)
    wishes.look()
    assert len(asked) == 1
    world.clock.advance(1)
    wishes.look()
    assert len(asked) == 2
    world.clock.advance(PATIENCE_S)
    wishes.look()
    assert ended(world, refused) == [(WishState.REFUSED, "there is no fresh list")]


def test_the_cabinet_moves_no_lot_and_ends_no_wish(refused: Lot, cabinet: sa.Engine) -> None:
    signed(cabinet, refused, FINANCE)
    signed(cabinet, refused, HEAD, 1)
    for statement in (
        "UPDATE lots SET state = 'cleared'",
        "INSERT INTO lot_wish_ends VALUES (1, 'done', 'x', now())",
        "DELETE FROM lot_wish_queue",
        "DELETE FROM lot_resolutions",
    ):
        with pytest.raises(DBAPIError, match="permission denied"), cabinet.begin() as db:
            db.execute(sa.text(statement))
