"""From a provider's answer to what may be done with the coins: pure, and fails closed.

Only a finished check of this very transfer, by the provider that the order names, with a score in
range and nothing that speaks against it, clears. Doubt holds, a score over the order's threshold
refuses. Refusals and what lies between the thresholds are an officer's cases.
"""

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from kench.pool.orders.rules import ScreeningRule
from kench.sale.screening.port import SCORE_BP_MAX, Check, CheckState, Transfer

GRAVE_LEVELS = frozenset({"high", "severe"})
KNOWN_LEVELS = frozenset({"none", "low", "medium", "undefined", *GRAVE_LEVELS})


class Verdict(enum.StrEnum):
    """What becomes of the coins."""

    CLEAR = "clear"
    """They may be sold."""
    OFFICER = "officer"
    """An officer decides; until then they are held."""
    REFUSE = "refuse"
    """They are not sold, and an officer gets the case."""
    HOLD = "hold"
    """Nothing is known yet; the provider is asked again."""


class Reason(enum.StrEnum):
    """Why; each is counted by its name."""

    SCORE_ALLOWS = "score_allows"
    OVER_REFUSAL = "over_refusal"
    OVER_OFFICER = "over_officer"
    ALERTED = "alerted"
    NOT_CHECKED_YET = "not_checked_yet"
    CHECK_FAILED = "check_failed"
    NO_SCORE = "no_score"
    SCORE_OUT_OF_RANGE = "score_out_of_range"
    SIGNALS_OUT_OF_RANGE = "signals_out_of_range"
    LEVEL_UNKNOWN = "level_unknown"
    LEVEL_CONTRADICTS = "level_contradicts"
    OTHER_PROVIDER = "other_provider"
    OTHER_TRANSFER = "other_transfer"
    NO_ANSWER = "no_answer"


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict and all that it rests on, to be kept for good."""

    verdict: Verdict
    reason: Reason
    words: str
    provider: str
    provider_ref: str
    score_bp: int | None
    level: str
    raw: str
    raw_sha256: bytes
    refuse_over_bp: int
    officer_over_bp: int
    order: int
    """Number of the order whose thresholds these are."""
    signals: Mapping[str, Decimal] = field(default_factory=dict)
    alerts: tuple[str, ...] = ()

    @property
    def needs_officer(self) -> bool:
        """Whether an officer gets a case."""
        return self.verdict in {Verdict.OFFICER, Verdict.REFUSE}


def decide(check: Check, transfer: Transfer, rule: ScreeningRule, order: int) -> Decision:
    """Judge a check of this transfer by the rule of this order."""
    verdict, reason, words = _judge(check, transfer, rule)
    return Decision(
        verdict=verdict,
        reason=reason,
        words=words,
        provider=check.provider,
        provider_ref=check.provider_ref,
        score_bp=check.score_bp,
        level=check.level,
        raw=check.raw,
        raw_sha256=check.raw_sha256,
        refuse_over_bp=rule.refuse_over_bp,
        officer_over_bp=rule.officer_over_bp,
        order=order,
        signals=check.signals,
        alerts=check.alerts,
    )


def no_answer(words: str, rule: ScreeningRule, order: int) -> Decision:
    """Hold, as the provider could not be asked or understood; `words` say how."""
    return Decision(
        verdict=Verdict.HOLD,
        reason=Reason.NO_ANSWER,
        words=words,
        provider=rule.provider,
        provider_ref="",
        score_bp=None,
        level="",
        raw="",
        raw_sha256=b"",
        refuse_over_bp=rule.refuse_over_bp,
        officer_over_bp=rule.officer_over_bp,
        order=order,
    )


def _judge(check: Check, transfer: Transfer, rule: ScreeningRule) -> tuple[Verdict, Reason, str]:
    """Return the first thing that speaks against the coins, else that they are clear."""
    doubt = next(_doubts(check, transfer, rule), None)
    if doubt is not None:
        return Verdict.HOLD, *doubt
    if check.score_bp is None:
        return Verdict.HOLD, Reason.NO_SCORE, "the check ended without a score"
    clear = Verdict.CLEAR, Reason.SCORE_ALLOWS, f"score {percent(check.score_bp)}"
    return next(_findings(check, check.score_bp, rule), clear)


def _doubts(check: Check, transfer: Transfer, rule: ScreeningRule) -> Iterator[tuple[Reason, str]]:
    """Yield why the answer is no ground to judge by."""
    if check.provider != rule.provider:
        yield Reason.OTHER_PROVIDER, f"answered by {check.provider}, not {rule.provider}"
    if check.reference != transfer.reference:
        yield Reason.OTHER_TRANSFER, f"the answer is about {check.reference}"
    if check.state in {CheckState.QUEUED, CheckState.CHECKING}:
        yield Reason.NOT_CHECKED_YET, f"the check is {check.state}"
    if check.state is not CheckState.CHECKED:
        yield Reason.CHECK_FAILED, "the provider could not check"
    if check.score_bp is not None and not 0 <= check.score_bp <= SCORE_BP_MAX:
        yield Reason.SCORE_OUT_OF_RANGE, f"a score of {check.score_bp} basis points"
    shares = check.signals.values()
    if not all(share.is_finite() and 0 <= share <= 1 for share in shares) or sum(shares) > 1:
        yield Reason.SIGNALS_OUT_OF_RANGE, "signals are not shares of one whole"
    if check.level not in KNOWN_LEVELS:
        yield Reason.LEVEL_UNKNOWN, f"level {check.level[:40]!r} is unknown"


def _findings(
    check: Check, score_bp: int, rule: ScreeningRule
) -> Iterator[tuple[Verdict, Reason, str]]:
    """Yield what a readable answer has against the coins, the gravest first."""
    score = percent(score_bp)
    if score_bp > rule.refuse_over_bp:
        words = f"score {score} is over {percent(rule.refuse_over_bp)}"
        yield Verdict.REFUSE, Reason.OVER_REFUSAL, words
    if score_bp > rule.officer_over_bp:
        words = f"score {score} is over {percent(rule.officer_over_bp)}"
        yield Verdict.OFFICER, Reason.OVER_OFFICER, words
    if check.alerts:
        yield Verdict.OFFICER, Reason.ALERTED, f"alerts: {', '.join(check.alerts)}"
    if check.level in GRAVE_LEVELS:
        words = f"level {check.level} beside a score of {score}"
        yield Verdict.HOLD, Reason.LEVEL_CONTRADICTS, words


def percent(basis_points: int) -> str:
    """Basis points as people read them: 7550 is 75.50 %."""
    whole, rest = divmod(basis_points, 100)
    return f"{whole}.{rest:02} %"
