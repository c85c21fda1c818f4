"""How difficult the embedded node's blocks should be, so that this machine finds one soon."""

from kench.native import scan_nonces
from kench.pool.clock import Clock

BLOCK_S = 1.5
"""One core should find a block in about this time: in five minutes a hundred have matured."""
HASHES_OF_DIFFICULTY_1 = 2.0**32
ROUNDS, ROUND_HASHES = 3, 1 << 19
DIFFICULTY_MIN, DIFFICULTY_MAX = 1e-6, 1.0


def hashes_per_s(clock: Clock) -> float:
    """Measure what one core does now: the best of a few rounds, a tenth of a second in all."""
    took_s = []
    for _ in range(ROUNDS):
        began = clock.monotonic()
        scan_nonces(bytes(76), bytes(32), 0, ROUND_HASHES)  # a target that nothing meets
        took_s.append(clock.monotonic() - began)
    return ROUND_HASHES / max(1e-9, min(took_s))


def block_difficulty_for(rate: float) -> float:
    """Return the difficulty for which `rate` hashes a second find a block in BLOCK_S."""
    wanted = rate * BLOCK_S / HASHES_OF_DIFFICULTY_1
    return float(f"{max(DIFFICULTY_MIN, min(DIFFICULTY_MAX, wanted)):.2g}")
