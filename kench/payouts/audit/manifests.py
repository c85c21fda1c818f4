"""Manifests compared with what journals and books make of them again."""

import sqlalchemy as sa

from kench.payouts import tables as books
from kench.payouts.audit.report import Report
from kench.payouts.proofs import tables
from kench.payouts.proofs.making import Kept, Source, make_manifest, read_kept
from kench.payouts.proofs.tree import TreeError
from kench.pool.errors import KenchError


class ManifestsAudit:
    """Makes each manifest again. `source` has the connection of the audit's one snapshot."""

    def __init__(self, source: Source, report: Report) -> None:
        self._source = source
        self._connection = source.connection
        self._report = report

    def finish(self) -> None:
        """Make every manifest again, from its own key and salts, and compare."""
        blocks, kept_of = books.blocks.c, tables.manifests.c
        rows = self._connection.execute(
            sa.select(kept_of.block_hash)
            .join(books.blocks, blocks.hash == kept_of.block_hash)
            .order_by(blocks.found_at, blocks.hash)
        )
        for block_hash in rows.scalars().all():
            self._report.manifests += 1
            try:
                kept = read_kept(self._connection, block_hash)
                kept.signed.check()
                self._compare(block_hash, kept)
            except (KenchError, TreeError, OSError) as wrong:
                self._report.differ(f"the manifest of block {block_hash}: {wrong}")
        self._report.waiting_manifests = self._count_waiting()

    def _compare(self, block_hash: str, kept: Kept) -> None:
        signed = kept.signed.manifest
        made = make_manifest(
            self._source,
            block_hash,
            key=signed.key,
            salt_source=kept.salt_source,
            software=signed.software,
        )
        if made == signed:
            return
        true, stated = made.value(), signed.value()
        for part in sorted(true):
            self._report.compare(
                f"{part} in the manifest of block {block_hash}", stated[part], true[part]
            )

    def _count_waiting(self) -> int:
        query = sa.select(sa.func.count()).select_from(tables.blocks_to_sign)
        return int(self._connection.execute(query).scalar_one())
