"""What the provider tells, as far as it is checked here."""

from typing import TypeVar

import msgspec

from kench.consumer.asking import NotToldError

Read = TypeVar("Read")
SUMS = (
    "accrued_sat", "sold_sat", "gross_tyiyn", "venue_fee_tyiyn", "pool_fee_tyiyn", "net_tyiyn",
    "paid_tyiyn",
)  # fmt: skip


class Totals(msgspec.Struct):
    """Sums of a record or of a period."""

    accrued_sat: int
    sold_sat: int
    gross_tyiyn: int
    venue_fee_tyiyn: int
    pool_fee_tyiyn: int
    net_tyiyn: int
    paid_tyiyn: int

    def values(self) -> tuple[int, ...]:
        """Return them in order."""
        return tuple(getattr(self, name) for name in SUMS)


class PeriodTotals(Totals):
    """Those of a period, with what they are of."""

    records: int
    participants: int


class Signature(msgspec.Struct):
    """What one officer signed."""

    signed_at: str
    content: bytes
    signature: bytes
    certificates: list[bytes]
    crls: list[bytes]
    ocsps: list[bytes]


class Closing(msgspec.Struct):
    """One closing, or reopening, of a period."""

    period: str
    version: int
    state: str
    digest: str
    totals: PeriodTotals
    signatures: list[Signature] = []


class Period(msgspec.Struct):
    """A period with its history."""

    period: str
    version: int
    state: str
    closings: list[Closing]


class Item(msgspec.Struct):
    """A record with its digest; the record's own bytes are what has it."""

    sha256: str
    record: msgspec.Raw


class Page(msgspec.Struct):
    """Records; `next` leads on."""

    records: list[Item]
    version: int = 0
    next: str | None = None


class Participant(msgspec.Struct):
    """Whose income it is."""

    id: int


class Amount(msgspec.Struct):
    """A part of a record that has an amount of coins."""

    amount_sat: int


class SaleAmounts(msgspec.Struct):
    """A sale's amounts."""

    amount_sat: int
    gross_tyiyn: int
    venue_fee_tyiyn: int
    pool_fee_tyiyn: int
    net_tyiyn: int


class PaidAmount(msgspec.Struct):
    """A payout's amount."""

    amount_tyiyn: int


class Record(msgspec.Struct):
    """An income record as far as it is added up."""

    doc_ref: str
    doc_type: str
    corrects: str | None
    period: str
    day: str
    participant: Participant
    totals: Totals
    accruals: list[Amount]
    sales: list[SaleAmounts]
    payouts: list[PaidAmount]

    def parts(self) -> tuple[int, ...]:
        """Return what its parts sum to, in the order of its totals."""
        return (
            sum(one.amount_sat for one in self.accruals),
            sum(one.amount_sat for one in self.sales),
            sum(one.gross_tyiyn for one in self.sales),
            sum(one.venue_fee_tyiyn for one in self.sales),
            sum(one.pool_fee_tyiyn for one in self.sales),
            sum(one.net_tyiyn for one in self.sales),
            sum(one.amount_tyiyn for one in self.payouts),
        )


def read(kind: type[Read], content: bytes | msgspec.Raw) -> Read:
    """Return what was told; raises NotToldError where it is none of that kind."""
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise NotToldError(f"the answer is no {kind.__name__}: {error}") from None
