"""Transfers of blocks: what one line is, what it is called, and which lines a block must have."""

import enum
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kench.payouts.accounts import COINBASE, Asset, participant_btc
from kench.payouts.lines import LedgerLine

_ID_DOMAIN = b"kench transfer 1"


class Kind(enum.StrEnum):
    """What a transfer does with its amount."""

    PEND = "pend"
    POST = "post"
    VOID = "void"


class Done(enum.Enum):
    """Whether an operation wrote transfers or found that it had been done."""

    CREATED = "created"
    EXISTS = "exists"


class BlockState(enum.StrEnum):
    """What became of a found block."""

    PENDING = "pending"
    MATURE = "mature"
    ORPHANED = "orphaned"


@dataclass(frozen=True, slots=True)
class Transfer:
    """One line: `amount_sat` from one account's debit to another's credit.

    A post or void names the pend that it settles and repeats the rest of it.
    """

    id: bytes
    kind: Kind
    pending_id: bytes | None
    debit_account: str
    credit_account: str
    amount_sat: int
    block_hash: str
    attempt: int

    def row(self) -> LedgerLine:
        """Return it as `transfers` has it, where lines are of more than blocks."""
        return LedgerLine(
            self.id,
            self.kind.value,
            self.pending_id,
            Asset.BTC.value,
            self.debit_account,
            self.credit_account,
            self.amount_sat,
            "block",
            self.block_hash,
            self.block_hash,
            self.attempt,
        )


def transfer_id(kind: Kind, block_hash: str, attempt: int, participant_id: int) -> bytes:
    """Return the 32-byte id that this transfer has wherever and whenever it is made.

    SHA-256 over a domain name and parts of fixed size (the kind padded to 8 bytes), so that no
    two sets of parts read the same.
    """
    parts = (
        _ID_DOMAIN,
        kind.value.encode().ljust(8, b"\0"),
        bytes.fromhex(block_hash),
        attempt.to_bytes(4, "little"),
        participant_id.to_bytes(8, "little"),
    )
    return hashlib.sha256(b"".join(parts)).digest()


def transfers_of(
    kind: Kind, block_hash: str, attempt: int, amounts_sat: Mapping[int, int]
) -> Iterator[Transfer]:
    """Yield the lines by which one attempt of a block is pended, posted or voided.

    `amounts_sat` is satoshi by participant id; who is due nothing gets no line.
    """
    for participant_id, amount_sat in sorted(amounts_sat.items()):
        if amount_sat:
            yield Transfer(
                id=transfer_id(kind, block_hash, attempt, participant_id),
                kind=kind,
                pending_id=None
                if kind is Kind.PEND
                else transfer_id(Kind.PEND, block_hash, attempt, participant_id),
                debit_account=COINBASE,
                credit_account=participant_btc(participant_id),
                amount_sat=amount_sat,
                block_hash=block_hash,
                attempt=attempt,
            )


def expected_transfers(
    block_hash: str, state: BlockState, attempts: int, amounts_sat: Mapping[int, int]
) -> Iterator[Transfer]:
    """Yield every line that a block of this state must have after this many attempts."""
    for attempt in range(1, attempts + 1):
        yield from transfers_of(Kind.PEND, block_hash, attempt, amounts_sat)
        if attempt < attempts or state is BlockState.ORPHANED:
            yield from transfers_of(Kind.VOID, block_hash, attempt, amounts_sat)
        elif state is BlockState.MATURE:
            yield from transfers_of(Kind.POST, block_hash, attempt, amounts_sat)
