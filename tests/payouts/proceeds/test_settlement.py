"""Proceeds are split to the tyiyn, whatever the order, and more satoshi are never less tyiyn."""

import itertools
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.payouts.proceeds.settlement import (
    ProceedsDisagreeError,
    SoldPart,
    average_price,
    settle,
)
from kench.pool.orders.rules import Fee, InForce

FEE = InForce(3, Fee(20_000))


def parts_of(amounts: list[tuple[int, int, int]]) -> list[SoldPart]:
    return [
        SoldPart("paper", str(number), sat, Decimal(gross).scaleb(-2), gross, fee)
        for number, (sat, gross, fee) in enumerate(amounts)
    ]


@st.composite
def sales(draw: st.DrawFn) -> tuple[list[SoldPart], dict[int, int], InForce[Fee]]:
    shares = draw(
        st.dictionaries(st.integers(0, 50), st.integers(1, 10**9), min_size=1, max_size=8)
    )
    sold = sum(shares.values())
    cuts = sorted(draw(st.sets(st.integers(1, sold - 1), max_size=5))) if sold > 1 else []
    sizes = [b - a for a, b in zip([0, *cuts], [*cuts, sold], strict=True)]
    amounts = [(size, draw(st.integers(0, 10**12)), draw(st.integers(0, 10**9))) for size in sizes]
    fee = InForce(draw(st.integers(1, 9)), Fee(draw(st.integers(0, 1_000_000))))
    return parts_of(amounts), shares, fee


@given(sales())
def test_sums_are_exact_to_the_tyiyn_and_the_satoshi(
    sale: tuple[list[SoldPart], dict[int, int], InForce[Fee]],
) -> None:
    fills, shares, fee = sale
    done = settle(fills, shares, fee)
    assert done.gross_tyiyn == sum(fill.gross_tyiyn for fill in fills)
    assert done.gross_tyiyn == done.venue_fee_tyiyn + done.pool_fee_tyiyn + done.net_tyiyn
    assert sum(line.net_tyiyn for line in done.lines.values()) == done.net_tyiyn
    if done.lines:
        borne = [(line.venue_fee_tyiyn, line.pool_fee_tyiyn) for line in done.lines.values()]
        assert tuple(map(sum, zip(*borne, strict=True))) == (
            done.venue_fee_tyiyn, done.pool_fee_tyiyn,
        )  # fmt: skip
    assert {who: line.amount_sat for who, line in done.lines.items()} == shares
    assert min(done.venue_fee_tyiyn, done.pool_fee_tyiyn, done.net_tyiyn) >= 0
    fees = sum(fill.fee_tyiyn for fill in fills)
    assert done.venue_fee_tyiyn == min(fees, done.gross_tyiyn)
    wanted = done.gross_tyiyn * fee.rule.pool_ppm // 1_000_000
    assert done.pool_fee_tyiyn == min(wanted, done.gross_tyiyn - done.venue_fee_tyiyn)
    for line in done.lines.values():
        assert abs(line.net_tyiyn - Fraction(done.net_tyiyn * line.amount_sat, done.sold_sat)) < 1


@given(sales(), st.randoms(use_true_random=False))
def test_the_order_of_fills_and_participants_does_not_matter(
    sale: tuple[list[SoldPart], dict[int, int], InForce[Fee]], random: Random
) -> None:
    fills, shares, fee = sale
    shuffled, who = list(fills), list(shares)
    random.shuffle(shuffled)
    random.shuffle(who)
    assert settle(shuffled, {one: shares[one] for one in who}, fee) == settle(fills, shares, fee)
    assert average_price(shuffled) == average_price(fills)


@given(sales())
def test_more_satoshi_are_never_less_tyiyn(
    sale: tuple[list[SoldPart], dict[int, int], InForce[Fee]],
) -> None:
    lines = sorted(settle(*sale).lines.values(), key=lambda line: line.amount_sat)
    for less, more in itertools.pairwise(lines):
        assert less.net_tyiyn <= more.net_tyiyn or less.amount_sat == more.amount_sat


def test_the_odd_tyiyn_goes_to_the_largest_fraction_and_then_to_the_lower_id() -> None:
    done = settle(parts_of([(4, 1000, 0)]), {5: 1, 3: 1, 9: 2}, InForce(3, Fee(1_000)))
    # 999 by 249.75, 249.75 and 499.5: two tyiyn are left, both to the larger fractions.
    assert {who: line.net_tyiyn for who, line in done.lines.items()} == {3: 250, 5: 250, 9: 499}
    done = settle(parts_of([(3, 100, 0)]), {5: 1, 3: 1, 9: 1}, InForce(3, Fee(0)))
    assert {who: line.net_tyiyn for who, line in done.lines.items()} == {3: 34, 5: 33, 9: 33}


def test_the_example_of_the_docs_is_true() -> None:
    page = (Path(__file__).parents[3] / "docs" / "ledger.md").read_text()
    fills = parts_of(
        [(212_500_000, 1_700_000_000, 3_400_000), (100_000_000, 810_000_000, 1_620_000)]
    )
    done = settle(fills, {7: 187_500_000, 9: 125_000_000}, FEE)
    for amount in (
        done.pool_fee_tyiyn,
        done.venue_fee_tyiyn,
        *(line.net_tyiyn for line in done.lines.values()),
        done.gross_tyiyn - done.venue_fee_tyiyn,
    ):
        assert f"{amount:,} tyiyn".replace(",", " ") in page


def test_fees_never_take_more_than_there_is() -> None:
    done = settle(parts_of([(3, 10, 12)]), {1: 3}, FEE)
    assert (done.venue_fee_tyiyn, done.pool_fee_tyiyn, done.net_tyiyn) == (10, 0, 0)
    done = settle(parts_of([(3, 100, 99)]), {1: 3}, FEE)
    assert (done.venue_fee_tyiyn, done.pool_fee_tyiyn, done.net_tyiyn) == (99, 1, 0)


@pytest.mark.parametrize("shares", [{}, {1: 2}, {1: 4}])
def test_fills_and_shares_must_be_the_same_satoshi(shares: dict[int, int]) -> None:
    with pytest.raises(ProceedsDisagreeError, match="kench audit"):
        settle(parts_of([(3, 100, 0)]), shares, FEE)


def test_where_nothing_was_sold_nothing_is_owed() -> None:
    done = settle([], {1: 0}, FEE)
    assert (done.gross_tyiyn, done.net_tyiyn, done.lines) == (0, 0, {})


def test_the_price_of_a_lot_is_weighted_by_satoshi() -> None:
    fills = parts_of([(100_000_000, 900_000_000, 0), (50_000_000, 480_000_000, 0)])
    assert average_price(fills) == Fraction(9_200_000)
