"""A proof names its participant as it was called when the block was found, for ever."""

import pytest
import sqlalchemy as sa

from kench.payouts.proofs.giving import make_proof
from kench.payouts.proofs.making import read_kept, read_tree
from kench.pool.register import rename_participant
from tests.payouts.proofs.pools import ProvenPool

WHO, OTHER = 1, 2
LONG_AGO = sa.text(
    "INSERT INTO former_names SELECT 1, found_at - make_interval(mins => :minutes), :name"
    " FROM blocks WHERE hash = :block_hash"
)


def test_a_new_name_leaves_the_proofs_of_blocks_before_it_as_they_were(pool: ProvenPool) -> None:
    block_hash = pool.round(101)
    pool.settle()
    assert pool.maker.turn() == 1
    with pool.engine.begin() as db:
        before = {who: make_proof(db, block_hash, who) for who in (WHO, OTHER)}
        rename_participant(db, WHO, "another name")
        rename_participant(db, WHO, "and a third")
        rename_participant(db, WHO, "and a third")
    with pool.engine.connect() as db:
        assert {who: make_proof(db, block_hash, who) for who in (WHO, OTHER)} == before
        signed, salt_source = read_kept(db, block_hash)
        assert read_tree(db, block_hash, salt_source).root() == signed.manifest.root
        assert db.scalar(sa.text("SELECT count(*) FROM former_names")) == 2


@pytest.mark.parametrize(("minutes", "counts"), [(11, False), (9, True), (-60, True)])
def test_a_name_counts_until_a_while_before_the_block(
    pool: ProvenPool, minutes: int, counts: bool
) -> None:
    block_hash = pool.round(101)
    pool.settle()
    with pool.engine.begin() as db:
        given = {"minutes": minutes, "name": "its former name", "block_hash": block_hash}
        db.execute(LONG_AGO, given)
    assert pool.maker.turn() == 1
    with pool.engine.connect() as db:
        assert (make_proof(db, block_hash, WHO).name == "its former name") is counts
