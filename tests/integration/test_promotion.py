"""The primary dies and its replica is promoted: work goes on there by itself, nothing restarted."""

import time
from pathlib import Path

import httpx
import sqlalchemy as sa

from kench.pool.clock import SystemClock
from kench.pool.database import open_engine
from kench.pool.register import add_participant
from kench.pool.register_feed import RegisterFeed
from tests.payouts.journals import JournalBuilder
from tests.support.cabinet import served_cabinet
from tests.support.replicas import running_pair
from tests.support.settling import settling
from tests.support.stopping import await_answer, await_event
from tests.support.waiting import await_that

WITHIN_S = 20.0
"""What docs/backup.md promises."""
ACCEPTED = "SELECT sum(accepted) FROM totals"


def test_settlement_register_feed_and_cabinet_go_on_at_the_promoted_replica(
    tmp_path: Path,
) -> None:
    builder = JournalBuilder(tmp_path / "journal" / "0")
    job = builder.job(1, 1)
    with running_pair() as pair:
        feed = RegisterFeed(pair.url, SystemClock(), lambda _: None, workers_per_participant=3)
        replica = open_engine(pair.second.url, application_name="test")
        with settling(pair.url, tmp_path) as (_, log), served_cabinet(pair.url) as cabinet:
            feed.start()
            page = f"{cabinet.settings.cabinet_origin}/healthz"
            builder.share(job)
            builder.flush()
            await_answer(replica, ACCEPTED, 1)
            assert httpx.get(page).status_code == 200

            pair.first.kill()
            began_s = time.monotonic()
            pair.second.promote()
            builder.share(job)
            builder.flush()
            await_answer(replica, ACCEPTED, 2)
            with replica.begin() as connection:
                added, _ = add_participant(connection, "x")
            await_that(lambda: added in feed.snapshot.participants)
            await_that(lambda: httpx.get(page).status_code == 200)
            assert time.monotonic() - began_s < WITHIN_S

            # It comes back, takes writes, and is the first in the URL.
            pair.first.start()
            with replica.begin() as connection:
                ends = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = user"
                connection.execute(sa.text(f"{ends} AND pid <> pg_backend_pid()"))
            builder.share(job)
            builder.flush()
            await_answer(replica, ACCEPTED, 3)
            await_event(log, "the database has another primary")
        feed.stop()
        old = open_engine(pair.first.url, application_name="test")
        with old.connect() as connection:
            assert connection.execute(sa.text(ACCEPTED)).scalar_one() == 1
        for engine in (old, replica):
            engine.dispose()
    builder.close()
