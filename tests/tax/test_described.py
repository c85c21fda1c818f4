"""The hand-over does what its description says, whatever is sent to it.

Schemathesis makes requests of the document, good ones, bad ones and ones at the edges of what it
allows, and holds each answer against it.
"""

from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import Case

from kench.pool.database import open_engine
from kench.pool.web.patience import PatientProtocol
from kench.tax.app import make_app
from kench.tax.description import description
from tests.support.tax import CLIENT, close_period, new_id, provider_of, put_records
from tests.support.web_servers import listening, serving_at

SCHEMA = schemathesis.openapi.from_dict(description())
OF_GOOD_DATA = schemathesis.checks.CHECKS.get_one("positive_data_acceptance")
OF_BAD_DATA = schemathesis.checks.CHECKS.get_one("negative_data_rejection")
FEW = settings(
    max_examples=1, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.fixture(scope="module")
def url(module_database: str) -> Iterator[str]:
    opened = open_engine(module_database, application_name="test")
    with opened.begin() as db:
        put_records(db, [7, 8], 2, "2026-10")
        close_period(db, "2026-10")
    opened.dispose()
    with (
        provider_of(module_database) as provider,
        listening() as listener,
        serving_at(listener, make_app(provider), http=PatientProtocol, server_header=False),
    ):
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@SCHEMA.parametrize()
@settings(FEW, phases=[Phase.generate])
def test_every_answer_is_as_described(case: Case, url: str) -> None:
    # A cursor that is spelled well may be nobody's, and a client of a good name a stranger.
    case.call_and_validate(base_url=url, excluded_checks=[OF_GOOD_DATA])


@SCHEMA.parametrize()
@FEW
def test_so_is_every_answer_to_a_client_that_may_ask(case: Case, url: str) -> None:
    headers = {"X-Road-Client": CLIENT, "X-Road-Id": new_id()}
    # With these, what was bad about a request may be good.
    case.call_and_validate(
        base_url=url, headers=headers, excluded_checks=[OF_GOOD_DATA, OF_BAD_DATA]
    )
