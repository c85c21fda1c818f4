"""Rows about requests are kept as long as the settings say, and no longer."""

import sqlalchemy as sa

from kench.pool.clock import ManualClock
from kench.tax.retention import Retention
from tests.support.pki import NOW_US
from tests.support.tax import Asker, provider_of

DAY_S = 86_400.0


def test_what_is_too_old_goes_and_the_rest_stays(engine: sa.Engine, database: str) -> None:
    # PostgreSQL's own clock is long past these moments: its rule of thirty days is not asked here.
    clock = ManualClock(NOW_US - round(400 * DAY_S) * 1_000_000)
    with provider_of(database, clock=clock, tax_log_d=30) as provider:
        asker, retention = Asker(provider), Retention(provider)
        asker.get("/v1/periods")
        clock.advance(29 * DAY_S)
        asker.get("/v1/periods")
        assert retention.look() == 0
        clock.advance(2 * DAY_S)
        assert retention.look() == 1
        with engine.begin() as db:
            assert db.scalar(sa.text("SELECT count(*) FROM tax_requests")) == 1
