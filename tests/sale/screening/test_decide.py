"""What a provider's answer allows: only a whole, matching, low answer clears."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.pool.orders.rules import ScreeningRule
from kench.sale.screening.decide import Reason, Verdict, decide, no_answer, percent
from kench.sale.screening.port import Check, CheckState, Transfer

TRANSFER = Transfer("ab" * 32, 1, "bcrt1qtest", 312_500_000)


RULE = ScreeningRule("local", refuse_over_bp=7500, officer_over_bp=5000)
CHECK = Check(
    state=CheckState.CHECKED,
    score_bp=100,
    level="low",
    provider="local",
    provider_ref="c1",
    reference=TRANSFER.reference,
    raw="{}",
    raw_sha256=b"\1" * 32,
    signals={"miner": Decimal(1)},
)


def test_a_clean_answer_clears_and_keeps_what_it_rests_on() -> None:
    decision = decide(CHECK, TRANSFER, RULE, 7)
    assert (decision.verdict, decision.reason) == (Verdict.CLEAR, Reason.SCORE_ALLOWS)
    assert not decision.needs_officer
    kept = (decision.provider, decision.provider_ref, decision.raw_sha256, decision.order)
    assert kept == ("local", "c1", b"\1" * 32, 7)
    assert (decision.refuse_over_bp, decision.officer_over_bp) == (7500, 5000)


@pytest.mark.parametrize(
    ("changes", "verdict", "reason"),
    [
        ({"score_bp": 5000}, Verdict.CLEAR, Reason.SCORE_ALLOWS),
        ({"score_bp": 5001}, Verdict.OFFICER, Reason.OVER_OFFICER),
        ({"score_bp": 7500}, Verdict.OFFICER, Reason.OVER_OFFICER),
        ({"score_bp": 7501}, Verdict.REFUSE, Reason.OVER_REFUSAL),
        ({"score_bp": 10_000}, Verdict.REFUSE, Reason.OVER_REFUSAL),
        ({"score_bp": None}, Verdict.HOLD, Reason.NO_SCORE),
        ({"score_bp": 10_001}, Verdict.HOLD, Reason.SCORE_OUT_OF_RANGE),
        ({"score_bp": -1}, Verdict.HOLD, Reason.SCORE_OUT_OF_RANGE),
        ({"state": CheckState.QUEUED}, Verdict.HOLD, Reason.NOT_CHECKED_YET),
        ({"state": CheckState.CHECKING}, Verdict.HOLD, Reason.NOT_CHECKED_YET),
        ({"state": CheckState.FAILED}, Verdict.HOLD, Reason.CHECK_FAILED),
        ({"alerts": ("sanctions",)}, Verdict.OFFICER, Reason.ALERTED),
        ({"alerts": ("x",), "score_bp": 9000}, Verdict.REFUSE, Reason.OVER_REFUSAL),
        ({"level": "severe"}, Verdict.HOLD, Reason.LEVEL_CONTRADICTS),
        ({"level": "fine"}, Verdict.HOLD, Reason.LEVEL_UNKNOWN),
        ({"signals": {"a": Decimal("0.6"), "b": Decimal("0.6")}}, Verdict.HOLD,
         Reason.SIGNALS_OUT_OF_RANGE),
        ({"signals": {"a": Decimal(-1)}}, Verdict.HOLD, Reason.SIGNALS_OUT_OF_RANGE),
        ({"signals": {"a": Decimal("NaN")}}, Verdict.HOLD, Reason.SIGNALS_OUT_OF_RANGE),
        ({"provider": "another"}, Verdict.HOLD, Reason.OTHER_PROVIDER),
        ({"reference": f"{TRANSFER.txid}:0"}, Verdict.HOLD, Reason.OTHER_TRANSFER),
    ],
)  # fmt: skip
def test_each_answer_has_its_verdict(
    changes: dict[str, object], verdict: Verdict, reason: Reason
) -> None:
    decision = decide(replace(CHECK, **changes), TRANSFER, RULE, 1)  # type: ignore[arg-type]
    assert (decision.verdict, decision.reason) == (verdict, reason)


def test_no_answer_holds() -> None:
    decision = no_answer("it timed out", RULE, 3)
    assert (decision.verdict, decision.reason) == (Verdict.HOLD, Reason.NO_ANSWER)
    assert (decision.words, decision.order) == ("it timed out", 3)


@given(
    st.integers(0, 10_000), st.integers(0, 10_000), st.integers(0, 10_000), st.integers(0, 10_000)
)
def test_a_higher_score_is_never_judged_more_mildly(
    low: int, high: int, officer: int, refuse: int
) -> None:
    rule = ScreeningRule(
        "local", officer_over_bp=min(officer, refuse), refuse_over_bp=max(officer, refuse)
    )
    order = [Verdict.CLEAR, Verdict.OFFICER, Verdict.REFUSE]
    verdicts = [
        decide(replace(CHECK, score_bp=score), TRANSFER, rule, 1).verdict
        for score in sorted((low, high))
    ]
    assert order.index(verdicts[0]) <= order.index(verdicts[1])


def test_percent_is_read_by_people() -> None:
    assert [percent(points) for points in (0, 7, 7550, 10_000)] == [
        "0.00 %", "0.07 %", "75.50 %", "100.00 %",
    ]  # fmt: skip
