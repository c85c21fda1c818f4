"""What the rooms of a participant show, read from a real PostgreSQL; each query by an index."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from kench.cabinet.numbers import groups as groups_module
from kench.cabinet.numbers.groups import (
    GroupRefusal,
    group_named,
    move_workers,
    read_group_numbers,
    read_groups,
)
from kench.cabinet.numbers.live import (
    LiveNumbers,
    WorkerState,
    read_live,
    read_worker_numbers,
    read_written,
)
from kench.cabinet.numbers.public import read_estimate_basis
from kench.cabinet.numbers.series import STEPS, Span, read_series
from kench.cabinet.numbers.share_log import ROWS, STEP_S, read_share_log
from kench.cabinet.numbers.uptime import Uptime, read_uptime, read_uptimes
from kench.cabinet.numbers.workers import (
    PAGE_WORKERS,
    Sort,
    Wanted,
    read_refusals,
    read_worker,
    read_workers,
)
from kench.pool.clock import SystemClock
from kench.pool.database import open_engine
from kench.pool.register import add_participant
from tests.support.mined import HASHRATE, mined
from tests.support.signing import cabinet_engine

NOW_US = SystemClock().now_us()
WORKERS, OTHERS = 120, 10
BIG = re.compile(r"Seq Scan on (worker\w*|participant_\w+|refusals|blocks|block_credits)")


@pytest.fixture(scope="module")
def participants(module_database: str) -> list[int]:
    """One with workers in every state, one that did nothing, and many others beside them."""
    owner = open_engine(module_database, application_name="test")
    with owner.begin() as db:
        made = [add_participant(db, f"участник {number}")[0] for number in range(26)]
        mined(db, made[0], workers=WORKERS, now_us=NOW_US)
        for other in made[2:]:
            mined(db, other, workers=OTHERS, now_us=NOW_US)
        db.execute(
            sa.text("""
                INSERT INTO refusals (participant_id, worker_id, reason, user_agent, count)
                SELECT participant_id, id, reason, 'agent', 3 FROM workers,
                    unnest(ARRAY['stale', 'duplicate', 'low_difficulty']) AS reason
            """)
        )
        db.execute(sa.text("SET LOCAL session_replication_role = replica"))
        db.execute(
            sa.text("""
                INSERT INTO blocks (hash, height, instance, sequence, job_key, reward_sat, finder,
                    found_at, credited, state)
                SELECT encode(sha256(number::text::bytea), 'hex'), 900000 + number, 0, number, 1,
                    312500000, '1.rig', now() - number * interval '1 hour', true,
                    CASE WHEN number % 20 = 0 THEN 'orphaned' ELSE 'mature' END
                FROM generate_series(1, 3000) AS number
            """)
        )
    with owner.connect().execution_options(isolation_level="AUTOCOMMIT") as db:
        db.execute(sa.text("ANALYZE"))
    owner.dispose()
    return made


@pytest.fixture
def db(module_database: str) -> Iterator[sa.Connection]:
    """A connection with the rights of the cabinet; what it does is taken back."""
    engine = cabinet_engine(module_database)
    with engine.connect() as connection:
        yield connection
        connection.rollback()
    engine.dispose()


def test_live_numbers_are_the_sums_of_the_workers_and_count_them_by_state(
    db: sa.Connection, participants: list[int]
) -> None:
    mine, idle = participants[:2]
    numbers = read_live(db, [mine, idle], NOW_US)
    live = numbers[mine]
    assert (live.active, live.low, live.silent, live.gone) == (84, 12, 12, 12)
    assert live.workers == WORKERS
    assert live.hashrate_10m == pytest.approx(96 * HASHRATE)
    assert live.hashrate_1h == pytest.approx(90 * HASHRATE)
    assert live.accepted == 108 * 1000
    assert live.refused == live.stale + live.duplicate > 0
    assert live.last_share_at is not None
    assert numbers[idle] == LiveNumbers()
    assert read_written(db) is not None


def test_a_worker_that_the_live_table_has_lost_is_gone(
    db: sa.Connection, module_database: str, participants: list[int]
) -> None:
    del db
    owner = open_engine(module_database, application_name="test")
    with owner.connect() as writing:
        writing.execute(
            sa.text("INSERT INTO workers (participant_id, name) VALUES (:one, 'old')"),
            {"one": participants[1]},
        )
        live = read_live(writing, [participants[1]], NOW_US)[participants[1]]
        listed = read_workers(writing, participants[1], Wanted(), NOW_US)
        writing.rollback()
    owner.dispose()
    assert (live.gone, live.workers) == (1, 1)
    assert [worker.state for worker in listed.workers] == [WorkerState.GONE]


@pytest.mark.parametrize("span", Span)
def test_a_chart_has_all_its_steps_and_ends_where_numbers_do(
    db: sa.Connection, participants: list[int], span: Span
) -> None:
    series = read_series(db, participants[0], span, NOW_US)
    steps = STEPS[span]
    assert len(series.points) == steps.points
    times = [point.at_s for point in series.points]
    assert times == list(range(times[0], times[0] + steps.points * steps.step_s, steps.step_s))
    assert times[-1] + steps.step_s <= NOW_US // 1_000_000
    last = series.points[-1]
    assert last.hashrate == pytest.approx(WORKERS * HASHRATE)
    assert (last.accepted, last.refused) == (100 * WORKERS, WORKERS)
    assert series.points[0].hashrate in {0.0, last.hashrate}
    assert len(series.rows()) <= 30
    assert sum(row.accepted for row in series.rows()) == sum(p.accepted for p in series.points)


def test_a_worker_has_a_chart_of_its_own(db: sa.Connection, participants: list[int]) -> None:
    worker = read_workers(db, participants[0], Wanted(), NOW_US).workers[0]
    series = read_series(db, participants[0], Span.WEEK, NOW_US, worker.id)
    assert series.points[-1].hashrate == pytest.approx(HASHRATE)
    assert read_series(db, participants[1], Span.WEEK, NOW_US, worker.id).empty
    day = read_series(db, participants[0], Span.DAY, NOW_US, worker.id)
    assert not day.empty


def test_workers_are_searched_filtered_and_sorted_page_by_page(
    db: sa.Connection, participants: list[int]
) -> None:
    mine = participants[0]

    def names(**wanted: Any) -> list[str]:
        page = read_workers(db, mine, Wanted(**wanted), NOW_US)
        return [worker.name for worker in page.workers]

    first = read_workers(db, mine, Wanted(), NOW_US)
    assert (first.total, first.pages, len(first.workers)) == (WORKERS, 3, PAGE_WORKERS)
    assert names()[0] == "rig-00001"
    assert names(page=3)[-1] == "rig-00120"
    assert names(page=4) == []
    assert names(search="G-0011") == [f"rig-{number:05}" for number in range(110, 120)]
    assert names(search="%") == []
    assert len(names(state=WorkerState.LOW)) == 12
    for sort in Sort:
        assert len(names(sort=sort)) == PAGE_WORKERS
    worst = read_workers(db, mine, Wanted(sort=Sort.REFUSED), NOW_US).workers
    parts = [worker.refused_part or 0 for worker in worst]
    assert parts == sorted(parts, reverse=True)
    latest = read_workers(db, mine, Wanted(sort=Sort.LAST_SHARE), NOW_US).workers
    assert latest[0].state is not WorkerState.GONE


def test_the_share_log_has_every_ten_minutes_once_page_by_page(
    db: sa.Connection, participants: list[int]
) -> None:
    mine = participants[0]
    worker = read_workers(db, mine, Wanted(), NOW_US).workers[0]
    seen, before = [], None
    while True:
        page = read_share_log(db, mine, worker.id, before, NOW_US)
        assert len(page.rows) <= ROWS
        seen += page.rows
        if page.older_s is None:
            break
        before = page.older_s
    assert len(seen) == 144
    assert [row.at_s for row in seen] == sorted({row.at_s for row in seen}, reverse=True)
    assert {(row.accepted, row.stale, row.refused) for row in seen} == {(100, 1, 1)}
    assert seen[0].hashrate == HASHRATE
    assert seen[0].difficulty == HASHRATE * STEP_S / 100 / 2**32
    assert read_share_log(db, participants[2], worker.id, None, NOW_US) == ((), None)


def test_numbers_of_single_workers_are_those_of_their_lines(
    db: sa.Connection, participants: list[int]
) -> None:
    mine = participants[0]
    lines = read_workers(db, mine, Wanted(), NOW_US).workers[:3]
    found = read_worker_numbers(db, [(mine, line.id) for line in lines], NOW_US)
    assert [found[line.id].state for line in lines] == [line.state for line in lines]
    assert [found[line.id].hashrate_1h for line in lines] == [line.hashrate_1h for line in lines]
    assert read_worker_numbers(db, [(participants[2], lines[0].id)], NOW_US) == {}


def test_a_worker_of_another_is_not_read(db: sa.Connection, participants: list[int]) -> None:
    worker = read_workers(db, participants[2], Wanted(), NOW_US).workers[0]
    assert read_worker(db, participants[2], worker.id, NOW_US) == worker
    assert read_worker(db, participants[0], worker.id, NOW_US) is None
    assert [one.shares for one in read_refusals(db, participants[2], worker.id)] == [3, 3, 3]
    assert read_refusals(db, participants[0], worker.id) == []


def test_workers_are_moved_into_groups_and_out_again(
    db: sa.Connection, participants: list[int]
) -> None:
    mine, other = participants[0], participants[2]
    workers = [worker.id for worker in read_workers(db, mine, Wanted(), NOW_US).workers[:10]]
    strangers = [worker.id for worker in read_workers(db, other, Wanted(), NOW_US).workers]
    group = group_named(db, mine, "  Site \t North ")
    assert isinstance(group, int)
    assert move_workers(db, mine, [*workers, *strangers], group) == 10
    assert [(one.name, one.workers) for one in read_groups(db, mine)] == [("Site North", 10)]
    assert group_named(db, mine, "Site North") == group
    in_group = read_workers(db, mine, Wanted(group_id=group), NOW_US)
    assert [worker.id for worker in in_group.workers] == workers
    numbers = read_group_numbers(db, mine, NOW_US)[0]
    assert (numbers.workers, numbers.mining) == (10, 8)
    assert numbers.hashrate_24h == pytest.approx(9 * HASHRATE)
    assert move_workers(db, other, strangers, group) is GroupRefusal.UNKNOWN
    assert read_groups(db, other) == []
    assert move_workers(db, mine, workers, None) == 10
    assert read_groups(db, mine) == []


@pytest.mark.parametrize("name", ["", " \t ", "x" * 65, "a\x00b", "a\u202eb"])
def test_a_group_has_a_name_that_can_be_read(
    db: sa.Connection, participants: list[int], name: str
) -> None:
    assert group_named(db, participants[0], name) is GroupRefusal.NAME


def test_groups_are_bounded(
    db: sa.Connection, participants: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups_module, "GROUPS_MAX", 1)
    first = group_named(db, participants[0], "one")
    assert group_named(db, participants[0], "two") is GroupRefusal.LIMIT
    assert group_named(db, participants[0], "one") == first


def test_uptime_counts_from_when_a_worker_was_known(
    db: sa.Connection, participants: list[int]
) -> None:
    workers = read_workers(db, participants[0], Wanted(), NOW_US).workers[:2]
    uptimes = read_uptimes(db, participants[0], [one.id for one in workers], NOW_US)
    for uptime in uptimes.values():
        assert uptime.part == pytest.approx(1.0, abs=0.06)
        assert 20 * 144 - 12 <= uptime.whole <= 20 * 144
    whole = read_uptime(db, participants[0], NOW_US)
    assert whole.part == pytest.approx(1.0, abs=0.06)
    assert read_uptime(db, participants[1], NOW_US) == Uptime(0, 0)
    assert Uptime(0, 0).part is None


def test_the_estimate_looks_back_as_far_as_it_says(
    db: sa.Connection, participants: list[int]
) -> None:
    del participants
    basis = read_estimate_basis(db, NOW_US)
    assert basis.days == 7
    assert 155 <= basis.blocks <= 168
    assert basis.reward_sat == basis.blocks * 312_500_000
    soon = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
    assert read_estimate_basis(db, soon).days == 0


def test_every_query_finds_its_rows_by_an_index(db: sa.Connection, participants: list[int]) -> None:
    """Read as the pages do, with the plans of what was asked looked at."""
    mine = participants[2]
    asked: list[tuple[str, Any]] = []

    def keep(_connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        asked.append((statement, values))

    sa.event.listen(db, "before_cursor_execute", keep)
    worker = read_workers(db, mine, Wanted(search="rig", state=WorkerState.LOW), NOW_US).workers[0]
    for span in Span:
        read_series(db, mine, span, NOW_US)
        read_series(db, mine, span, NOW_US, worker.id)
    read_live(db, [mine, participants[3]], NOW_US)
    read_worker(db, mine, worker.id, NOW_US)
    read_refusals(db, mine, worker.id)
    read_share_log(db, mine, worker.id, None, NOW_US)
    read_worker_numbers(db, [(mine, worker.id)], NOW_US)
    read_uptimes(db, mine, [worker.id], NOW_US)
    read_uptime(db, mine, NOW_US)
    read_estimate_basis(db, NOW_US)
    sa.event.remove(db, "before_cursor_execute", keep)
    assert len(asked) > 15
    big = set(db.scalars(sa.text("SELECT relname FROM pg_class WHERE relpages > 60")))
    assert {name.rsplit("_", 2)[0] for name in big} >= {"worker_ten_minutes", "worker_hours"}
    assert not _scanned(db, asked) & big
    # Where tables are small yet, the planner reads them whole: it need not.
    db.execute(sa.text("SET LOCAL enable_seqscan = off"))
    assert not _scanned(db, asked)


def _scanned(db: sa.Connection, asked: list[tuple[str, Any]]) -> set[str]:
    """Return the tables that would be read from end to end."""
    plans = [
        row[0]
        for statement, values in asked
        for row in db.exec_driver_sql(f"EXPLAIN {statement}", values)
    ]
    return set(BIG.findall("\n".join(plans)))
