"""Closing a period and opening it again: what is signed, and what follows from two signatures.

What follows is read from the signed bytes; what has changed since they were shown is refused.
Every function takes a connection that is in a transaction and leaves the commit to its caller.
"""

from typing import NamedTuple

import sqlalchemy as sa

from kench.cabinet.desk.countersigning import (
    PairKind,
    WaitingPair,
    sign_pair,
    waiting_pairs,
)
from kench.cabinet.desk.reasons import reason_of
from kench.cabinet.registration.bodies import data_of, line, whole
from kench.cabinet.registration.gaps import Words
from kench.cabinet.registration.refusals import ActRefusedError
from kench.cabinet.signing.acts import SignedAct, read_act
from kench.cabinet.words.catalogues import N_
from kench.cabinet.words.formats import Formats
from kench.payouts.income.errors import IncomeError, OrderNotInForceError, Standing
from kench.payouts.income.periods import (
    Kind,
    PeriodAct,
    closing_of,
    keep_period_act,
    reopening_of,
)
from kench.payouts.income.record import Totals
from kench.pool.moments import moment_of

CHANGED = N_("The records of the period have changed since this text was made: sign it anew.")
ORDERS = {
    Standing.UNKNOWN: N_("There is no order of that number in force."),
    Standing.LATER: N_("That order takes effect later: name one that is in force."),
    Standing.REPLACED: N_("Later orders have replaced all of that one: name one that is in force."),
}
"""Why an order opens no period."""
PAIRS = {Kind.CLOSED: PairKind.PERIOD, Kind.REOPENED: PairKind.REOPENING}
SUMS = {
    "accrued_sat": N_("Mined, BTC"),
    "sold_sat": N_("Sold, BTC"),
    "gross_tyiyn": N_("Proceeds, som"),
    "venue_fee_tyiyn": N_("Fees of venues, som"),
    "pool_fee_tyiyn": N_("Fee of the pool, som"),
    "net_tyiyn": N_("Income after fees, som"),
    "paid_tyiyn": N_("Paid out, som"),
}
"""What the sums of records are called."""


def period_body(act: PeriodAct, formats: Formats, _: Words) -> str:
    """The text of a closing or a reopening, to be signed by two officers."""
    if act.kind is Kind.CLOSED:
        lines = [_("I close the period of income records: from now on it does not change.")]
    else:
        lines = [
            _("I open the closed period of income records again, for corrections."),
            line(_, N_("By order No."), str(act.order)),
            line(_, N_("Reason"), " ".join(act.reason.split())),
        ]
    lines += [
        line(_, N_("Period"), act.period),
        line(_, N_("Documents"), str(act.records)),
        line(_, N_("Participants"), str(act.participants)),
        *(line(_, label, sum_text(act.totals, name, formats)) for name, label in SUMS.items()),
        line(_, N_("Digest of all documents (SHA-256)"), act.digest),
    ]
    return whole(lines, act, _)


def sum_text(totals: Totals, name: str, formats: Formats) -> str:
    """Write one of the sums as people read it."""
    value: int = getattr(totals, name)
    return formats.btc(value) if name.endswith("_sat") else formats.som(value)


class WaitingAct(NamedTuple):
    """What one officer has signed of a period, and another may sign too."""

    pair: WaitingPair
    data: PeriodAct


def waiting_acts(db: sa.Connection, period: str, version: int) -> list[WaitingAct]:
    """What waits for a second signature to become that version of a period."""
    found = []
    for kind in PAIRS.values():
        for pair in waiting_pairs(db, kind, f"{period}/{version}"):
            act = read_act(db, pair.act_id)
            if act is not None:
                found.append(WaitingAct(pair, data_of(act.content, PeriodAct)))
    return found


def check_current(db: sa.Connection, data: PeriodAct, now_us: int) -> None:
    """See that a closing or reopening is still what the books say; raises ActRefusedError."""
    try:
        if data.kind is Kind.CLOSED:
            now = closing_of(db, data.period, now_us)
        else:
            now = reopening_of(db, data.period, data.order or 0, data.reason, now_us)
    except OrderNotInForceError as error:
        raise ActRefusedError(ORDERS[error.standing]) from error
    except IncomeError as error:
        raise ActRefusedError("%(why)s", why=reason_of(error)) from error
    if now != data:
        raise ActRefusedError(CHANGED)


def sign_period(db: sa.Connection, act: SignedAct) -> tuple[PeriodAct, bool]:
    """Keep an officer's signature; the second one closes or opens. Raises ActRefusedError."""
    data = data_of(act.content, PeriodAct)
    check_current(db, data, act.signed_us)
    pair = sign_pair(db, act, PAIRS[data.kind], subject_of(data), data)
    if pair is not None:
        keep_period_act(db, data, [one.id for one in pair], moment_of(act.signed_us))
    return data, pair is not None


def subject_of(act: PeriodAct) -> str:
    """What the signatures are about: each step of a period has a pair of its own."""
    return f"{act.period}/{act.version}"
