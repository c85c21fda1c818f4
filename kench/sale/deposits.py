"""Lots that wait for their venue to credit them: credited, short, rejected, or overdue."""

from collections.abc import Iterable, Mapping

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from kench.payouts import postings
from kench.pool.moments import moment_of, us_of
from kench.sale import tables
from kench.sale.desk import SECOND_US, Desk
from kench.sale.entries import deposit_lines
from kench.sale.lots import Lot, move
from kench.sale.machine import LotState
from kench.sale.venues.port import Deposit, DepositState
from kench.sale.waits import SAID_AFTER_S, Why

WAITING = frozenset({LotState.AWAITING_DEPOSIT, LotState.DEPOSIT_MISSING, LotState.SHORT_CREDIT})
LOOK_BACK_US = 30 * 86_400 * SECOND_US
"""A venue may have seen a deposit so long before its lot was made: maturity takes most of a day."""
RAW_CHARACTERS_MAX = 20_000
Deposits = Mapping[tuple[str, int | None], Deposit]


def read_deposits(desk: Desk, venue: str, lots: Iterable[Lot]) -> Deposits:
    """Ask a venue for the deposits that lots wait for, by transaction and output."""
    since_us = min(us_of(lot.made_at) for lot in lots) - LOOK_BACK_US
    told = desk.venues[venue].deposits(max(0, since_us))
    return {(deposit.txid, deposit.vout): deposit for deposit in told}


def deposit_of(lot: Lot, deposits: Deposits) -> Deposit | None:
    """Return what a venue says of a lot; some venues tell transactions without outputs."""
    exact = deposits.get((lot.coinbase_txid, lot.vout))
    return exact or deposits.get((lot.coinbase_txid, None))


def receive(desk: Desk, lot: Lot, deposits: Deposits, overdue_s: int) -> Lot | None:
    """Take a lot as far as its deposit allows; return it where it moved."""
    told = deposit_of(lot, deposits)
    now_us = desk.now_us()
    goes_to, why = judge(lot, told, now_us, overdue_s)
    if goes_to is None or goes_to is lot.state:
        return None
    with desk.transact() as connection:
        if told is not None:
            _keep(connection, lot, told, now_us)
        credited_us = None
        if goes_to is LotState.SCREENING and told is not None:
            credited_us = now_us if told.credited_us is None else told.credited_us
            postings.write(connection, deposit_lines(lot))
        return move(connection, lot, goes_to, why, now_us, credited_us=credited_us)


def why_waits(lot: Lot, deposits: Deposits, now_us: int) -> Why | None:
    """Return why a lot that did not move waits, where its state does not tell."""
    if lot.state is not LotState.AWAITING_DEPOSIT:
        return None
    if now_us - us_of(lot.made_at) <= SAID_AFTER_S * SECOND_US:
        return None
    return Why.DEPOSIT_UNCREDITED if deposit_of(lot, deposits) else Why.DEPOSIT_UNSEEN


def judge(
    lot: Lot, told: Deposit | None, now_us: int, overdue_s: int
) -> tuple[LotState | None, str]:
    """Return where a lot that waits belongs by what its venue says, and why. Pure.

    From a fault a lot goes back to waiting first, and is looked at from there.
    """
    goes_to, why = _judge(lot, told, now_us, overdue_s)
    if lot.state is LotState.AWAITING_DEPOSIT or goes_to is lot.state:
        return goes_to, why
    if goes_to is LotState.SCREENING or (
        told is not None and goes_to is not None and lot.state is LotState.DEPOSIT_MISSING
    ):
        return LotState.AWAITING_DEPOSIT, f"the venue knows it: {why}"
    return None, why


def _judge(
    lot: Lot, told: Deposit | None, now_us: int, overdue_s: int
) -> tuple[LotState | None, str]:
    if told is not None and told.state is DepositState.CREDITED:
        if told.amount_sat == lot.output_sat:
            return LotState.SCREENING, f"credited {told.amount_sat} sat"
        words = f"credited {told.amount_sat} sat of {lot.output_sat} sat"
        return LotState.SHORT_CREDIT, words
    if told is not None and told.state is DepositState.REJECTED:
        return LotState.DEPOSIT_MISSING, "the venue rejected the deposit"
    if now_us - us_of(lot.made_at) > overdue_s * SECOND_US:
        seen = "seen, not credited" if told else "not seen"
        return LotState.DEPOSIT_MISSING, f"{seen} within {overdue_s} s"
    return None, ""


def _keep(connection: sa.Connection, lot: Lot, told: Deposit, now_us: int) -> None:
    """Keep what the venue said, once for each thing that it says."""
    values = {
        "block_hash": lot.block_hash,
        "vout": lot.vout,
        "state": told.state.value,
        "amount_sat": told.amount_sat,
        "credited_at": None if told.credited_us is None else moment_of(told.credited_us),
        "told_at": moment_of(now_us),
        "raw": told.raw[:RAW_CHARACTERS_MAX],
    }
    connection.execute(insert(tables.lot_deposits).values(values).on_conflict_do_nothing())
