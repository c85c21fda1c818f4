"""Hours that nobody wrote down: certain from archived jobs, or left unknown."""

from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa

from kench.native import JobTable
from kench.pool.bitcoin import target_from_bits
from kench.pool.clock import ManualClock
from kench.pool.database import Role, open_engine
from kench.pool.journal.format import jobs_path
from kench.pool.journal.segment import OpenSegment
from kench.stratum.statistics.former_hours import Seen, fill_hours, hours_of
from kench.stratum.statistics.gathering import HOUR_S
from kench.stratum.statistics.network import add_hours
from tests.support.jobs import Jobs, small_template

NOW_S = 1_700_000_000 // HOUR_S * HOUR_S + 100
EASY, HARD = 0x1702F128, 0x17023A04
ARCHIVED = Jobs(JobTable(16), ManualClock()).add(small_template())[0].archived


def line(hours_ago: float, nbits: int) -> bytes:
    key = round((NOW_S - 100 - hours_ago * HOUR_S) * 1_000_000)
    target = target_from_bits(nbits)
    return replace(ARCHIVED, job_key=key, nbits=nbits, block_target=target).line()


def archive(journals: Path, front: int, number: int, *lines: bytes) -> None:
    directory = journals / str(front)
    directory.mkdir(parents=True, exist_ok=True)
    segment = OpenSegment.create(directory, front, number, 0)
    segment.close()
    jobs_path(segment.path).write_bytes(b"".join(lines))


def rows(engine: sa.Engine) -> dict[int, int]:
    query = "SELECT extract(epoch FROM bucket_at)::bigint, nbits FROM network_hours"
    with engine.connect() as db:
        found = db.execute(sa.text(query))
        return {(NOW_S - 100 - int(at)) // HOUR_S: nbits for at, nbits in found}


def test_past_hours_are_taken_from_the_archives_of_all_fronts_where_they_are_certain(
    tmp_path: Path, database: str, engine: sa.Engine
) -> None:
    archive(tmp_path, 0, 0, line(8.9, EASY), line(8.5, HARD), line(8.1, EASY))
    archive(tmp_path, 0, 1, line(4.9, EASY), b"{}\n", line(2.5, HARD))
    archive(tmp_path, 0, 2, b"broken\n", line(1.5, HARD)[:-9])
    archive(tmp_path, 1, 0, line(1.5, HARD), line(0, HARD))
    archive(tmp_path, 1, 1)
    (tmp_path / "1" / "9.seg").touch()
    engine_of = open_engine(database, Role.STRATUM, application_name="test")
    add_hours(engine_of, {NOW_S - 100 - 7 * HOUR_S: (HARD, 1)})
    # Of the fourth hour it is not certain, and what was written stays.
    assert fill_hours(engine_of, tmp_path, NOW_S) == 7
    assert rows(engine) == {9: EASY, 8: EASY, 7: HARD, 6: EASY, 5: EASY, 3: HARD, 2: HARD, 1: HARD}
    assert fill_hours(engine_of, tmp_path, NOW_S) == 0
    engine_of.dispose()


def test_between_two_jobs_a_day_apart_nothing_is_certain() -> None:
    day = 24 * HOUR_S
    assert list(hours_of([Seen(0, EASY, 1), Seen(day, EASY, 1)])) == [0, day]
    assert len(hours_of([Seen(0, EASY, 1), Seen(day - 1, EASY, 1)])) == 24
    assert list(hours_of([Seen(0, EASY, 1), Seen(day - 1, HARD, 1)])) == [0, day - HOUR_S]
    assert hours_of([]) == {}
