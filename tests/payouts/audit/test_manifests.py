"""The audit makes every manifest again: each thing that was changed in one is found."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from kench.payouts.audit.report import Report
from kench.payouts.audit.run import audit
from kench.pool.database import Role, open_engine
from tests.payouts.chains import ScriptedChain
from tests.payouts.proofs.pools import ProvenPool, open_pool


@pytest.fixture
def pool(engine: sa.Engine, database: str, tmp_path: Path) -> Iterator[ProvenPool]:
    """Three blocks over two journals and three segments, settled, with their manifests."""
    settle_engine = open_engine(database, Role.SETTLE, application_name="test", pool_size=1)
    made = open_pool(engine, settle_engine, tmp_path)
    for height in (1, 2, 3):
        made.round(height)
        if height < 3:
            made.rotate()
    made.settle()
    assert made.maker.turn() == 3
    yield made
    for journal in made.journals:
        journal.close()
    settle_engine.dispose()


def audited(pool: ProvenPool, *falsehoods: str) -> Report:
    chain = ScriptedChain()
    chain.mine(hashes=pool.block_hashes)
    with (
        pool.engine.connect().execution_options(isolation_level="REPEATABLE READ") as opened,
        opened.begin() as transaction,
    ):
        opened.execute(sa.text("SET LOCAL session_replication_role = replica"))
        for statement in falsehoods:
            assert opened.execute(sa.text(statement)).rowcount
        report = audit(opened, pool.root, lambda: chain, 6, lambda *_: None)
        transaction.rollback()
    return report


def test_true_manifests_have_no_difference(pool: ProvenPool) -> None:
    report = audited(pool)
    assert report.differences == []
    assert (report.manifests, report.waiting_manifests) == (3, 0)


def test_a_manifest_that_is_missing_is_waited_for(pool: ProvenPool) -> None:
    report = audited(pool, f"DELETE FROM manifests WHERE block_hash = '{pool.block_hashes[1]}'")
    assert report.is_clean
    assert (report.manifests, report.waiting_manifests) == (2, 1)


def test_what_was_changed_is_found(pool: ProvenPool) -> None:
    of = f"WHERE block_hash = '{pool.block_hashes[1]}'"
    text = "convert_from(content, 'UTF8')"
    higher = f"""replace({text}, '"height"\\:2', '"height"\\:3')"""
    first = f"FROM manifests WHERE block_hash = '{pool.block_hashes[0]}'"
    both = "(content, signature)"
    for falsehood, words in (
        (f"UPDATE manifests SET signature = set_byte(signature, 5, 0) {of}", "signature is not"),
        (
            f"UPDATE manifests SET content = convert_to({higher}, 'UTF8') {of}",
            "signature is not",
        ),
        (f"UPDATE manifests SET content = '{{}}' {of}", "the manifest has no"),
        (f"UPDATE manifests SET salt_source = sha256('x') {of}", "tree in the manifest"),
        ("UPDATE participants SET name = 'Another' WHERE id = 2", "tree in the manifest"),
        (f"UPDATE block_spans SET to_sequence = to_sequence - 1 {of}", "window in the manifest"),
        (
            f"UPDATE block_credits SET reward_sat = reward_sat + 1 {of} AND participant_id = 2",
            "tree in the manifest",
        ),
        (
            f"UPDATE manifests SET {both} = (SELECT content, signature {first}) {of}",
            "block in the manifest",
        ),
    ):
        report = audited(pool, falsehood)
        assert any(words in difference for difference in report.differences), falsehood
