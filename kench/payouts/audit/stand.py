"""Where the booked blocks stand on the nodes' chain, against what the books make of them."""

from collections.abc import Iterable
from typing import Any

from kench.payouts.audit.report import Progress, Report
from kench.payouts.follow import Action, Chain, Followed, decide
from kench.payouts.transfers import BlockState


def compare_with_chain(
    rows: Iterable[Any],
    chain: Chain,
    maturity_confirmations: int,
    report: Report,
    progress: Progress,
) -> None:
    """Judge each row of `blocks` by its confirmations.

    What settlement still has to do on a block that it follows is no difference: the chain may have
    moved this second, or settlement may have been stopped before it saw. Such blocks are counted
    as waiting. A mature block must be as deep as maturity asks, whoever follows it.

    Raises what the chain raises where no node can be asked.
    """
    ordered = sorted(rows, key=lambda row: (row.height, row.hash))
    for done, row in enumerate(ordered):
        progress("asking the chain", done, len(ordered))
        view = chain.header(row.hash)
        block = Followed(
            row.hash,
            row.height,
            BlockState(row.state),
            row.attempts,
            row.alarm,
            awaits_day=row.day is not None and not row.credits,
        )
        action = decide(block, view.confirmations, view.tip.height, maturity_confirmations)
        stands = _stand_in_words(view.confirmations)
        if view.height not in {None, row.height}:
            report.differ(f"block {row.hash} is booked at {row.height}, but is at {view.height}")
        if block.state is BlockState.MATURE:
            if (view.confirmations or 0) < maturity_confirmations:
                report.differ(f"block {row.hash} is mature in the books, but {stands}")
        elif action in {Action.PEND, Action.POST, Action.VOID}:
            if row.followed:
                report.waiting_blocks += 1
            else:
                report.differ(
                    f"block {row.hash} is {block.state} and followed no more, but {stands}"
                )


def _stand_in_words(confirmations: int | None) -> str:
    if confirmations is None:
        return "no node knows it"
    if confirmations < 0:
        return "it is off the best chain"
    return f"it has {confirmations} confirmations"
