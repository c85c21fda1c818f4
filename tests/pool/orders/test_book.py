"""At any height or moment the newest effective order is in force, section by section."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.pool.orders.book import (
    AHEAD_BLOCKS_MAX,
    AHEAD_US_MAX,
    NOTICE_BLOCKS,
    NoOrderError,
    OrderBook,
    OrderConflictError,
    OrderLateError,
    OrderRefusedError,
)
from kench.pool.orders.rules import InForce, Reward, Section
from tests.support.orders import DEMO_RULES, LICENCE, MOMENT_US, book_of, document

SECOND_US = 1_000_000
VENUES = {"venues": DEMO_RULES["venues"]}
LICENCES = {"licences": DEMO_RULES["licences"]}


def fee(ppm: int) -> dict[str, Any]:
    return {"fee": {"pool_ppm": ppm}}


def payout(tyiyn: int) -> dict[str, Any]:
    return {"payout": {"threshold_tyiyn": tyiyn}}


def test_before_any_order_blocks_are_split_by_rounds_and_nothing_else_is_known() -> None:
    book = OrderBook()
    assert (book.newest, book.network) == (0, None)
    assert book.reward_at(1) == InForce(0, Reward("round"))
    asked = (
        lambda: book.fee_at(1), lambda: book.venues_at(1),
        lambda: book.licence_of("paper", 0), lambda: book.screening_at(0),
        lambda: book.sale_at(0), lambda: book.payout_at(0),
    )  # fmt: skip
    for ask in asked:
        with pytest.raises(NoOrderError, match="kench order"):
            ask()


def test_an_order_is_in_force_from_its_point_on_and_not_before() -> None:
    book = book_of((100, fee(5)))
    with pytest.raises(NoOrderError, match=r"fee at height 99, order 1 does from height 100"):
        book.fee_at(99)
    assert book.fee_at(100).order == book.fee_at(10**6).order == 1
    assert book.reward_at(100).order == 0


def test_an_order_leaves_sections_that_it_does_not_hold() -> None:
    book = book_of((1, DEMO_RULES), (50, fee(7)))
    assert (book.fee_at(49).order, book.fee_at(50).order) == (1, 2)
    assert book.venues_at(50).order == book.payout_at(MOMENT_US).order == 1
    assert book.network == "regtest"


def test_a_licence_is_known_only_while_it_is_in_force() -> None:
    book = book_of()
    found = book.licence_of("paper", MOMENT_US)
    assert found is not None
    assert (found.order, found.rule.number) == (1, "L-1")
    assert book.licence_of("other", MOMENT_US) is None
    assert book.licence_of("paper", found.rule.until_us) is None
    assert book.licences_at(found.rule.until_us).rule == (found.rule,)
    with pytest.raises(NoOrderError, match=r"licences at 2025-12-31T23:59:59\.999999"):
        book.licence_of("paper", MOMENT_US - 1)


def test_a_gap_in_the_numbers_a_second_network_and_a_venue_without_licence_are_refused() -> None:
    book = book_of()
    with pytest.raises(OrderRefusedError, match="must be 2"):
        book.followed_by(document(3, fee(1)))
    with pytest.raises(OrderRefusedError, match="must be 2"):
        book.followed_by(document(1, fee(1)))
    with pytest.raises(OrderRefusedError, match="network main"):
        book.followed_by(document(2, fee(1), network="main"))
    with pytest.raises(OrderRefusedError, match="venue paper, which has no licence"):
        OrderBook.of([document(1, VENUES)])
    assert OrderBook.of([document(1, LICENCES), document(2, VENUES)]).newest == 2


def test_a_conflict_names_the_section_and_both_orders() -> None:
    book = book_of((100, fee(1)))
    with pytest.raises(OrderConflictError, match=r"order 2 .* fee .* 99, before order 1 .* 100"):
        book.followed_by(document(2, fee(2), height=99))
    assert book.followed_by(document(2, {"reward": {"method": "period"}}, height=99)).newest == 2
    corrected = book.followed_by(document(2, fee(2), height=100))
    assert corrected.fee_at(100).order == 2


def test_an_order_for_what_is_past_or_a_year_ahead_is_refused() -> None:
    book, now = OrderBook(), MOMENT_US
    for height, said in ((100, "already"), (99, "already"), (101 + AHEAD_BLOCKS_MAX, "year")):
        with pytest.raises(OrderLateError, match=said):
            book.accept(document(1, fee(1), height=height), tip_height=100, now_us=now)
    for moment, said in ((now, "already"), (now + AHEAD_US_MAX + SECOND_US, "year")):
        with pytest.raises(OrderLateError, match=said):
            book.accept(document(1, payout(1), moment_us=moment), tip_height=100, now_us=now)
    accepted = book.accept(
        document(1, fee(1) | payout(1), height=101, moment_us=now + SECOND_US),
        tip_height=100, now_us=now,
    )  # fmt: skip
    assert accepted.newest == 1


REWARD = {"reward": {"method": "period"}}


@pytest.mark.parametrize("rules", [VENUES, REWARD])
def test_venues_and_reward_change_only_with_notice_since_miners_work_at_the_next_block(
    rules: dict[str, Any],
) -> None:
    book, now = book_of((50, VENUES | LICENCES | REWARD)), MOMENT_US
    soon = 100 + NOTICE_BLOCKS
    for height in (101, soon):
        with pytest.raises(OrderLateError, match=rf"work at 101 already.* above {soon}"):
            book.accept(document(2, rules, height=height), tip_height=100, now_us=now)
    assert book.accept(document(2, rules, height=soon + 1), tip_height=100, now_us=now)
    assert book.accept(document(2, fee(1), height=101), tip_height=100, now_us=now)
    first = OrderBook.of([document(1, LICENCES)])
    assert first.accept(document(2, rules, height=101), tip_height=100, now_us=now)


def test_a_venue_whose_licence_has_ended_is_not_approved_anew() -> None:
    ended = {"licences": [LICENCE | {"until": "2026-01-02"}]}
    book, now = OrderBook.of([document(1, ended)]), MOMENT_US + 2 * 86_400 * SECOND_US
    with pytest.raises(OrderRefusedError, match="has ended"):
        book.accept(document(2, VENUES, height=2), tip_height=1, now_us=now)
    # Old orders are loaded long after, and stay.
    assert book.followed_by(document(2, VENUES)).newest == 2


sections = {
    "fee": fee(1),
    "reward": {"reward": {"method": "pplns", "window_ppm": 1}},
    "venues": VENUES | LICENCES,
    "payout": payout(1),
    "screening": {"screening": DEMO_RULES["screening"]},
}
steps = st.lists(
    st.tuples(st.sets(st.sampled_from(sorted(sections)), min_size=1), st.integers(1, 30)),
    max_size=12,
)


@given(steps, st.integers(0, 31))
def test_the_newest_effective_order_of_a_section_is_in_force(
    orders: list[tuple[set[str], int]], at: int
) -> None:
    """Orders that conflict are refused and leave the book as it was."""
    book, accepted = OrderBook(), list[tuple[frozenset[Section], int]]()
    for names, point in orders:
        rules: dict[str, Any] = {}
        for name in names:
            rules |= sections[name]
        order = document(
            book.newest + 1, rules, height=point, moment_us=MOMENT_US + point * SECOND_US
        )
        held = frozenset(order.rules.held())
        latest = {s: p for sections_, p in accepted for s in sections_}
        if any(point < latest.get(section, 0) for section in held):
            with pytest.raises(OrderConflictError):
                book.followed_by(order)
            continue
        before = book
        book = book.followed_by(order)
        assert len(before.documents) == len(accepted)
        accepted.append((held, point))
    assert OrderBook.of(book.documents) == book
    for section in Section:
        point = at if section.by_height else MOMENT_US + at * SECOND_US
        effective = [
            number
            for number, (held, start) in enumerate(accepted, start=1)
            if section in held and start <= at
        ]
        found = book.in_force(section, point)
        assert (found.order if found else 0) == max(effective, default=0)


@given(steps, st.integers(1, 30))
def test_a_further_order_changes_nothing_before_its_point(
    orders: list[tuple[set[str], int]], at: int
) -> None:
    book = OrderBook()
    for names, point in orders:
        rules: dict[str, Any] = {}
        for name in names:
            rules |= sections[name]
        try:
            after = book.accept(
                document(book.newest + 1, rules, height=point + at,
                         moment_us=MOMENT_US + (point + at) * SECOND_US),
                tip_height=at, now_us=MOMENT_US + at * SECOND_US,
            )  # fmt: skip
        except (OrderConflictError, OrderLateError):
            continue
        for section in Section:
            now = at if section.by_height else MOMENT_US + at * SECOND_US
            assert after.in_force(section, now) == book.in_force(section, now)
        book = after
