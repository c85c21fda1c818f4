"""What a block pays to the approved venues: its reward by their weights, and how many fit.

The whole parts of reward * weight / weights go to each, what is left goes satoshi by satoshi to
the largest remainders; ties by the venue's name. An output below DUST_SAT would cost more to
spend than it brings: the lightest venues are left out, one after the other, until every output
is worth having, and the others share the whole by their weights. The heaviest always stays, also
where a block pays next to nothing.
"""

from collections.abc import Sequence
from typing import Protocol

from kench.pool.bitcoin import compact_size
from kench.pool.coinbase import MAX_COINBASE_BYTES, CoinbaseError, Output

# What Core calls dust at its default fee, for the dearest kind of output.
DUST_SAT = 546
# All but the outputs that pay: version, input with a script of the 100 bytes that consensus
# allows, sequence, lock time, and the witness commitment's output.
_FIXED_BYTES = 4 + 1 + 36 + 1 + 100 + 4 + 4 + (8 + 1 + 38)


class Payee(Protocol):
    """A venue with the script that its share of each block goes to."""

    @property
    def venue(self) -> str:
        """The venue's name."""
        ...

    @property
    def weight(self) -> int:
        """Its part of each block, against the weights of the others."""
        ...

    @property
    def script(self) -> bytes:
        """What its outputs pay."""
        ...


def outputs_by_weight(reward_sat: int, payees: Sequence[Payee]) -> tuple[Output, ...]:
    """Return the outputs of a block of that reward, by venue; their sum is the reward.

    Whatever the order of `payees`, the outputs are the same. Raises CoinbaseError for none of
    them, or for a weight that is not positive.
    """
    if not payees or min(payee.weight for payee in payees) <= 0:
        raise CoinbaseError("a block pays at least one venue, and each by a weight above 0")
    if reward_sat < 0:
        raise CoinbaseError("a block's reward is never negative")
    paid = sorted(payees, key=lambda one: (-one.weight, one.venue, one.script))
    weights = sum(payee.weight for payee in paid)
    while len(paid) > 1 and reward_sat * paid[-1].weight // weights < DUST_SAT:
        weights -= paid.pop().weight
    parts = [divmod(reward_sat * payee.weight, weights) for payee in paid]
    left = reward_sat - sum(whole for whole, _ in parts)
    # Stable: where remainders are equal the venue's name decides, as it stands below.
    named = sorted(zip(paid, parts, strict=True), key=lambda one: (one[0].venue, one[0].script))
    dearest = sorted(range(len(named)), key=lambda i: -named[i][1][1])[:left]
    return tuple(
        Output(payee.script, whole + (i in dearest)) for i, (payee, (whole, _)) in enumerate(named)
    )


def coinbase_bytes_max(scripts: Sequence[bytes]) -> int:
    """Return how long a coinbase that pays these scripts can become, whatever its block says."""
    outputs = sum(8 + len(compact_size(len(script))) + len(script) for script in scripts)
    return _FIXED_BYTES + len(compact_size(len(scripts) + 1)) + outputs


def check_coinbase_fits(scripts: Sequence[bytes]) -> None:
    """See that a coinbase which pays all these scripts fits miners' firmware at any height.

    Raises CoinbaseError, which says by how much it does not.
    """
    size = coinbase_bytes_max(scripts)
    if size > MAX_COINBASE_BYTES:
        raise CoinbaseError(
            f"a coinbase that pays {len(scripts)} scripts may need {size} bytes, "
            f"{size - MAX_COINBASE_BYTES} over the {MAX_COINBASE_BYTES} that miners take: "
            "approve fewer venues, or addresses with shorter scripts"
        )
