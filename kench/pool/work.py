"""Difficulty, target and work: exact integers behind the numbers that miners are sent.

A difficulty is the IEEE double that stood in `mining.set_difficulty`. Its target is
floor(0xFFFF * 2**208 / difficulty) by rational arithmetic, its work the expected number of hashes,
floor(2**256 / (target + 1)). Nothing that is credited passes through floating point arithmetic.
"""

import math
from decimal import Decimal
from functools import lru_cache

from kench.pool.bitcoin import MAX_TARGET

DIFFICULTY_1_TARGET = 0xFFFF << 208
# The easiest difficulty that any hash meets: about 2.3e-10.
EASIEST_DIFFICULTY = DIFFICULTY_1_TARGET / MAX_TARGET


@lru_cache(maxsize=4096)
def target_of(difficulty: float) -> int:
    """Return the largest hash, as an integer, that meets `difficulty` (0 < difficulty < inf)."""
    if not (difficulty > 0 and math.isfinite(difficulty)):
        raise ValueError(f"a difficulty is a positive number, not {difficulty}")
    numerator, denominator = difficulty.as_integer_ratio()
    return min(DIFFICULTY_1_TARGET * denominator // numerator, MAX_TARGET)


@lru_cache(maxsize=4096)
def target_le_of(difficulty: float) -> bytes:
    """Return `target_of` as it is compared with hashes: 32 bytes, little-endian."""
    return target_of(difficulty).to_bytes(32, "little")


def work_of_target(target: int) -> int:
    """Return the expected number of hashes to meet `target`."""
    return (MAX_TARGET + 1) // (target + 1)


@lru_cache(maxsize=4096)
def work_of(difficulty: float) -> int:
    """Return the work, in hashes, that a share at `difficulty` is credited."""
    return work_of_target(target_of(difficulty))


def difficulty_of_target(target: int) -> float:
    """Return the greatest double whose own target is not below `target`.

    Rounded towards easier, so that a miner held to it never withholds a hash that meets `target`
    (A8.14).
    """
    difficulty = DIFFICULTY_1_TARGET / target
    while target_of(difficulty) < target:
        difficulty = math.nextafter(difficulty, 0.0)
    return difficulty


def settle_difficulty(difficulty: float, lowest: float, highest: float) -> float:
    """Return the difficulty to send for one wished for: within bounds, integral from 1 up (A6.2).

    `highest` wins over `lowest`: it is the network's, and nothing may be harder than that.
    """
    bounded = min(max(difficulty, lowest), highest)
    return float(math.floor(bounded)) if bounded >= 1 else bounded


def wire_difficulty(difficulty: float) -> str:
    """Spell a difficulty as a JSON number: integers without a point, never an exponent (A6.2)."""
    if difficulty.is_integer():
        return str(int(difficulty))
    return format(Decimal(repr(difficulty)), "f")
