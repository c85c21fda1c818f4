"""The trial balance of each asset, and whose money it is: the participants' or the operator's.

Accounts of participants are one line unless all are asked for: there may be a million.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from kench.payouts.accounts import CLASSES, AccountClass, Asset, Holder, Side

_TOGETHER = frozenset({"participant", "participant:kgs"})
_SUMS = sa.text("""
    SELECT CASE WHEN class = ANY(CAST(:together AS text[])) AND NOT :each
            THEN class || ' (' || count(*) || ')' ELSE min(code) END AS name,
        min(class) AS class,
        sum(debits_pending)::bigint AS debits_pending,
        sum(debits_posted)::bigint AS debits_posted,
        sum(credits_pending)::bigint AS credits_pending,
        sum(credits_posted)::bigint AS credits_posted
    FROM accounts
    GROUP BY class, CASE WHEN class = ANY(CAST(:together AS text[])) AND NOT :each
        THEN '' ELSE code END,
        CASE WHEN :each THEN participant_id END
    ORDER BY CASE WHEN :each THEN min(participant_id) END NULLS FIRST, name
""")
_CLASS_OF = {what.name: (place, what) for place, what in enumerate(CLASSES)}


@dataclass(frozen=True, slots=True)
class Account:
    """One line of a trial balance, in satoshi or tyiyn."""

    name: str
    kind: AccountClass
    debits_pending: int
    debits_posted: int
    credits_pending: int
    credits_posted: int

    @property
    def balance(self) -> int:
        """What it has on its normal side."""
        net = self.debits_posted - self.credits_posted
        return net if self.kind.normal_side is Side.DEBIT else -net


@dataclass(frozen=True, slots=True)
class ClientMoney:
    """One asset: what is had for participants, what they are owed, and the operator's part (D28).

    What is had, and what is in the middle of a sale, is what is owed, the operator's fees, and what
    was written off.
    """

    asset: Asset
    had: tuple[tuple[str, int], ...]
    in_sale: tuple[tuple[str, int], ...]
    owed: tuple[tuple[str, int], ...]
    operator: tuple[tuple[str, int], ...]
    written_off: tuple[tuple[str, int], ...]

    @property
    def difference(self) -> int:
        """What is missing (below zero) or left over: 0 in sound books."""
        claimed = _sum(self.owed) + _sum(self.operator) + _sum(self.written_off)
        return _sum(self.had) + _sum(self.in_sale) - claimed


def read_accounts(connection: sa.Connection, *, each: bool = False) -> list[Account]:
    """Return all accounts in the order of the chart; participants one by one if `each`."""
    rows = connection.execute(_SUMS, {"together": sorted(_TOGETHER), "each": each}).mappings()
    accounts = [
        Account(
            row["name"],
            _CLASS_OF[row["class"]][1],
            row["debits_pending"],
            row["debits_posted"],
            row["credits_pending"],
            row["credits_posted"],
        )
        for row in rows
    ]
    return sorted(accounts, key=lambda account: _CLASS_OF[account.kind.name][0])


def client_money(accounts: Iterable[Account]) -> list[ClientMoney]:
    """Return the report of each asset."""
    accounts = list(accounts)
    return [_client_money(asset, accounts) for asset in Asset]


def _client_money(asset: Asset, accounts: list[Account]) -> ClientMoney:
    parts: dict[str, list[tuple[str, int]]] = {
        "had": [], "in_sale": [], "owed": [], "operator": [], "written_off": [],
    }  # fmt: skip
    for account in accounts:
        kind = account.kind
        if kind.asset is not asset:
            continue
        is_debit = kind.normal_side is Side.DEBIT
        if kind.holder is Holder.CLEARING:
            part, amount = "in_sale", account.balance if is_debit else -account.balance
        elif kind.holder is Holder.OPERATOR:
            part, amount = "operator", -account.balance if is_debit else account.balance
        elif kind.holder is Holder.NOBODY:
            part, amount = "written_off", account.balance
        else:
            part, amount = ("had" if is_debit else "owed"), account.balance
        parts[part].append((account.name, amount))
    return ClientMoney(asset, **{part: tuple(lines) for part, lines in parts.items()})


def _sum(lines: Iterable[tuple[str, int]]) -> int:
    return sum(amount for _, amount in lines)
