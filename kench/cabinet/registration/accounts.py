"""A bank account that a notice declares: read from a form, and entered as its next version."""

from collections.abc import Mapping

import msgspec
import sqlalchemy as sa

from kench.cabinet.registration.fields import integer_of, line_of
from kench.cabinet.registration.gaps import Gap
from kench.cabinet.words.catalogues import N_
from kench.payouts.bank.account import HOLDER_MAX, BankAccount, BankAccountError, bank_account
from kench.payouts.bank.directory import set_account
from kench.pool.moments import moment_of

FIELDS = ("holder", "account_number", "bank_code", "threshold")
THRESHOLD_SOM_MAX = 1_000_000
TYIYN = 100


class Account(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a participant wants to be paid; PostgreSQL compares it with what is entered."""

    holder: str
    number: str
    bank: str
    threshold_tyiyn: int | None = None
    """Its own least payout, where more than the order's."""


def read_account_form(fields: Mapping[str, str], pattern: str) -> tuple[Account | None, list[Gap]]:
    """The account in a form, or what is wrong with it; `pattern` is that of account numbers."""
    gaps = []
    holder = line_of(fields.get("holder", ""), HOLDER_MAX)
    if holder is None:
        gaps.append(Gap("holder", N_("Say whose account it is, in 140 characters at most")))
    number, bank = fields.get("account_number", ""), fields.get("bank_code", "")
    for field, text, tried in (
        ("account_number", N_("This is no number of an account at a bank of the Republic"),
         ("x", number, "000000")),
        ("bank_code", N_("Give the bank's BIC (8 or 11 letters and digits) or its six digits"),
         ("x", number, bank)),
    ):  # fmt: skip
        try:
            bank_account(*tried, pattern)
        except BankAccountError:
            gaps.append(Gap(field, text))
            break
    typed = fields.get("threshold", "").strip()
    threshold_som = integer_of(typed, 1, THRESHOLD_SOM_MAX) if typed else None
    if typed and threshold_som is None:
        gaps.append(Gap("threshold", N_("The least payout is a whole number of som")))
    if gaps or holder is None:
        return None, gaps
    account = bank_account(holder, number, bank, pattern)
    threshold = threshold_som * TYIYN if threshold_som else None
    return Account(account.holder, account.number, account.bank, threshold), []


def enter_account(  # noqa: PLR0913 - one row
    db: sa.Connection,
    participant_id: int,
    account: Account,
    *,
    notice_id: int,
    entered_by: int,
    now_us: int,
) -> int:
    """Let payouts go there from the next batch on; return the version that says so."""
    return set_account(
        db, participant_id, BankAccount(account.holder, account.number, account.bank),
        account.threshold_tyiyn, moment_of(now_us), notice_id=notice_id, entered_by=entered_by,
    )  # fmt: skip
