"""Officers of several roles in service, and the cabinet's own rights."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from tests.support.signing import cabinet_engine
from tests.support.two_officers import put_officers


@pytest.fixture
def cabinet(database: str, engine: sa.Engine) -> Iterator[sa.Engine]:
    """An engine with the cabinet's rights, and no more, where four officers are in service."""
    with engine.begin() as db:
        put_officers(db)
    opened = cabinet_engine(database)
    yield opened
    opened.dispose()
