"""An officer in service, a participant, and the cabinet's own rights."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from tests.support.registration import put_officer
from tests.support.signing import cabinet_engine


@pytest.fixture
def cabinet(database: str, engine: sa.Engine) -> Iterator[sa.Engine]:
    """An engine with the cabinet's rights, and no more, where an officer is in service."""
    with engine.begin() as db:
        put_officer(db)
    opened = cabinet_engine(database)
    yield opened
    opened.dispose()
