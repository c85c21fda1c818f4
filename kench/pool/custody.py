"""The guard of the coins: a job's coinbase, read from its final bytes, pays the approved list.

It shares no code with what builds the coinbase: it reads the very line that miners get, byte by
byte, and asks of each amount whether it is a lawful one, instead of computing it the same way.
A job that does not pass is never sent.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from kench.pool.coinbase_outputs import Payee
from kench.pool.errors import KenchError
from kench.pool.job import Job
from kench.pool.journal.archive import ArchivedJob
from kench.pool.template import Template

COINBASE_BYTES_MAX = 750
EXTRANONCES_BYTES = 12
SCRIPT_SIG_BYTES_MAX = 100
WORTH_HAVING_SAT = 546
_COMMITMENT_BYTES = 38
_COMMITMENT_HEAD = bytes.fromhex("6a24aa21a9ed")
_INPUT_HEAD = bytes.fromhex("0200000001" + "00" * 32 + "ffffffff")


class CustodyError(KenchError):
    """A job's coinbase does not pay what the order in force says; `what` it does is said."""

    def __init__(self, what: str) -> None:
        super().__init__(f"a job was not sent, its coinbase {what}")
        self.what = what


def _refuse(what: str) -> NoReturn:
    raise CustodyError(what)


@dataclass(frozen=True, slots=True)
class CoinbaseFacts:
    """What the bytes of a coinbase say."""

    height: int
    payments: tuple[tuple[bytes, int], ...]
    """Script and satoshi of each output but the witness commitment, in their order."""
    commitment: bytes | None
    """The whole script of the witness commitment."""


