"""A participant's proof, made from the books and checked before anybody is given it."""

import sqlalchemy as sa

from kench.payouts import tables as books
from kench.payouts.proofs.making import name_of, read_kept, read_tree
from kench.payouts.proofs.proof import Proof
from kench.payouts.proofs.tree import salt_of
from kench.pool.errors import KenchError


class NoProofError(KenchError):
    """There is nothing to prove, or not with this key."""


def make_proof(connection: sa.Connection, block_hash: str, participant_id: int) -> Proof:
    """Make a participant's proof from the books, and check it. Raises KenchError's subclasses."""
    signed, salt_source = read_kept(connection, block_hash)
    tree = read_tree(connection, block_hash, salt_source)
    index = tree.index_of(participant_id)
    if index is None:
        raise NoProofError(f"block {block_hash} pays no work of participant {participant_id}")
    columns = books.block_credits.c
    row = connection.execute(
        sa.select(columns.work_hashes, columns.reward_sat).where(
            columns.block_hash == block_hash, columns.participant_id == participant_id
        )
    ).one()
    proof = Proof(
        index=index,
        participant_id=participant_id,
        name=name_of(connection, block_hash, participant_id),
        salt=salt_of(salt_source, participant_id),
        work_hashes=row.work_hashes,
        reward_sat=row.reward_sat,
        path=tree.path(index),
        signed=signed,
    )
    proof.check()
    return proof
