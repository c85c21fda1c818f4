"""By every reward method a participant's own shares are exactly the work that its leaf says."""

import io
from pathlib import Path

import pytest
import sqlalchemy as sa

from kench.payouts.audit.run import audit
from kench.payouts.proofs.evidence import check_signature
from kench.payouts.proofs.gathering import WindowReader, read_repeats
from kench.payouts.proofs.giving import make_proof
from kench.payouts.proofs.making import read_kept
from kench.payouts.proofs.manifest import Manifest
from kench.payouts.proofs.own_shares import check_file, write_file
from kench.payouts.proofs.service import ManifestMaker
from kench.pool.clock import SystemClock
from kench.pool.orders.book import OrderBook
from tests.payouts.chains import ScriptedChain
from tests.payouts.proofs.samples import KEY
from tests.payouts.test_settle_methods import BOOKS, PPLNS, build, settle_all, settlement_of

CREDITS = sa.text("SELECT block_hash, participant_id FROM block_credits ORDER BY 1, 2")


@pytest.mark.parametrize("orders", BOOKS.values(), ids=BOOKS)
def test_shares_hash_again_to_each_leaf_and_manifests_are_made_the_same_again(
    engine: sa.Engine, tmp_path: Path, orders: OrderBook
) -> None:
    journals = build(tmp_path)
    settle_all(engine, settlement_of(journals, orders))
    root = tmp_path / "journal"
    maker = ManifestMaker(engine, root, KEY, SystemClock(), orders_on=lambda _: orders)
    assert maker.turn() == 9
    assert maker.turn() == 0
    manifests: dict[str, Manifest] = {}
    shares = 0
    with engine.connect() as connection:
        for block_hash, who in connection.execute(CREDITS).all():
            if block_hash not in manifests:
                if not _has_manifest(connection, block_hash):
                    continue  # refused when found: nothing was pended
                signed = read_kept(connection, block_hash).signed
                check_signature(KEY.public, signed.signature, signed.manifest.content())
                manifests[block_hash] = signed.manifest
            proof = make_proof(connection, block_hash, who)
            reader = WindowReader(root, proof.manifest, read_repeats(connection, proof.manifest))
            file = io.BytesIO()
            write_file(file, proof, reader.own(who), reader.job, KEY)
            file.seek(0)
            shares += check_file(file).shares or 0
    assert len(manifests) == 9
    assert shares > 90
    assert any(manifest.cut for manifest in manifests.values()) == (orders is not BOOKS["period"])
    for manifest in manifests.values():
        _check_reward(manifest, orders)
    with engine.connect() as connection:
        report = audit(connection, root, ScriptedChain, 6, lambda *_: None, orders=orders)
    assert not [words for words in report.differences if "manifest" in words]
    assert report.manifests == 9


def _has_manifest(connection: sa.Connection, block_hash: str) -> bool:
    query = sa.text("SELECT count(*) FROM manifests WHERE block_hash = :hash")
    return bool(connection.execute(query, {"hash": block_hash}).scalar())


def _check_reward(manifest: Manifest, orders: OrderBook) -> None:
    """The manifest says what the order in force says."""
    in_force = orders.reward_at(manifest.block.height)
    assert (manifest.reward.order, manifest.reward.method) == (in_force.order, in_force.rule.method)
    match manifest.reward.method:
        case "pplns":
            window_ppm = PPLNS["reward"]["window_ppm"]
            assert manifest.reward.parameters == {"window_ppm": window_ppm}
            # The network of the tests' jobs is worth two hashes.
            whole = manifest.cut is not None
            assert manifest.root.work_hashes == window_ppm * 2 // 10**6 or not whole
        case "period":
            assert manifest.reward.parameters["day"] in {"2025-12-01", "2025-12-02"}
        case _:
            assert manifest.reward.parameters == {}


def test_a_block_of_an_order_that_is_not_loaded_has_no_manifest_yet(
    engine: sa.Engine, tmp_path: Path
) -> None:
    orders = BOOKS["pplns"]
    settle_all(engine, settlement_of(build(tmp_path), orders))
    unknowing = ManifestMaker(engine, tmp_path / "journal", KEY, SystemClock())
    assert unknowing.turn() == 0
    knowing = ManifestMaker(
        engine, tmp_path / "journal", KEY, SystemClock(), orders_on=lambda _: orders
    )
    assert knowing.turn() == 9
