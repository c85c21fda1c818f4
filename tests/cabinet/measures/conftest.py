"""An officer in service, a participant, and the cabinet's own rights; all is undone."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from kench.pool.database import open_engine
from tests.support.registration import put_officer, registered
from tests.support.signing import cabinet_engine


@pytest.fixture(scope="module")
def owner(module_database: str) -> Iterator[sa.Engine]:
    """An engine of the schema's owner."""
    opened = open_engine(module_database, application_name="test")
    yield opened
    opened.dispose()


@pytest.fixture(scope="module")
def participant(owner: sa.Engine) -> int:
    """The number of one that is registered."""
    with owner.begin() as db:
        put_officer(db)
        return registered(db)


@pytest.fixture(scope="module")
def cabinet(module_database: str, participant: int) -> Iterator[sa.Engine]:
    """An engine with the cabinet's rights, and no more."""
    assert participant
    opened = cabinet_engine(module_database)
    yield opened
    opened.dispose()


@pytest.fixture
def db(cabinet: sa.Engine) -> Iterator[sa.Connection]:
    """A connection with these rights, in a transaction that is undone."""
    with cabinet.connect() as opened:
        yield opened
        opened.rollback()


@pytest.fixture
def owners_db(owner: sa.Engine, participant: int) -> Iterator[sa.Connection]:
    """The same with the rights of the schema's owner."""
    assert participant
    with owner.connect() as opened:
        yield opened
        opened.rollback()
