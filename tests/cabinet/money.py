"""Two participants with coins and money at every stage, as settlement, sale and bank leave them."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.login.people import PeopleRole, add_person
from kench.payouts import ledger
from kench.payouts.bank.account import BankAccount
from kench.payouts.bank.directory import set_account
from kench.payouts.proceeds.write import Lot, settle_lot
from kench.pool.database import open_engine
from kench.pool.moments import us_of
from kench.pool.register import add_participant
from tests.payouts.bank.files import Line, camt
from tests.payouts.bank.purse import AT, arrive, make, taken
from tests.payouts.books import add_block
from tests.payouts.sold import (
    ORDERS,
    add_lot,
    add_mature_block,
    add_outputs,
    add_sold_lot,
    credit,
    hash_of,
    part,
)
from tests.support.cabinet import Client, client_in, client_of
from tests.support.pki import PIN, SECOND_PIN

TECHNICIAN_PIN = "10103199000457"
REWARD_SAT = 312_500_000
LOTS = [Lot(hash_of("money", number), 0) for number in range(7)]
SETTLED, SELLING, WAITING, MATURING, ORPHANED = LOTS[:3], *LOTS[3:7]
FIRST_FOUND = datetime(2026, 9, 30, 20, 0, tzinfo=UTC)
"""In Bishkek it is October already."""
NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
NOW_US = us_of(NOW)
PAID, REJECTED, RETURNED, PENDED = (
    "KENCH-00000001-0000000001", "KENCH-00000001-0000000002",
    "KENCH-00000002-0000000001", "KENCH-00000003-0000000001",
)  # fmt: skip


def fill_books(database: str) -> list[int]:
    """Fill a fresh database; returns the participants: PIN owns the first, SECOND_PIN the other."""
    engine = open_engine(database, application_name="test")
    with engine.begin() as db:
        who = [add_participant(db, name)[0] for name in ("ОсОО «Кең-Өзөн»", "=Нарын")]
        for number, pin in zip(who, (PIN, SECOND_PIN), strict=True):
            add_person(db, number, pin, PeopleRole.OWNER, added_by=None, now_us=1)
        add_person(db, who[0], TECHNICIAN_PIN, PeopleRole.TECHNICIAN, added_by=None, now_us=1)
        add_person(db, who[0], SECOND_PIN, PeopleRole.ACCOUNTANT, added_by=None, now_us=1)
    fill_money(engine)
    engine.dispose()
    return who


def fill_money(engine: sa.Engine) -> None:
    """Fill the books of participants 1 and 2, who are in the register already."""
    with engine.begin() as db:
        for number in (1, 2):
            set_account(db, number, BankAccount("x", f"10900000000{number:05}", "109018"), None, AT)
    for number in range(3):
        with engine.begin() as db:
            _settle(db, number)
            made = make(db)
            if number < 2:
                _tell(db, number + 1, made.total_tyiyn)
    with engine.begin() as db:
        _unsold(db)
        db.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")
        db.exec_driver_sql("SET LOCAL session_replication_role = replica")
        for number, lot in enumerate(LOTS):
            _date(db, lot, number)


def _settle(db: sa.Connection, number: int) -> None:
    lot = LOTS[number]
    fills = [
        part(lot, 0, 212_500_000, 1_700_000_000, 3_400_000),
        part(lot, 1, 100_000_000, 810_000_000, 1_620_000),
    ]
    add_sold_lot(db, lot, {1: 187_500_000, 2: 125_000_000}, fills, sequence=number)
    settle_lot(db, lot, ORDERS, AT)
    arrive(db, f"b{number}", 1_700_000_000 + 810_000_000 - 3_400_000 - 1_620_000)


def _tell(db: sa.Connection, batch: int, total_tyiyn: int) -> None:
    """Of the first batch one is paid and one rejected, of the second one comes back."""
    amounts = {
        row.end_to_end_id: f"{row.amount_tyiyn // 100}.{row.amount_tyiyn % 100:02}"
        for row in db.execute(sa.text("SELECT * FROM payouts WHERE batch = :n"), {"n": batch})
    }
    del total_tyiyn
    if batch == 1:
        taken(db, camt(Line(amounts[PAID], end_to_end_id=PAID, reference="R1")))
        return
    back = Line(amounts[RETURNED], "CRDT", RETURNED, "R3", return_reason="AC04")
    taken(db, camt(Line(amounts[RETURNED], end_to_end_id=RETURNED, reference="R2"), back))


def _unsold(db: sa.Connection) -> None:
    shares = {1: 187_500_000, 2: 125_000_000}
    add_mature_block(db, SELLING.block_hash, shares, sequence=3)
    add_lot(db, SELLING, shares)
    credit(db, SELLING, REWARD_SAT)
    add_mature_block(db, WAITING.block_hash, shares, sequence=4)
    for sequence, lot in ((5, MATURING), (6, ORPHANED)):
        add_block(db, lot.block_hash, {1: 200_000_000, 2: 112_500_000}, sequence=sequence)
        add_outputs(db, lot.block_hash, [REWARD_SAT])
        ledger.pend(db, lot.block_hash, 1)
    ledger.void(db, ORPHANED.block_hash, 1)


def _date(db: sa.Connection, lot: Lot, number: int) -> None:
    found = FIRST_FOUND + timedelta(days=7 * number)
    values = {"hash": lot.block_hash, "at": found, "height": 900_000 + number * 1000}
    db.execute(
        sa.text("UPDATE blocks SET found_at = :at, height = :height WHERE hash = :hash"), values
    )
    db.execute(sa.text("UPDATE lots SET height = :height WHERE block_hash = :hash"), values)
    db.execute(
        sa.text("""
            UPDATE transfers SET created_at = CAST(:at AS timestamptz) + interval '2 days'
            WHERE reference = :hash OR reference IN (
                SELECT coinbase_txid || '\\:' || vout FROM lots WHERE block_hash = :hash)
        """),
        values,
    )


class People(NamedTuple):
    """Browsers of those who act for the first participant, and of a stranger."""

    owner: Client
    accountant: Client
    technician: Client
    stranger: Client


def people_of(cabinet: Cabinet) -> People:
    """Let them enter."""
    pins = (PIN, SECOND_PIN, TECHNICIAN_PIN)
    return People(*(client_in(cabinet, pin) for pin in pins), client_of(cabinet))
