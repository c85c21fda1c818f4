"""Fixtures of the tests of proofs."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from kench.pool.database import Role, open_engine
from tests.payouts.proofs.pools import ProvenPool, open_pool


@pytest.fixture
def pool(engine: sa.Engine, database: str, tmp_path: Path) -> Iterator[ProvenPool]:
    """A pool of its own for one test."""
    settle_engine = open_engine(database, Role.SETTLE, application_name="test", pool_size=1)
    made = open_pool(engine, settle_engine, tmp_path)
    yield made
    for journal in made.journals:
        journal.close()
    settle_engine.dispose()