class _Bytes:
    """Bytes read from the front; what is missing is a refusal."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self.place = 0

    def take(self, size: int) -> bytes:
        taken = self._raw[self.place : self.place + size]
        if len(taken) != size:
            _refuse("ends before its time")
        self.place += size
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def count(self) -> int:
        """Read a CompactSize, which has one lawful form; no coinbase of ours needs a longer one."""
        first = self.number(1)
        if first < 0xFD:
            return first
        if first > 0xFD:
            _refuse("counts beyond 65535")
        more = self.number(2)
        if more < 0xFD:
            _refuse("counts in more bytes than needed")
        return more

    @property
    def rest(self) -> int:
        return len(self._raw) - self.place


def read_coinbase(coinb1: bytes, coinb2: bytes) -> CoinbaseFacts:
    """Read a coinbase without witness from the two halves around its extranonces.

    Raises CustodyError unless it is a coinbase to the last byte, and the extranonces are the end
    of its script, where no miner can change what it pays.
    """
    size = len(coinb1) + EXTRANONCES_BYTES + len(coinb2)
    if size > COINBASE_BYTES_MAX:
        _refuse(f"has {size} bytes, more than {COINBASE_BYTES_MAX}")
    raw = _Bytes(coinb1 + bytes(EXTRANONCES_BYTES) + coinb2)
    if raw.take(len(_INPUT_HEAD)) != _INPUT_HEAD:
        _refuse("does not begin as a coinbase of version 2 with one input from nowhere")
    script_size = raw.count()
    if not 2 <= script_size <= SCRIPT_SIG_BYTES_MAX:
        _refuse(f"has a script of {script_size} bytes")
    script_end = raw.place + script_size
    if script_end - EXTRANONCES_BYTES != len(coinb1):
        _refuse("has its extranonces elsewhere than at the end of its script")
    height = _height(raw.take(script_size))
    if raw.take(4) != b"\xff\xff\xff\xff":
        _refuse("has a sequence that is not final")
    outputs = []
    for _ in range(raw.count()):
        amount_sat = raw.number(8)
        outputs.append((raw.take(raw.count()), amount_sat))
    if raw.take(4) != bytes(4):
        _refuse("has a lock time")
    if raw.rest:
        _refuse(f"goes on for {raw.rest} bytes after its end")
    return _facts(height, outputs)


def _height(script: bytes) -> int:
    """Read the height that BIP34 wants first in the script; a small one is an opcode."""
    first = script[0]
    if first == 0:
        return 0
    if 0x51 <= first <= 0x60:
        return first - 0x50
    raw = script[1 : 1 + first]
    if not 1 <= first <= 5 or len(raw) != first or raw[-1] & 0x80:
        _refuse("does not begin its script with a height")
    if raw[-1] == 0 and (first == 1 or not raw[-2] & 0x80):
        _refuse("writes its height in more bytes than needed")
    height = int.from_bytes(raw, "little")
    if height <= 16:
        _refuse("writes its height in more bytes than needed")
    return height


def _facts(height: int, outputs: Sequence[tuple[bytes, int]]) -> CoinbaseFacts:
    commitment = None
    paid = list(outputs)
    if paid and paid[-1][0].startswith(_COMMITMENT_HEAD):
        commitment, amount_sat = paid.pop()
        if amount_sat or len(commitment) != _COMMITMENT_BYTES:
            _refuse("has a witness commitment that pays, or is too long")
    return CoinbaseFacts(height, tuple(paid), commitment)


def check_job(job: Job, template: Template, payees: Sequence[Payee]) -> None:
    """See that a job pays `payees` the whole of its block by weight, and nothing else.

    What counts is what miners are sent and what the journal keeps, which must be the same bytes.
    Raises CustodyError.
    """
    coinb1, coinb2 = job.archived.coinb1, job.archived.coinb2
    for clean in (True, False):
        sent = json.loads(job.notify(clean=clean))["params"]
        if (sent[2], sent[3]) != (coinb1.hex(), coinb2.hex()):
            _refuse("is another in its line for miners than in the journal")
    facts = read_coinbase(coinb1, coinb2)
    if not facts.height == job.archived.height == template.height:
        _refuse(f"says height {facts.height}, its template {template.height}")
    if facts.commitment != template.witness_commitment:
        _refuse("commits to other transactions than its template")
    if job.archived.reward_sat != template.coinbase_value_sat:
        _refuse("is booked with another reward than its template's")
    check_payments(facts.payments, template.coinbase_value_sat, payees)


def check_archived(archived: ArchivedJob, payees: Sequence[Payee]) -> None:
    """See that a job, as a journal keeps it, pays `payees` the whole of its block by weight.

    Raises CustodyError.
    """
    facts = read_coinbase(archived.coinb1, archived.coinb2)
    if facts.height != archived.height:
        _refuse(f"says height {facts.height}, the journal {archived.height}")
    check_payments(facts.payments, archived.reward_sat, payees)


def check_payments(
    payments: Sequence[tuple[bytes, int]], reward_sat: int, payees: Sequence[Payee]
) -> None:
    """See that outputs (script, satoshi) are those that a reward becomes by weight.

    Raises CustodyError.
    """
    if not payees or any(payee.weight <= 0 for payee in payees):
        _refuse("has no approved venue to pay, or one without weight")
    approved = _worth_paying(reward_sat, payees)
    if [script for script, _ in payments] != [payee.script for payee in approved]:
        ours = {payee.script for payee in approved}
        stranger = next((script.hex() for script, _ in payments if script not in ours), None)
        _refuse(
            f"pays script {stranger}, which no approved venue has"
            if stranger is not None
            else "leaves out an approved venue, or pays one twice or out of turn"
        )
    total = sum(amount_sat for _, amount_sat in payments)
    if total != reward_sat:
        _refuse(f"pays {total} satoshi of {reward_sat}")
    _check_shares([amount_sat for _, amount_sat in payments], reward_sat, approved)


def _worth_paying(reward_sat: int, payees: Sequence[Payee]) -> list[Payee]:
    """Return whom a reward is worth dividing among, by name: the most of the heaviest."""
    heaviest = sorted(payees, key=lambda one: (-one.weight, one.venue, one.script))
    most = len(heaviest)
    while most > 1:
        weights = sum(payee.weight for payee in heaviest[:most])
        if reward_sat * heaviest[most - 1].weight >= WORTH_HAVING_SAT * weights:
            break
        most -= 1
    return sorted(heaviest[:most], key=lambda one: (one.venue, one.script))


def _check_shares(amounts_sat: Sequence[int], reward_sat: int, approved: Sequence[Payee]) -> None:
    """See that each share is its quota, rounded down, or up where no other has more left over."""
    weights = sum(payee.weight for payee in approved)
    # How far each share lies above its quota, in parts of a satoshi: 0 at most where it was
    # rounded down, above that where it was rounded up.
    over = [
        amount_sat * weights - reward_sat * payee.weight
        for amount_sat, payee in zip(amounts_sat, approved, strict=True)
    ]
    for payee, excess in zip(approved, over, strict=True):
        if not -weights < excess < weights:
            _refuse(f"does not pay venue {payee.venue} by its weight")
    # Rounded up means a remainder of weights - excess, rounded down one of -excess.
    raised = [(excess, i) for i, excess in enumerate(over) if excess > 0]
    lowered = [(excess + weights, i) for i, excess in enumerate(over) if excess <= 0]
    if raised and lowered and max(raised) > min(lowered):
        _refuse("gives the last satoshi to another venue than that with the largest remainder")
