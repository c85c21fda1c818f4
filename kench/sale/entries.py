"""What deposits, fills and write-offs are in the ledger: the lines that the sale itself writes."""

from collections.abc import Iterator, Mapping

from kench.payouts.accounts import (
    COINBASE,
    TRADE_BTC,
    TRADE_KGS,
    WRITTEN_OFF,
    participant_btc,
    venue_btc,
    venue_fee,
    venue_kgs,
)
from kench.payouts.postings import Posting, Subject
from kench.sale.lots import Lot


def deposit_lines(lot: Lot) -> list[Posting]:
    """Return the line by which a lot's coins are at its venue."""
    return [
        Posting.direct(Subject.LOT, lot.reference, venue_btc(lot.venue), COINBASE, lot.output_sat)
    ]


def write_off_lines(lot: Lot, left_sat: Mapping[int, int]) -> list[Posting]:
    """Return the lines by which satoshi of a lot, by participant, are owed to nobody any more."""
    return [
        Posting.direct(
            Subject.WRITE_OFF, lot.reference, participant_btc(who), WRITTEN_OFF, amount_sat
        )
        for who, amount_sat in left_sat.items()
    ]


def fill_lines(
    venue: str, trade_id: str, amount_sat: int, gross_tyiyn: int, fee_tyiyn: int
) -> list[Posting]:
    """Return the lines of one fill; amounts of nothing have none."""
    return list(_fill_lines(venue, f"{venue}:{trade_id}", amount_sat, gross_tyiyn, fee_tyiyn))


def _fill_lines(
    venue: str, reference: str, amount_sat: int, gross_tyiyn: int, fee_tyiyn: int
) -> Iterator[Posting]:
    btc, kgs = venue_btc(venue), venue_kgs(venue)
    yield Posting.direct(Subject.FILL, reference, TRADE_BTC, btc, amount_sat)
    if gross_tyiyn:
        yield Posting.direct(Subject.FILL, reference, kgs, TRADE_KGS, gross_tyiyn)
    if fee_tyiyn:
        yield Posting.direct(Subject.FILL, reference, venue_fee(venue), kgs, fee_tyiyn)
