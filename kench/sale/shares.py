"""Whose satoshi are in a lot: a block's credits split over its outputs, exact both ways."""

from collections.abc import Mapping, Sequence

from kench.payouts.split import split
from kench.pool.errors import KenchError


class SharesDisagreeError(KenchError):
    """A block's outputs and its credits are not the same satoshi."""


def shares_of_outputs(
    outputs_sat: Sequence[int], credits_sat: Mapping[int, int]
) -> list[dict[int, int]]:
    """Return for each output the satoshi of each participant, leaving out those of none.

    Each output in turn is split by what is left of each credit, so that the shares of an output sum
    to it and the shares of a participant to its credit. Raises SharesDisagreeError.
    """
    if sum(outputs_sat) != sum(credits_sat.values()):
        raise SharesDisagreeError(
            f"a block's outputs are {sum(outputs_sat)} sat and its credits "
            f"{sum(credits_sat.values())} sat: run `kench verify`"
        )
    left = dict(credits_sat)
    lots = []
    for output_sat in outputs_sat:
        # A share is never above what is left: the odd satoshi goes where the quota has a fraction.
        shares = split(output_sat, left) if output_sat else {}
        for participant_id, share_sat in shares.items():
            left[participant_id] -= share_sat
        lots.append({who: share_sat for who, share_sat in sorted(shares.items()) if share_sat})
    return lots


def with_carried(shares_sat: Mapping[int, int], carried_sat: Mapping[int, int]) -> dict[int, int]:
    """Return a lot's shares with the remainders of earlier lots that it takes along."""
    whole = dict(shares_sat)
    for participant_id, share_sat in carried_sat.items():
        whole[participant_id] = whole.get(participant_id, 0) + share_sat
    return dict(sorted(whole.items()))
