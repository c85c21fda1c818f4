"""A block from a participant's work to its som, and the proof of it."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from kench.cabinet.numbers.earnings import BlockEarned, read_block
from kench.cabinet.numbers.steps import read_steps
from kench.cabinet.web.acting import Acting, render_room
from kench.cabinet.web.downloads import file_response
from kench.cabinet.web.making import Turn
from kench.cabinet.web.money import LOT_STATES, METHODS, STAGES
from kench.cabinet.web.rooms.earnings import HASH
from kench.cabinet.web.visit import CabinetHere, VisitHere
from kench.payouts.proofs.giving import make_proof
from kench.payouts.proofs.making import NoManifestError
from kench.payouts.proofs.proof import Proof

room = APIRouter()

BlockHash = Annotated[str, Path(pattern=HASH)]


def own_block(acting: Acting, cabinet: CabinetHere, block_hash: BlockHash) -> BlockEarned:
    """Return the block; 404 where the participant has no part of it."""
    with cabinet.engine.connect() as db:
        found = read_block(db, acting.participant_id, block_hash)
    if found is None:
        raise HTTPException(404)
    return found


BlockHere = Annotated[BlockEarned, Depends(own_block)]


@room.get("/p/{participant_id}/blocks/{block_hash}")
def show_block(
    request: Request, visit: VisitHere, cabinet: CabinetHere, acting: Acting, block: BlockHere
) -> Response:
    """Show it, step by step."""
    with cabinet.engine.connect() as db:
        steps = read_steps(db, acting.participant_id, block)
    return render_room(
        request, visit, acting, "money/block.html",
        block=block, steps=steps, lot_states=LOT_STATES, stage=STAGES[block.stage],
        methods=METHODS, maturity=cabinet.settings.maturity_confirmations,
    )  # fmt: skip


def own_proof(acting: Acting, cabinet: CabinetHere, turn: Turn, block: BlockHere) -> Proof:
    """Return the proof of the block; 404 where there is none."""
    with turn, cabinet.engine.connect() as db:
        try:
            return make_proof(db, block.hash, acting.participant_id)
        except NoManifestError as error:
            raise HTTPException(404) from error


ProofHere = Annotated[Proof, Depends(own_proof)]


@room.get("/p/{participant_id}/blocks/{block_hash}/proof")
def check_proof(request: Request, visit: VisitHere, acting: Acting, proof: ProofHere) -> Response:
    """Check the proof as anybody would, and show what was checked."""
    # What the file says by itself, not the books.
    checked = Proof.read(proof.line())
    command = f"kench check-proof {_file_name(checked)} --key {checked.manifest.key.hex()}"
    height = checked.manifest.block.height
    shares = f"kench proof shares {height} {checked.participant_id} -o shares.jsonl"
    return render_room(
        request, visit, acting, "money/proof.html",
        proof=checked, command=command, shares_command=shares,
    )  # fmt: skip


@room.get("/p/{participant_id}/blocks/{block_hash}/proof.json")
def keep_proof(proof: ProofHere) -> Response:
    """Give the proof as the file that `kench check-proof` takes."""
    return file_response(proof.line(), _file_name(proof), "application/json")


def _file_name(proof: Proof) -> str:
    return f"kench-{proof.participant_id}-{proof.manifest.block.height}-proof.json"
