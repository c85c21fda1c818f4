"""The states of a lot, and who may move it from which to which; migration 0005 holds the same.

    awaiting_deposit -> screening -> cleared -> selling -> sold -> settled

is the way of nearly every lot. All else is a named state that people see in `kench lot list`, and
`WAYS` says what leads out of it. What no way leads out of is final.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from kench.pool.errors import KenchError


class LotState(StrEnum):
    """Where a lot is on its way."""

    AWAITING_DEPOSIT = "awaiting_deposit"
    """The block is mature; the venue has not credited the output yet."""
    SCREENING = "screening"
    """The venue credited it; the AML provider has not decided."""
    HELD = "held"
    """The AML provider gives no score, or one that an officer must look at."""
    REFUSED = "refused"
    """The AML score is over the threshold: a case for the officers."""
    CLEARED = "cleared"
    """It may be sold; nothing was offered yet."""
    SELLING = "selling"
    """It is sold slice by slice."""
    HALTED = "halted"
    """A price guard tripped: two officers resume the sale."""
    SOLD = "sold"
    """Nothing is left to sell; its proceeds are not settled yet."""
    SETTLED = "settled"
    """Each participant is owed the tyiyn of its satoshi."""
    DEPOSIT_MISSING = "deposit_missing"
    """The venue did not credit the output in time, or rejected it."""
    SHORT_CREDIT = "short_credit"
    """The venue credited another amount than the chain paid."""
    ORPHANED = "orphaned"
    """Its block left the best chain after it was mature."""
    LICENCE_LAPSED = "licence_lapsed"
    """The venue has no licence in force: nothing is accepted there nor sold."""
    DELISTED = "delisted"
    """The venue is not among those that are set, or does not trade our market any more."""
    VENUE_DISAGREES = "venue_disagrees"
    """The venue's word on an order contradicts itself or ours."""
    WRITTEN_OFF = "written_off"
    """Two officers decided that nothing of it can be sold any more; nothing of it was."""


class Actor(StrEnum):
    """Who may take a way."""

    KENCH = "kench"
    """`kench sell`, by itself, on what it finds."""
    OFFICERS = "officers"
    """`kench lot`, on a resolution that two different officers signed."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way between two states."""

    came_from: LotState
    goes_to: LotState
    actor: Actor
    needs: str


class WayError(KenchError):
    """A lot was to be moved in a way that there is none."""


S = LotState
_WAYS = (
    Way(S.AWAITING_DEPOSIT, S.SCREENING, Actor.KENCH, "the venue credited exactly the output"),
    Way(S.AWAITING_DEPOSIT, S.DEPOSIT_MISSING, Actor.KENCH, "overdue, or rejected by the venue"),
    Way(S.AWAITING_DEPOSIT, S.SHORT_CREDIT, Actor.KENCH, "another amount was credited"),
    Way(S.DEPOSIT_MISSING, S.AWAITING_DEPOSIT, Actor.KENCH, "the venue knows the deposit now"),
    Way(S.SHORT_CREDIT, S.AWAITING_DEPOSIT, Actor.KENCH, "the venue corrected the amount"),
    Way(S.SCREENING, S.CLEARED, Actor.KENCH, "a score at or below the thresholds"),
    Way(S.SCREENING, S.HELD, Actor.KENCH, "no score, or one for an officer"),
    Way(S.SCREENING, S.REFUSED, Actor.KENCH, "a score over the threshold"),
    Way(S.HELD, S.SCREENING, Actor.KENCH, "the provider is asked again after a while"),
    Way(S.HELD, S.CLEARED, Actor.OFFICERS, "`kench lot release`"),
    Way(S.REFUSED, S.CLEARED, Actor.OFFICERS, "`kench lot release`"),
    Way(S.CLEARED, S.SELLING, Actor.KENCH, "licence, order and market are in force"),
    Way(S.SELLING, S.HALTED, Actor.KENCH, "a price guard tripped"),
    Way(S.HALTED, S.SELLING, Actor.OFFICERS, "`kench lot resume`"),
    Way(S.SELLING, S.SOLD, Actor.KENCH, "nothing is left that the venue would take"),
    Way(S.SELLING, S.VENUE_DISAGREES, Actor.KENCH, "orders and fills contradict each other"),
    Way(S.VENUE_DISAGREES, S.SELLING, Actor.OFFICERS, "`kench lot resume`"),
    Way(S.SOLD, S.SETTLED, Actor.KENCH, "the proceeds are in the ledger"),
)
_UNSOLD = (S.AWAITING_DEPOSIT, S.SCREENING, S.HELD, S.REFUSED, S.CLEARED, S.SELLING, S.HALTED,
           S.DEPOSIT_MISSING, S.SHORT_CREDIT, S.LICENCE_LAPSED, S.DELISTED,
           S.VENUE_DISAGREES)  # fmt: skip
