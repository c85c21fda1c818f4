"""The API does what its own description says, whatever is sent to it.

Schemathesis reads the OpenAPI document, which must be valid, and makes requests of it over
loopback: good ones, bad ones and ones at the edges of what it allows, with a key and without.
"""

from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case

from kench.cabinet.access.grants import Kind
from kench.cabinet.cabinet import Cabinet
from kench.cabinet.web.json_route import KEY_HEADER
from kench.cabinet.web.rooms.api import description
from kench.pool.clock import ManualClock
from tests.support.cabinet import served_cabinet
from tests.support.grants import Two, granted

SCHEMA = schemathesis.openapi.from_dict(description("http://127.0.0.1"))
EXAMPLES = 4
EACH_S = 3.0
"""Between two requests on the cabinet's clock: no key is held up for coming too often."""


@pytest.fixture(scope="module")
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="module")
def cabinet(module_database: str, two: Two, clock: ManualClock) -> Iterator[Cabinet]:
    del two
    with served_cabinet(module_database, clock=clock) as made:
        yield made


@pytest.fixture(scope="module")
def key(cabinet: Cabinet, two: Two) -> str:
    with cabinet.engine.begin() as db:
        return granted(db, two.first, Kind.KEY, now_us=cabinet.clock.now_us(), days=365)


@SCHEMA.parametrize()
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_as_described(
    case: Case, cabinet: Cabinet, key: str, clock: ManualClock
) -> None:
    clock.advance(EACH_S)
    case.call_and_validate(base_url=cabinet.settings.cabinet_origin, headers={KEY_HEADER: key})


def test_the_description_is_valid() -> None:
    SCHEMA.validate()
