"""A block's reward becomes outputs by weight: exact, fair, the same in any order, and they fit."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.pool.coinbase import MAX_TAG_BYTES, CoinbaseError, Output, coinbase_halves
from kench.pool.coinbase_outputs import (
    DUST_SAT,
    Payee,
    check_coinbase_fits,
    coinbase_bytes_max,
    outputs_by_weight,
)
from tests.support.payees import Venue, lists_of_venues, venue

REWARDS = st.one_of(st.integers(0, 10_000), st.integers(0, 21_000_000 * 10**8))


@given(REWARDS, lists_of_venues())
def test_the_outputs_are_the_reward_to_the_satoshi(reward_sat: int, payees: list[Payee]) -> None:
    outputs = outputs_by_weight(reward_sat, payees)
    assert sum(one.amount_sat for one in outputs) == reward_sat
    assert {one.script for one in outputs} <= {payee.script for payee in payees}
    assert len({one.script for one in outputs}) == len(outputs)


@given(REWARDS, lists_of_venues())
def test_each_output_is_within_a_satoshi_of_its_quota(reward_sat: int, payees: list[Payee]) -> None:
    paid = {one.script: one.amount_sat for one in outputs_by_weight(reward_sat, payees)}
    weights = sum(payee.weight for payee in payees if payee.script in paid)
    for payee in payees:
        if payee.script in paid:
            quota = Fraction(reward_sat * payee.weight, weights)
            assert abs(paid[payee.script] - quota) < 1


@given(REWARDS, lists_of_venues(), st.randoms())
def test_the_order_of_venues_changes_nothing(
    reward_sat: int, payees: list[Payee], random: object
) -> None:
    mixed = list(payees)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert outputs_by_weight(reward_sat, mixed) == outputs_by_weight(reward_sat, payees)


@given(REWARDS, lists_of_venues())
def test_no_output_is_dust_but_one_that_is_alone(reward_sat: int, payees: list[Payee]) -> None:
    outputs = outputs_by_weight(reward_sat, payees)
    assert len(outputs) == 1 or min(one.amount_sat for one in outputs) >= DUST_SAT
    left_out = [one.weight for one in payees if one.script not in {o.script for o in outputs}]
    kept = [one.weight for one in payees if one.script in {o.script for o in outputs}]
    assert not left_out or max(left_out) <= min(kept)


def test_satoshi_left_over_go_to_the_largest_remainders_and_ties_to_the_first_name() -> None:
    names = ("c", "a", "b")
    alike = [Venue(name, 1, name.encode()) for name in names]
    assert outputs_by_weight(2002, alike) == (
        Output(b"a", 668),
        Output(b"b", 667),
        Output(b"c", 667),
    )
    uneven = [Venue("a", 1, b"a"), Venue("b", 2, b"b"), Venue("c", 4, b"c")]
    # Quotas 1428.71, 2857.43, 5714.86: both spare satoshi go to c and a.
    assert [one.amount_sat for one in outputs_by_weight(10_001, uneven)] == [1429, 2857, 5715]


def test_a_reward_too_small_to_divide_goes_whole_to_the_heaviest() -> None:
    payees = [venue(1, 2), venue(2, 3), venue(3, 3)]
    assert outputs_by_weight(900, payees) == (Output(payees[1].script, 900),)
    assert outputs_by_weight(0, payees) == (Output(payees[1].script, 0),)
    assert outputs_by_weight(2 * DUST_SAT, payees) == (
        Output(payees[1].script, DUST_SAT),
        Output(payees[2].script, DUST_SAT),
    )


@pytest.mark.parametrize("payees", [[], [venue(1, 0)], [venue(1), venue(2, -1)]])
def test_nobody_to_pay_and_weights_of_nothing_are_refused(payees: list[Payee]) -> None:
    with pytest.raises(CoinbaseError, match="weight above 0"):
        outputs_by_weight(5000, payees)


def test_a_negative_reward_is_refused() -> None:
    with pytest.raises(CoinbaseError, match="never negative"):
        outputs_by_weight(-1, [venue(1)])


@given(
    st.lists(st.binary(min_size=22, max_size=42), min_size=1, max_size=20),
    st.integers(0, 2**31 - 1),
    st.binary(max_size=MAX_TAG_BYTES),
    st.booleans(),
)
def test_no_coinbase_is_longer_than_it_was_said_it_may_be(
    scripts: list[bytes], height: int, tag: bytes, has_commitment: bool
) -> None:
    bound = coinbase_bytes_max(scripts)
    outputs = [Output(script, 1) for script in scripts]
    commitment = bytes(38) if has_commitment else None
    try:
        halves = coinbase_halves(height, outputs, commitment, 1, tag)
    except CoinbaseError:
        assert bound > 750
    else:
        assert sum(map(len, halves)) + 12 <= bound


def test_what_fits_is_taken_and_what_may_not_is_refused_with_the_excess() -> None:
    taproot = b"\x51\x20" + bytes(32)
    check_coinbase_fits([taproot] * 12)
    with pytest.raises(CoinbaseError, match=r"13 scripts may need 757 bytes, 7 over the 750"):
        check_coinbase_fits([taproot] * 13)
