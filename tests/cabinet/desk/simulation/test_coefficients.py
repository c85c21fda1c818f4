"""What a hash of each step is paid: no more than rewards, and by the spans of each method."""

from datetime import date
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from kench.cabinet.desk.simulation.coefficients import SCALE, Found, Steps, coefficients
from kench.pool.moments import midnight_us
from kench.pool.orders.rules import Reward

HOUR_US = 3_600_000_000
BEGIN_US = 1_767_204_000_000_000
ROUND, PERIOD = Reward("round"), Reward("period")


def priced(
    work: list[int], blocks: list[Found], network_work: int | None = None, former_us: int = BEGIN_US
) -> list[Fraction]:
    steps = Steps(BEGIN_US, HOUR_US, work)
    found = coefficients(steps, blocks, former_us=former_us, network_work_hashes=network_work)
    return [Fraction(one, SCALE) for one in found]


def at(hours: float) -> int:
    return BEGIN_US + round(hours * HOUR_US)


def nearly(found: list[Fraction], wanted: list[Fraction]) -> bool:
    return all(abs(a - b) < Fraction(1, 10**20) for a, b in zip(found, wanted, strict=True))


def test_a_round_pays_the_work_since_the_block_before() -> None:
    blocks = [Found(at(2), 300, ROUND), Found(at(3.5), 300, ROUND)]
    found = priced([10, 20, 10, 10, 5], blocks)
    assert nearly(found, [Fraction(10), Fraction(10), Fraction(20), Fraction(10), Fraction(0)])
    # Of the first one, the round began before the steps that are asked about.
    assert nearly(priced([10, 20], [Found(at(2), 300, ROUND)], former_us=at(1)),
                  [Fraction(0), Fraction(15)])  # fmt: skip


def test_a_window_is_so_much_work_back_wherever_blocks_were() -> None:
    window = Reward("pplns", 2_000_000)
    found = priced([10, 20, 10], [Found(at(3), 400, window), Found(at(3), 400, window)], 10)
    # 20 hashes back from the end: the last step, and half of the one before.
    assert nearly(found, [Fraction(0), Fraction(20), Fraction(40)])
    assert nearly(priced([10, 30], [Found(at(2), 400, window)]), [Fraction(10), Fraction(10)])
    assert nearly(priced([10, 30], [Found(at(2), 400, window)], 10**9), [Fraction(10)] * 2)


def test_the_blocks_of_a_day_pay_all_work_of_that_day() -> None:
    begin = (midnight_us(date(2026, 1, 2)) - BEGIN_US) // HOUR_US
    work = [1] * begin + [2] * 24 + [1] * 5
    blocks = [Found(at(begin + 3), 480, PERIOD), Found(at(begin + 20), 480, PERIOD)]
    found = priced(work, blocks)
    assert nearly(found, [Fraction(0)] * begin + [Fraction(20)] * 24 + [Fraction(0)] * 5)


def test_blocks_without_work_pay_nobody() -> None:
    assert priced([0, 0], [Found(at(1), 5, ROUND)]) == [0, 0]
    assert priced([], [Found(at(0), 5, ROUND)]) == []


@settings(max_examples=150)
@given(
    st.lists(st.integers(0, 2**90), min_size=1, max_size=60),
    st.lists(st.tuples(st.integers(0, 70 * 60), st.integers(0, 10**10)), max_size=20),
    st.sampled_from([ROUND, PERIOD, Reward("pplns", 1_500_000)]),
    st.none() | st.integers(1, 2**95),
)
def test_nobody_is_paid_less_than_nothing_and_all_are_paid_no_more_than_the_rewards(
    work: list[int], found: list[tuple[int, int]], reward: Reward, network_work: int | None
) -> None:
    blocks = sorted(Found(BEGIN_US + minute * 60_000_000, sat, reward) for minute, sat in found)
    each = priced(work, blocks, network_work)
    paid = sum((one * hashes for one, hashes in zip(each, work, strict=True)), Fraction(0))
    assert all(one >= 0 for one in each)
    # Parts of a step are whole hashes, so of little work a span may be paid a little too much.
    if all(hashes == 0 or hashes > 10**12 for hashes in work):
        rewards = sum(block.reward_sat for block in blocks)
        assert paid <= rewards * (1 + Fraction(1, 1000)) + 1
