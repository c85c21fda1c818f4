"""What the tests of the cabinet share."""

import pytest

from tests.support.grants import Two, two_participants


@pytest.fixture(scope="module")
def two(module_database: str) -> Two:
    """Two participants of a module's database, who must not see each other's."""
    return two_participants(module_database)
