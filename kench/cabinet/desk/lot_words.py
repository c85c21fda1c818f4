"""States of lots, what keeps them waiting and what officers may do, in words of the pages."""

from collections.abc import Mapping
from types import MappingProxyType

from kench.cabinet.words.catalogues import N_
from kench.sale.acts import Act
from kench.sale.machine import LotState
from kench.sale.waits import Why
from kench.sale.wishes import WishState

LOT_STATES: Mapping[LotState, str] = MappingProxyType(
    {
        LotState.AWAITING_DEPOSIT: N_("waits for the venue's credit"),
        LotState.SCREENING: N_("is being checked"),
        LotState.HELD: N_("held: an officer's case, or without a score"),
        LotState.REFUSED: N_("refused: the score is too high"),
        LotState.CLEARED: N_("cleared, waits for its turn"),
        LotState.SELLING: N_("is being sold"),
        LotState.HALTED: N_("halted: a guard on the price tripped"),
        LotState.SOLD: N_("sold, to be settled"),
        LotState.SETTLED: N_("settled"),
        LotState.DEPOSIT_MISSING: N_("the deposit is missing"),
        LotState.SHORT_CREDIT: N_("another amount was credited"),
        LotState.ORPHANED: N_("its block left the best chain"),
        LotState.LICENCE_LAPSED: N_("the venue has no licence in force"),
        LotState.DELISTED: N_("the venue does not trade it any more"),
        LotState.VENUE_DISAGREES: N_("the venue contradicts our books"),
        LotState.WRITTEN_OFF: N_("written off"),
    }
)
WHAT_ENDS: Mapping[LotState, str] = MappingProxyType(
    {
        LotState.HELD: N_("Asked again by itself; an officer's case: release or write-off."),
        LotState.REFUSED: N_("Release or write-off; the coins stay at the venue."),
        LotState.HALTED: N_("Resume, once the market is calm; the venue sells no other lot."),
        LotState.VENUE_DISAGREES: N_("Clear it up with the venue, then resume."),
        LotState.DEPOSIT_MISSING: N_("The venue's credit: ask the venue; else write-off."),
        LotState.SHORT_CREDIT: N_("The venue's correction: ask the venue; else write-off."),
        LotState.ORPHANED: N_("The block comes back by itself; else write-off."),
        LotState.LICENCE_LAPSED: N_("An order with a licence of the venue; else write-off."),
        LotState.DELISTED: N_("The venue is set up again; else write-off."),
    }
)
"""What takes a lot out of a state in which it stands still."""
ACTS: Mapping[Act, str] = MappingProxyType(
    {
        Act.RELEASE: N_("Release: the coins may be sold"),
        Act.RESUME: N_("Resume: the sale goes on"),
        Act.WRITE_OFF: N_("Write off: what is unsold is owed to nobody any more"),
    }
)
WAITS: Mapping[Why, str] = MappingProxyType(
    {
        Why.DEPOSIT_UNSEEN: N_("the venue does not see the deposit"),
        Why.DEPOSIT_UNCREDITED: N_("the venue has not credited the deposit"),
        Why.CHECK_GOES_ON: N_("the check goes on"),
        Why.NOT_ITS_TURN: N_("another lot is before it"),
        Why.DAILY_CAP: N_("the cap of the day is reached"),
        Why.STALE_QUOTE: N_("the venue's book is old"),
        Why.ONE_SIDED: N_("the venue's book has one side"),
        Why.THIN_BOOK: N_("the venue's book is too thin"),
        Why.SLICE_TOO_SMALL: N_("a slice is less than the venue takes"),
        Why.SLICE_REFUSED: N_("the venue refused a slice"),
        Why.ORDER_UNCERTAIN: N_("what became of an order is not certain"),
        Why.VENUE_BUSY: N_("the venue is busy"),
        Why.VENUE_SILENT: N_("the venue does not answer"),
        Why.VENUE_UNREADABLE: N_("the venue's answer cannot be read"),
        Why.VENUE_REFUSES: N_("the venue refuses"),
        Why.PROVIDER_SILENT: N_("the provider of checks does not answer"),
        Why.NO_ORDER: N_("no order sets what is needed"),
        Why.BOOKS_REFUSE: N_("the books refuse it"),
    }
)
WISHES: Mapping[WishState, str] = MappingProxyType(
    {
        WishState.WAITS: N_("the sale takes it up"),
        WishState.DONE: N_("carried out"),
        WishState.REFUSED: N_("not carried out"),
    }
)
DECISIONS: Mapping[str, str] = MappingProxyType(
    {
        "clear": N_("Cleared for sale"),
        "officer": N_("Held for an officer"),
        "refuse": N_("Refused"),
        "hold": N_("No score yet"),
    }
)
BAD_STATES = frozenset(
    {
        LotState.REFUSED,
        LotState.HALTED,
        LotState.VENUE_DISAGREES,
        LotState.DEPOSIT_MISSING,
        LotState.SHORT_CREDIT,
    }
)
"""Said in red."""
