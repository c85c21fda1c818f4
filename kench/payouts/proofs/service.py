"""Manifests of what `kench settle` books, made in a thread of their own, one after the other.

That thread has the evidence key, so it signs the trail's anchors too.

It has a connection of its own and takes no lock that settlement waits for. What goes wrong with a
block is tried again, later and later, and keeps no other block waiting.
"""

import threading
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from kench.payouts.proofs import tables
from kench.payouts.proofs.evidence import EvidenceKey
from kench.payouts.proofs.making import Source, make_manifest
from kench.payouts.proofs.manifest import sign
from kench.payouts.proofs.segments import SegmentDigester
from kench.payouts.proofs.tree import TreeError
from kench.payouts.settle import no_orders
from kench.payouts.trail.anchors import Anchorer
from kench.pool.backoff import Backoff
from kench.pool.clock import Clock
from kench.pool.database import first_line
from kench.pool.errors import KenchError
from kench.pool.orders.book import OrderBook

IDLE_S = 1.0
BLOCKS_AT_ONCE = 20
"""Blocks without a manifest that are looked at in one turn."""
FAILED_MAX = 1_000
"""Blocks whose failures are remembered."""

log = structlog.get_logger("kench.payouts")


class ManifestMaker:
    """Makes and keeps the manifest of each block whose reward was pended."""

    def __init__(
        self,
        engine: sa.Engine,
        journal_root: Path,
        key: EvidenceKey,
        clock: Clock,
        *,
        orders_on: Callable[[sa.Connection], OrderBook] = no_orders,
    ) -> None:
        self._engine = engine
        self._journal_root = journal_root
        self._key = key
        self._clock = clock
        self._orders_on = orders_on
        self._digester = SegmentDigester()
        self._failed: dict[str, Backoff] = {}
        self._anchorer = Anchorer(key)

    def start(self, stop: threading.Event) -> threading.Thread:
        """Work in a daemon thread until `stop` is set."""
        thread = threading.Thread(target=self._run, args=(stop,), name="manifests", daemon=True)
        thread.start()
        return thread

    def turn(self) -> int:
        """Make what is due, of so many blocks at most; returns how many were made.

        Raises SQLAlchemyError where the database is away.
        """
        made = 0
        with self._engine.connect() as connection:
            for block_hash in self._due(connection):
                try:
                    with connection.begin():
                        self._make(connection, block_hash)
                except (KenchError, TreeError, OSError) as trouble:
                    self._fail(block_hash, str(trouble))
                except DBAPIError as refused:
                    if refused.connection_invalidated:
                        raise
                    self._fail(block_hash, first_line(refused))
                else:
                    made += 1
                    self._failed.pop(block_hash, None)
                    log.info("manifest signed", hash=block_hash)
            with connection.begin():
                self._anchorer.turn(connection, self._clock.now_us())
        return made

    def _run(self, stop: threading.Event) -> None:
        backoff = Backoff(self._clock)
        while not stop.is_set():
            try:
                made = self.turn()
            except SQLAlchemyError as away:
                wait_s = backoff.fail()
                log.warning("no manifests for now", why=first_line(away), retry_s=wait_s)
                stop.wait(wait_s)
            else:
                backoff.succeed()
                if not made:
                    stop.wait(IDLE_S)

    def _due(self, connection: sa.Connection) -> list[str]:
        """Return blocks without a manifest whose turn it is, oldest first."""
        waiting = [hash_ for hash_, backoff in self._failed.items() if not backoff.is_due]
        blocks = tables.blocks_to_sign.c
        with connection.begin():
            found = connection.execute(
                sa.select(blocks.hash)
                .where(blocks.hash.not_in(waiting))
                .order_by(blocks.found_at, blocks.hash)
                .limit(BLOCKS_AT_ONCE)
            )
            return list(found.scalars())

    def _make(self, connection: sa.Connection, block_hash: str) -> None:
        salt_source = self._key.salt_source(block_hash)
        source = Source(connection, self._journal_root, self._digester, self._orders_on(connection))
        manifest = make_manifest(source, block_hash, key=self._key.public, salt_source=salt_source)
        connection.execute(
            insert(tables.manifests)
            .values(
                block_hash=block_hash,
                content=manifest.content(),
                signature=sign(manifest, self._key).signature,
                salt_source=salt_source,
            )
            .on_conflict_do_nothing()
        )

    def _fail(self, block_hash: str, why: str) -> None:
        if len(self._failed) >= FAILED_MAX:
            self._failed.clear()
        backoff = self._failed.setdefault(block_hash, Backoff(self._clock))
        log.error("manifest not made", hash=block_hash, why=why, retry_s=backoff.fail())
