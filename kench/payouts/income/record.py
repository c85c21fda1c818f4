"""An income record: what one participant earned, sold and was paid on one day of Bishkek.

Its bytes are canonical JSON (sorted keys, no blanks, no fractions) and never change: they are what
is kept, digested, handed over and signed for.
"""

import hashlib
import re
from datetime import date
from enum import StrEnum
from typing import NamedTuple

import msgspec

from kench import __version__
from kench.payouts.income.errors import IncomeError

ASSET = "BTC"
TIMEZONE = "Asia/Bishkek"
SOFTWARE = f"kench {__version__}"
TRADE_PRICE = "venue_trades"
"""Rate source of a sale: the average of the lot's own trades, weighted by volume."""
REF_MAX = 80
_REF = re.compile(r"KG-(20\d\d-\d\d)-([1-9]\d{0,9})-(20\d\d-\d\d-\d\d)-([1-9]\d{0,5})", re.ASCII)


class DocType(StrEnum):
    """A day begins with a new document; later ones correct it or take it back."""

    NEW = "new"
    CORRECT = "correct"
    DELETE = "delete"


class Reference(NamedTuple):
    """What the name of a document says."""

    period: str
    participant_id: int
    day: str
    number: int

    def __str__(self) -> str:
        """Return the name."""
        return f"KG-{self.period}-{self.participant_id}-{self.day}-{self.number}"


class Taxpayer(msgspec.Struct, frozen=True):
    """A participant as the Electronic Register had it when the document was made."""

    id: int
    tax_number: str | None = None
    name: str | None = None
    certificate: str | None = None
    kind: str | None = None


class Accrual(msgspec.Struct, frozen=True):
    """A part of a block's reward that became the participant's; work is decimal digits."""

    block_hash: str
    height: int
    txid: str | None
    found_at: str
    matured_at: str
    amount_sat: int
    work_hashes: str
    pool_work_hashes: str
    order: int
    transfer: str


class Screening(msgspec.Struct, frozen=True):
    """The check of a lot's coins that cleared them, or held them."""

    check_id: str
    provider: str
    decision: str
    score_bp: int | None


class Sale(msgspec.Struct, frozen=True):
    """A part of a lot that was sold and settled."""

    lot: str
    venue: str
    licence: str | None
    settled_at: str
    amount_sat: int
    price_kgs: str
    gross_tyiyn: int
    venue_fee_tyiyn: int
    pool_fee_tyiyn: int
    net_tyiyn: int
    rate_source: str
    trades: tuple[str, ...]
    screening: Screening | None
    transfers: tuple[str, ...]


class Payout(msgspec.Struct, frozen=True):
    """Money that a bank booked: paid, or returned, which is below zero."""

    end_to_end_id: str
    booked_at: str
    amount_tyiyn: int
    kind: str
    transfer: str


class WriteOff(msgspec.Struct, frozen=True):
    """Coins that were accrued and that two officers wrote off unsold."""

    lot: str
    written_off_at: str
    amount_sat: int
    transfer: str


class OfficialRate(msgspec.Struct, frozen=True):
    """The National Bank's rate in force on the day, kept beside the venue's price."""

    currency: str
    day: date
    som_per_unit: str
    source: str


class Totals(msgspec.Struct, frozen=True):
    """Sums of a record, or of many."""

    accrued_sat: int = 0
    sold_sat: int = 0
    gross_tyiyn: int = 0
    venue_fee_tyiyn: int = 0
    pool_fee_tyiyn: int = 0
    net_tyiyn: int = 0
    paid_tyiyn: int = 0


class Facts(msgspec.Struct, frozen=True):
    """What the books say of a participant's day."""

    accruals: tuple[Accrual, ...] = ()
    sales: tuple[Sale, ...] = ()
    payouts: tuple[Payout, ...] = ()
    write_offs: tuple[WriteOff, ...] = ()

    def totals(self) -> Totals:
        """Sum them up."""
        sales = self.sales
        return Totals(
            sum([one.amount_sat for one in self.accruals]),
            sum([one.amount_sat for one in sales]),
            sum([one.gross_tyiyn for one in sales]),
            sum([one.venue_fee_tyiyn for one in sales]),
            sum([one.pool_fee_tyiyn for one in sales]),
            sum([one.net_tyiyn for one in sales]),
            sum([one.amount_tyiyn for one in self.payouts]),
        )

    @property
    def is_nothing(self) -> bool:
        """Whether the day has no record."""
        return not (self.accruals or self.sales or self.payouts or self.write_offs)


class Record(msgspec.Struct, frozen=True):
    """The whole document."""

    doc_ref: str
    doc_type: DocType
    corrects: str | None
    period: str
    participant: Taxpayer
    day: date
    accruals: tuple[Accrual, ...]
    sales: tuple[Sale, ...]
    payouts: tuple[Payout, ...]
    write_offs: tuple[WriteOff, ...]
    totals: Totals
    official_rate: OfficialRate | None
    electricity_declared_kwh: int | None
    """Of a whole month, as the register has it."""
    asset: str = ASSET
    timezone: str = TIMEZONE
    software: str = SOFTWARE
    kench_income: int = 1

    def canonical(self) -> bytes:
        """Return the bytes that are kept and handed over."""
        return _ENCODER.encode(self)

    def says_the_same(self, other: "Record") -> bool:
        """Whether nothing but the document's own name, type and maker differs."""
        own = (self.doc_ref, self.doc_type, self.corrects, self.software)
        renamed = msgspec.structs.replace(
            other, doc_ref=own[0], doc_type=own[1], corrects=own[2], software=own[3]
        )
        return self == renamed


_ENCODER = msgspec.json.Encoder(order="sorted")


def make_record(  # noqa: PLR0913 - the parts of a document
    reference: Reference,
    participant: Taxpayer,
    facts: Facts,
    *,
    doc_type: DocType = DocType.NEW,
    corrects: str | None = None,
    official_rate: OfficialRate | None = None,
    electricity_declared_kwh: int | None = None,
) -> Record:
    """Put a document together from what the books and the register say."""
    return Record(
        doc_ref=str(reference),
        doc_type=doc_type,
        corrects=corrects,
        period=reference.period,
        participant=participant,
        day=date.fromisoformat(reference.day),
        accruals=facts.accruals,
        sales=facts.sales,
        payouts=facts.payouts,
        write_offs=facts.write_offs,
        totals=facts.totals(),
        official_rate=official_rate,
        electricity_declared_kwh=electricity_declared_kwh,
    )


def read_record(content: bytes) -> Record:
    """Read a document that is kept; raises IncomeError where it is none."""
    try:
        return msgspec.json.decode(content, type=Record)
    except msgspec.MsgspecError as error:
        raise IncomeError(f"this is no income record: {error}") from error


def read_reference(text: str) -> Reference:
    """Read the name of a document; raises IncomeError."""
    known = _REF.fullmatch(text) if len(text) <= REF_MAX else None
    if known is None or not known[3].startswith(known[1]):
        raise IncomeError(
            f"{text[:REF_MAX]!r} names no income record: write it as KG-2026-10-7-2026-10-05-1"
        )
    return Reference(known[1], int(known[2]), known[3], int(known[4]))


def digest_of(content: bytes) -> bytes:
    """Return the digest of a document's bytes."""
    return hashlib.sha256(content).digest()
