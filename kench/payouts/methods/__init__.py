"""Reward methods: which work a block pays, as pure functions over work credits.

A credit is the work of a share or of several, in hashes, and the participant whose it is. What the
authorised body chooses between is `round`, `pplns` and `period`, a module each; how a reward is
split by the work that a method chose is the same for all (`kench.payouts.split`).
"""

from collections.abc import Iterable

Credit = tuple[int, int]
"""A participant id and work in hashes."""


def work_of_credits(credited: Iterable[Credit]) -> dict[int, int]:
    """Return the work of each participant; who has none is not in it."""
    work_hashes: dict[int, int] = {}
    for participant_id, work in credited:
        if work < 0:
            raise ValueError("work is never negative")
        if work:
            work_hashes[participant_id] = work_hashes.get(participant_id, 0) + work
    return work_hashes
