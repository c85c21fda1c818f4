"""The settlement process signs manifests beside its work, killed or not, each once."""

import signal
from pathlib import Path

import sqlalchemy as sa

from kench.payouts.proofs.evidence import EvidenceKey
from kench.payouts.proofs.making import read_kept
from tests.payouts.journals import JournalBuilder
from tests.payouts.test_service import await_ready, settling
from tests.support.stopping import await_answer

BLOCKS = 60


def test_killed_and_started_again_every_block_has_one_manifest_of_one_key(
    tmp_path: Path, database: str, engine: sa.Engine
) -> None:
    builder = JournalBuilder(tmp_path / "journal" / "0")
    job = builder.job(1, 1, block_target=2**256 - 1)
    for index in range(BLOCKS):
        builder.share(job, participant=1 + index % 7, worker=1 + index % 11, block=True)
    builder.close()
    with settling(database, tmp_path):
        await_answer(engine, "SELECT count(*) > 0 FROM manifests", True)
    with settling(database, tmp_path) as process:
        await_ready(process)
        await_answer(engine, "SELECT count(*) FROM manifests", BLOCKS)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    key = EvidenceKey.read(tmp_path / "evidence.pem")
    with engine.connect() as connection:
        hashes = connection.execute(sa.text("SELECT block_hash FROM manifests")).scalars().all()
        for block_hash in hashes:
            signed = read_kept(connection, block_hash).signed
            signed.check()
            assert signed.manifest.key == key.public