_STANDING = (S.AWAITING_DEPOSIT, S.CLEARED, S.SELLING)
"""States that need a venue with a licence; a lot goes back to the one that it came from."""
_STUCK = (S.DEPOSIT_MISSING, S.SHORT_CREDIT, S.REFUSED, S.HELD, S.ORPHANED, S.DELISTED,
          S.VENUE_DISAGREES, S.LICENCE_LAPSED, S.HALTED)  # fmt: skip


def _all_ways() -> Iterator[Way]:
    yield from _WAYS
    for state in _UNSOLD:
        yield Way(state, S.ORPHANED, Actor.KENCH, "the block left the best chain")
    for state in _STANDING:
        yield Way(state, S.LICENCE_LAPSED, Actor.KENCH, "no licence in force")
        yield Way(S.LICENCE_LAPSED, state, Actor.KENCH, "a licence is in force again")
        yield Way(state, S.DELISTED, Actor.KENCH, "the venue or its market is gone")
        yield Way(S.DELISTED, state, Actor.KENCH, "venue and market are back")
    yield Way(S.ORPHANED, S.AWAITING_DEPOSIT, Actor.KENCH, "the block is back, not credited")
    yield Way(S.ORPHANED, S.SCREENING, Actor.KENCH, "the block is back, and credited")
    for state in _STUCK:
        yield Way(state, S.WRITTEN_OFF, Actor.OFFICERS, "`kench lot write-off`, unsold")
        yield Way(state, S.SOLD, Actor.OFFICERS, "`kench lot write-off`, partly sold")


WAYS: Mapping[tuple[LotState, LotState], Way] = {
    (way.came_from, way.goes_to): way for way in _all_ways()
}
FINAL = frozenset(LotState) - {came_from for came_from, _ in WAYS}
STUCK = frozenset(_STUCK)
"""States that people must look at; `kench status` counts them apart."""
STANDING = frozenset(_STANDING)
HOLDS_VENUE = frozenset({S.SELLING, S.HALTED, S.VENUE_DISAGREES})
"""A venue sells one lot at a time; one that stands still keeps the others from being offered."""
HAS_CREDIT = frozenset({S.SCREENING, S.HELD, S.REFUSED, S.CLEARED, S.SELLING, S.HALTED, S.SOLD,
                        S.SETTLED, S.VENUE_DISAGREES})  # fmt: skip
"""States that a lot reaches only once its venue credited it."""


WHAT_ENDS: Mapping[LotState, str] = {
    S.AWAITING_DEPOSIT: "the venue's credit; `kench sell` says in its log where it does not answer",
    S.DEPOSIT_MISSING: "the venue's credit: ask the venue; else `kench lot write-off`",
    S.SHORT_CREDIT: "the venue's correction: ask the venue; else `kench lot write-off`",
    S.SCREENING: "the AML provider's answer; held after ten minutes without one",
    S.HELD: "the provider, asked again by itself; an officer's case: `kench lot release`",
    S.REFUSED: "`kench lot release` or `kench lot write-off`; the coins stay at the venue",
    S.CLEARED: "its turn: the venue sells one lot at a time, the lowest block first",
    S.SELLING: "nothing left to sell; slow by the order's interval, the day's cap, or a thin or "
    "stale book",
    S.HALTED: "`kench lot resume`, once the market is calm",
    S.VENUE_DISAGREES: "`kench lot resume`, once `kench reconcile` and the venue agree",
    S.LICENCE_LAPSED: "an order with a licence of the venue (`kench order`)",
    S.DELISTED: "the venue in KENCH_VENUES again; else `kench lot write-off`",
    S.ORPHANED: "its block on the best chain again; else `kench lot write-off`",
    S.SOLD: "settlement, by itself",
    S.SETTLED: "nothing: it is at its end",
    S.WRITTEN_OFF: "nothing: it is at its end",
}
"""What takes a lot out of each state, for people who look at it (docs/sale.md)."""


def check_way(came_from: LotState, goes_to: LotState, actor: Actor) -> Way:
    """Return the way between two states; raises WayError if this actor has none."""
    way = WAYS.get((came_from, goes_to))
    if way is None:
        ends = ", ".join(sorted(end for start, end in WAYS if start is came_from)) or "nowhere"
        raise WayError(f"a lot cannot go from {came_from} to {goes_to}: from there it goes {ends}")
    if way.actor is not actor:
        raise WayError(f"from {came_from} to {goes_to} a lot is moved by {way.actor}: {way.needs}")
    return way


def ways_out(state: LotState, actor: Actor) -> list[Way]:
    """Return the ways that this actor may take from a state, in the order of the states."""
    return [WAYS[state, end] for end in LotState
            if (state, end) in WAYS and WAYS[state, end].actor is actor]  # fmt: skip
