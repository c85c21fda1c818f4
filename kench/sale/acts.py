"""What officers may do with a lot: release, resume, write off; two of them sign a resolution.

A resolution is a small JSON document that names the lot, the version it is about and why. It moves
that version and no other: what happened in between makes it void, and it cannot be used twice.
"""

import json
import re
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa

from kench.payouts.postings import write
from kench.pool.errors import KenchError
from kench.pool.moments import moment_of
from kench.sale import tables
from kench.sale.entries import write_off_lines
from kench.sale.lots import Lot, LotKey, leave_rest, move, read_lot
from kench.sale.machine import STUCK, Actor, LotState

DOCUMENT_BYTES_MAX = 4096
WHY_CHARACTERS_MAX = 400
_LOT = re.compile(r"([0-9a-f]{64}):([0-9]{1,9})")
_KEYS = {"kench_resolution", "act", "lot", "version", "why"}


class Act(StrEnum):
    """What a resolution does."""

    RELEASE = "release"
    """A lot that the AML provider held or refused may be sold."""
    RESUME = "resume"
    """A sale that stands still goes on."""
    WRITE_OFF = "write-off"
    """What is unsold of a lot is owed to nobody any more; what was sold of it is settled."""


FROM_STATES = {
    Act.RELEASE: frozenset({LotState.HELD, LotState.REFUSED}),
    Act.RESUME: frozenset({LotState.HALTED, LotState.VENUE_DISAGREES}),
    Act.WRITE_OFF: STUCK,
}


class ResolutionError(KenchError):
    """A resolution cannot be read, or cannot be carried out on this lot."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a document says."""

    act: Act
    lot: LotKey
    version: int
    why: str


@dataclass(frozen=True, slots=True)
class Approval:
    """One officer's signature over the document, checked before it comes here."""

    pin: str
    signature: bytes


def document_of(lot: Lot, act: Act, why: str) -> bytes:
    """Return the bytes that two officers sign; raises ResolutionError where it would be void."""
    _check_state(lot, act)
    content = {
        "kench_resolution": 1,
        "act": act.value,
        "lot": f"{lot.block_hash}:{lot.vout}",
        "version": lot.version,
        "why": why,
    }
    document = json.dumps(content, ensure_ascii=False, indent=1).encode() + b"\n"
    read_document(document)
    return document


def read_document(document: bytes) -> Resolution:
    """Read a resolution strictly; raises ResolutionError."""
    if len(document) > DOCUMENT_BYTES_MAX:
        raise ResolutionError(f"a resolution has {DOCUMENT_BYTES_MAX} bytes at most")
    try:
        content = json.loads(document, parse_float=_refuse, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ResolutionError(f"the resolution is no JSON: {error}; draft it anew") from error
    if not isinstance(content, dict) or content.keys() != _KEYS:
        raise ResolutionError(f"a resolution holds exactly {', '.join(sorted(_KEYS))}")
    lot = _LOT.fullmatch(content["lot"]) if isinstance(content["lot"], str) else None
    version, why = content["version"], content["why"]
    if content["kench_resolution"] != 1 or lot is None or type(version) is not int:
        raise ResolutionError("the resolution's form, lot or version is none; draft it anew")
    if not isinstance(why, str) or not 0 < len(why.strip()) <= WHY_CHARACTERS_MAX:
        raise ResolutionError(f"a resolution says why, in {WHY_CHARACTERS_MAX} characters at most")
    if content["act"] not in [act.value for act in Act]:
        raise ResolutionError(f"a resolution's act is one of {', '.join(Act)}")
    return Resolution(Act(content["act"]), LotKey(lot[1], int(lot[2])), version, why)


def carry_out(
    connection: sa.Connection, document: bytes, first: Approval, second: Approval, at_us: int
) -> Lot:
    """Do what two different officers signed, and keep it; return the lot as it is then."""
    resolution = read_document(document)
    if first.pin == second.pin:
        raise ResolutionError("a resolution needs two different officers")
    lot = read_lot(connection, resolution.lot, lock=True)
    if lot.version != resolution.version:
        raise ResolutionError(
            f"the resolution is about version {resolution.version} of the lot, which is at version "
            f"{lot.version} ({lot.state}): look at it again and draft another"
        )
    _check_state(lot, resolution.act)
    connection.execute(
        sa.insert(tables.lot_resolutions),
        {
            **lot.key._asdict(),
            "version": lot.version,
            "act": resolution.act.value,
            "document": document,
            "signature_1": first.signature,
            "signature_2": second.signature,
            "pin_1": first.pin,
            "pin_2": second.pin,
            "at": moment_of(at_us),
        },
    )
    if resolution.act is Act.WRITE_OFF:
        left_sat = leave_rest(connection, lot, "written_off")
        write(connection, write_off_lines(lot, left_sat))
    move(connection, lot, _end_of(resolution.act, lot), resolution.why, at_us,
         actor=Actor.OFFICERS, who=f"officers {first.pin} and {second.pin}")  # fmt: skip
    return read_lot(connection, lot.key)


def _end_of(act: Act, lot: Lot) -> LotState:
    if act is Act.RELEASE:
        return LotState.CLEARED
    if act is Act.RESUME:
        return LotState.SELLING
    return LotState.SOLD if lot.sold_sat else LotState.WRITTEN_OFF


def _check_state(lot: Lot, act: Act) -> None:
    if lot.state not in FROM_STATES[act]:
        states = ", ".join(sorted(FROM_STATES[act]))
        raise ResolutionError(f"a lot that is {lot.state} has no {act}: only {states} have")
    if act is Act.WRITE_OFF and lot.open_sat:
        raise ResolutionError(
            f"{lot.open_sat} sat of the lot are on offer and nobody knows yet what became of it: "
            "wait until the venue tells (`kench lot show`)"
        )


def _refuse(text: str) -> None:
    raise ValueError(f"{text} is no number of ours")
