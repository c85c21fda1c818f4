"""What the rooms about money share: months in addresses, the words of states."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from starlette.exceptions import HTTPException

from kench.cabinet.words.catalogues import N_
from kench.payouts.statements.statement import (
    Period,
    StatementError,
    month_before,
    period_of,
    present_month,
)
from kench.sale.machine import LotState

MONTHS_MAX = 240


class Words(NamedTuple):
    """A state in words: its name, and why it is so or what comes next."""

    name: str
    why: str
    tone: str = ""
    """Class of its tag: good, warn, bad."""


LOT_STATES = {
    LotState.AWAITING_DEPOSIT: Words(
        N_("awaiting credit"), N_("The exchange has not credited the coins yet.")
    ),
    LotState.SCREENING: Words(
        N_("being checked"), N_("The origin of the coins is checked, as the law requires.")
    ),
    LotState.HELD: Words(N_("held"), N_("The check of the coins needs an officer's look."), "warn"),
    LotState.REFUSED: Words(
        N_("refused by the check"), N_("The check found a high risk: officers decide."), "bad"
    ),
    LotState.CLEARED: Words(N_("ready for sale"), N_("The check is passed; the sale begins next.")),
    LotState.SELLING: Words(N_("being sold"), N_("It is sold in parts at the exchange.")),
    LotState.HALTED: Words(
        N_("sale halted"), N_("The price moved too far: officers resume the sale."), "warn"
    ),
    LotState.SOLD: Words(
        N_("sold, being settled"), N_("The proceeds are being shared among the participants.")
    ),
    LotState.SETTLED: Words(N_("sold"), N_("The proceeds are in your balance."), "good"),
    LotState.DEPOSIT_MISSING: Words(
        N_("credit is missing"), N_("The exchange did not credit the coins in time."), "bad"
    ),
    LotState.SHORT_CREDIT: Words(
        N_("credit differs"), N_("The exchange credited another amount than was paid."), "bad"
    ),
    LotState.ORPHANED: Words(
        N_("block left the chain"), N_("The block is not in the best chain now."), "bad"
    ),
    LotState.LICENCE_LAPSED: Words(
        N_("no licence"), N_("The exchange has no licence in force at the moment."), "warn"
    ),
    LotState.DELISTED: Words(
        N_("exchange not available"),
        N_("The exchange is not among those that are set at the moment."),
        "warn",
    ),
    LotState.VENUE_DISAGREES: Words(
        N_("being clarified"), N_("The exchange contradicts itself or our records."), "warn"
    ),
    LotState.WRITTEN_OFF: Words(
        N_("written off"), N_("Two officers decided that nothing of it can be sold."), "bad"
    ),
}
STAGES = {
    "maturing": Words(N_("maturing"), ""),
    "waiting": Words(N_("mature"), ""),
    "in_sale": Words(N_("in sale"), ""),
    "sold": Words(N_("sold"), "", "good"),
    "written_off": Words(N_("written off"), "", "bad"),
    "orphaned": Words(N_("orphaned"), "", "bad"),
}
METHODS = {
    "round": N_("all work since the pool's block before"),
    "pplns": N_("the last work, as far as the order says (PPLNS)"),
    "period": N_("all work of the day"),
}


def month_of(text: str | None, now_us: int) -> Period:
    """Return the month of an address; without one, the present one. 404 for what is none."""
    if not text:
        return present_month(now_us)
    try:
        return period_of(text)
    except StatementError as error:
        raise HTTPException(404) from error


def months_since(first: datetime | None, now_us: int) -> Sequence[Period]:
    """Return the months from a moment on up to now, newest first."""
    month = present_month(now_us)
    months = [month]
    while first is not None and first < month.begins and len(months) < MONTHS_MAX:
        month = month_before(month)
        months.append(month)
    return months
