"""What tests of the schema share."""

import pytest
import sqlalchemy as sa

from kench.pool.database import open_engine


@pytest.fixture
def empty_database(database: str) -> str:
    """The test's database with nothing in it."""
    engine = open_engine(database, application_name="test")
    with engine.begin() as connection:
        connection.execute(sa.text("DROP SCHEMA public CASCADE"))
        connection.execute(sa.text("CREATE SCHEMA public"))
    engine.dispose()
    return database
