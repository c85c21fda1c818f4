"""The statistics in PostgreSQL: exact, once, back after a restart, whoever is killed when."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from kench.native import Verdict
from kench.pool.clock import ManualClock, SystemClock
from kench.pool.database import Role, open_engine
from kench.pool.work import work_of
from kench.stratum.statistics.gathering import BUCKET_S, HOUR_S
from kench.stratum.statistics.history import add_refused, roll_up
from kench.stratum.statistics.keeper import Keeper, KeeperSettings
from kench.stratum.statistics.partitions import Retention, keep_partitions
from kench.stratum.statistics.sessions import SessionFacts, encode
from tests.support.share_journals import ShareJournal

# Partitions are made for the months around now. Tests begin with an hour of UTC.
NOW_S = SystemClock().now_us() // 1_000_000 // HOUR_S * HOUR_S
RETENTION = Retention(40, 400, 3650)


class Bench:
    """Journals, a database, a clock, and keepers that turn when told."""

    def __init__(self, folder: Path, engine: sa.Engine, owner: sa.Engine) -> None:
        self.folder = folder
        self.engine = engine
        self.owner = owner
        self.clock = ManualClock(NOW_S * 1_000_000)
        self.settings = KeeperSettings(folder / "journal", folder / "run", 0, 10.0, RETENTION)
        self.journal = ShareJournal(folder / "journal")
        self.keepers: list[Keeper] = []
        with owner.begin() as connection:
            connection.execute(
                sa.text("UPDATE statistics_rollups SET done_before = to_timestamp(:at)"),
                {"at": NOW_S // 86_400 * 86_400},
            )

    def keeper(self, **changes: Any) -> Keeper:
        made = Keeper(replace(self.settings, **changes), self.engine, self.clock)
        self.keepers.append(made)
        return made

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.owner.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(query))]

    def history(self, level: str = "worker_ten_minutes") -> list[tuple[Any, ...]]:
        return self.rows(
            f"SELECT worker_id, extract(epoch FROM bucket_at)::bigint - {NOW_S}, accepted,"
            f" work_hashes FROM {level} ORDER BY 2, 1"
        )

    def live(self, what: str) -> list[tuple[Any, ...]]:
        return self.rows(f"SELECT worker_id, {what} FROM worker_live ORDER BY 1")


@pytest.fixture
def bench(tmp_path: Path, database: str, engine: sa.Engine) -> Iterator[Bench]:
    as_stratum = open_engine(database, Role.STRATUM, application_name="test", lock_timeout_s=0.2)
    bench = Bench(tmp_path, as_stratum, engine)
    yield bench
    for keeper in bench.keepers:
        keeper.end()
    as_stratum.dispose()


def test_a_bucket_goes_into_the_history_when_it_is_over(bench: Bench) -> None:
    keeper = bench.keeper()
    bench.journal.add([NOW_S, NOW_S + 1, NOW_S + 2], [7, 8, 7], [2.0**40, 3.0, 1.5])
    bench.journal.add([NOW_S + 3], 7, 9.0, uncredited=True)
    bench.clock.advance(5)
    keeper.turn()
    assert bench.history() == []
    bench.clock.advance(BUCKET_S + 1)
    keeper.turn()
    assert bench.history() == [
        (7, 0, 2, Decimal(work_of(2.0**40) + work_of(1.5))),
        (8, 0, 1, Decimal(work_of(3.0))),
    ]


def test_the_hour_of_a_job_is_kept_with_how_hard_its_block_is(bench: Bench) -> None:
    keeper = bench.keeper()
    keeper.take_target(0x1702F128, (1 << 178) - 1)
    keeper.turn()
    found = bench.rows(
        f"SELECT extract(epoch FROM bucket_at)::bigint - {NOW_S}, nbits, block_work_hashes"
        " FROM network_hours"
    )
    assert found == [(0, 0x1702F128, Decimal(2**78))]


def test_every_share_is_counted_once_however_often_keepers_come_and_go(bench: Bench) -> None:
    total = 0
    for round_ in range(12):
        keeper = bench.keeper()
        for _ in range(3):
            second = bench.clock.now_us() / 1e6
            bench.journal.add([second] * (round_ + 1), 5, 7.0)
            total += round_ + 1
            keeper.turn()
            bench.clock.advance(150)
        if round_ % 3 == 0:  # killed: nothing more is written, the kernel drops its lock
            keeper._let_go()
        keeper.end()
    counted = bench.rows("SELECT sum(accepted), sum(work_hashes) FROM worker_ten_minutes")
    read = bench.rows("SELECT next_sequence FROM statistics_positions")
    assert read[0][0] <= total
    bench.keeper().turn()
    bench.keepers[-1].end()
    counted = bench.rows("SELECT sum(accepted), sum(work_hashes) FROM worker_ten_minutes")
    assert counted == [(total, Decimal(total * work_of(7.0)))]


def test_two_keepers_of_one_folder_take_turns(bench: Bench) -> None:
    first, second = bench.keeper(), bench.keeper()
    bench.journal.add([NOW_S] * 4, 5)
    first.turn()
    second.turn()
    assert (first.status()["running"], second.status()["running"]) == (True, False)
    first.end()
    second.turn()
    assert second.status()["running"]
    second.end()
    assert bench.rows("SELECT sum(accepted) FROM worker_ten_minutes") == [(4,)]


def test_a_keeper_whose_shares_another_counted_begins_again(bench: Bench, tmp_path: Path) -> None:
    first = bench.keeper()
    second = bench.keeper(run_directory=tmp_path / "elsewhere")
    bench.journal.add([NOW_S] * 4, 5)
    for keeper in (first, second):
        keeper.turn()
    bench.clock.advance(BUCKET_S + 6)
    for keeper in (first, second, second):
        keeper.turn()
    assert bench.rows("SELECT sum(accepted) FROM worker_ten_minutes") == [(4,)]
    assert second.status()["running"]


def test_what_could_not_be_written_is_written_later_and_nothing_is_read_meanwhile(
    bench: Bench,
) -> None:
    keeper = bench.keeper()
    bench.journal.add([NOW_S] * 4, 5)
    keeper.turn()
    bench.clock.advance(BUCKET_S)
    bench.journal.add([NOW_S + BUCKET_S] * 3, 5)
    with bench.owner.begin() as holder:
        holder.execute(sa.text("LOCK TABLE statistics_positions"))
        keeper.turn()
        assert keeper.status()["fault"] == "OperationalError"
    bench.clock.advance(60)
    keeper.turn()
    assert keeper.status()["fault"] is None
    assert [row[:3] for row in bench.history()] == [(5, 0, 4)]
    bench.clock.advance(BUCKET_S)
    keeper.turn()
    assert [row[:3] for row in bench.history()] == [(5, 0, 4), (5, BUCKET_S, 3)]


def test_a_right_that_is_refused_is_said_once_counted_and_tried_again(
    bench: Bench,
) -> None:
    """A COPY is refused by the driver itself, past SQLAlchemy."""
    keeper = bench.keeper()
    bench.journal.add([NOW_S] * 4, 5)
    keeper.turn()
    with bench.owner.begin() as owner:
        owner.execute(sa.text("REVOKE INSERT, UPDATE ON worker_live FROM kench_stratum"))
    with capture_logs() as said:
        for _ in range(3):
            bench.clock.advance(11)
            bench.journal.add([NOW_S + 20], 5)
            keeper.turn()
    told = [line for line in said if line["event"] == "statistics wait"]
    assert [(line["kind"], line["why"]) for line in told] == [
        ("InsufficientPrivilege", "permission denied for table worker_live")
    ]
    assert (keeper.status()["fault"], keeper.status()["faults"]) == ("InsufficientPrivilege", 3)
    with bench.owner.begin() as owner:
        owner.execute(sa.text("GRANT INSERT, UPDATE ON worker_live TO kench_stratum"))
    bench.clock.advance(11)
    keeper.turn()
    assert keeper.status()["fault"] is None
    assert (5, 1) in bench.live("1")


def test_hours_and_days_are_the_sums_of_their_parts_even_of_late_ones(bench: Bench) -> None:
    keeper = bench.keeper()
    day_s = NOW_S // 86_400 * 86_400
    start_s = day_s + 86_400 - HOUR_S
    bench.clock.step(start_s - NOW_S)
    bench.journal.add([start_s + 1, start_s + 601], 5, 3.0)
    late = ShareJournal(bench.folder / "journal", 1)
    keeper.turn()
    bench.clock.advance(HOUR_S + 120)
    keeper.turn()
    keeper.turn()
    roll_up(bench.engine, bench.clock.now_us() / 1e6)
    expected = [(5, start_s - NOW_S, 2, Decimal(2 * work_of(3.0)))]
    assert bench.history("worker_hours") == expected
    assert bench.history("worker_days") == [(5, day_s - NOW_S, 2, Decimal(2 * work_of(3.0)))]
    late.add([start_s + 2], 5, 3.0)  # a disk that stood still for an hour
    keeper.turn()
    keeper.end()
    while roll_up(bench.engine, bench.clock.now_us() / 1e6):
        pass
    assert bench.history("worker_hours")[0][2:] == (3, Decimal(3 * work_of(3.0)))
    assert bench.history("worker_days")[0][2:] == (3, Decimal(3 * work_of(3.0)))


def test_a_participant_has_the_sums_of_its_workers_and_how_long_they_ran(bench: Bench) -> None:
    keeper = bench.keeper()
    day_s = NOW_S // 86_400 * 86_400
    hour_s = day_s + 86_400 - HOUR_S
    bench.clock.step(hour_s - NOW_S)
    with bench.owner.begin() as connection:
        connection.execute(
            sa.text("UPDATE statistics_rollups SET done_before = to_timestamp(:at)"),
            {"at": hour_s - 23 * HOUR_S},
        )
    bench.journal.add([hour_s + 1], 5, 3.0)
    bench.journal.add([hour_s + 2, hour_s + 3], 6, 3.0)
    keeper.turn()
    bench.clock.advance(700)
    bench.journal.add([hour_s + 601], 5, 3.0)
    keeper.turn()
    bench.clock.advance(HOUR_S + 120)
    keeper.turn()
    keeper.end()
    while roll_up(bench.engine, bench.clock.now_us() / 1e6):
        pass
    read = "SELECT accepted, work_hashes, up FROM {} ORDER BY bucket_at"
    assert bench.rows(read.format("participant_ten_minutes")) == [
        (3, Decimal(3 * work_of(3.0)), 2),
        (1, Decimal(work_of(3.0)), 1),
    ]
    whole = [(4, Decimal(4 * work_of(3.0)), 3)]
    assert bench.rows(read.format("participant_hours")) == whole
    assert bench.rows(read.format("participant_days")) == whole
    assert bench.rows("SELECT worker_id, up FROM worker_days ORDER BY 1") == [(5, 2), (6, 1)]


def test_windows_come_back_after_a_restart(bench: Bench) -> None:
    keeper = bench.keeper()
    for hour in range(3):
        for second in (100, 700, 3000):
            bench.journal.add([NOW_S + hour * HOUR_S + second] * 2, 5, 3.0)
    keeper.turn()
    bench.clock.advance(3 * HOUR_S)
    keeper.turn()
    bench.journal.add([NOW_S + 3 * HOUR_S] * 7, 5, 3.0)
    bench.clock.advance(20)
    keeper.refuse({(1, 5, Verdict.STALE, "a"): 4})
    with bench.engine.begin() as connection:  # as the reports do, but by the test's clock
        connection.execute(
            sa.text(
                "INSERT INTO worker_ten_minutes (participant_id, worker_id, bucket_at, stale)"
                " VALUES (1, 5, to_timestamp(:at), 4)"
            ),
            {"at": NOW_S + 3 * HOUR_S},
        )
    keeper.turn()
    names = (
        "hashrate_1m, hashrate_10m, hashrate_1h, hashrate_24h, accepted, stale,"
        " extract(epoch FROM last_share_at)::double precision"
    )
    before = bench.live(names)
    assert before[1][5:7] == (9 * 2 + 7, 4)
    keeper._let_go()  # as a kill does
    keeper.end()
    bench.keeper().turn()
    after = bench.live(names)
    assert after[1] == pytest.approx(before[1])


def test_the_live_table_has_a_workers_numbers_and_its_sessions(bench: Bench) -> None:
    keeper = bench.keeper()
    bench.clock.advance(55)
    bench.journal.add([NOW_S + 50] * 3, 5, 4.0)
    since_us = NOW_S * 1_000_000
    told = [
        SessionFacts(1, since_us, 4.0, "bosminer/1", ((1, 5),)),
        SessionFacts(2, since_us + 9, 2.0, "", ((1, 6),)),
    ]
    assert keeper.take_sessions(0, encode(told))
    keeper.turn()
    assert bench.live(
        "participant_id, accepted, sessions, difficulty, user_agent,"
        " extract(epoch FROM nullif(session_since, '-infinity')), isfinite(last_share_at)"
    ) == [
        (0, 0, 0, 0, 0.0, "", None, False),
        (5, 1, 3, 1, 4.0, "bosminer/1", NOW_S, True),
        (6, 1, 0, 1, 2.0, "", Decimal(f"{NOW_S}.000009"), False),
    ]
    rate = bench.live("hashrate_1m")[1][1]
    assert rate == pytest.approx(3 * work_of(4.0) / 55)
    keeper.front_gone(0)
    bench.clock.advance(10)
    keeper.turn()
    assert [row[1] for row in bench.live("sessions")] == [0, 0, 0]
    assert bench.rows("SELECT workers, sessions, accepted_per_s > 0 FROM pool_live") == [
        (3, 0, True)
    ]


def test_people_see_one_row_a_worker_and_nothing_runs_where_nobody_writes(bench: Bench) -> None:
    keeper = bench.keeper()
    other = bench.keeper(source=64, run_directory=bench.folder / "other")
    bench.journal.add([NOW_S] * 3, 5, 4.0)
    bench.clock.advance(30)
    keeper.turn()
    other.turn()
    view = "SELECT hashrate_1m > 0, accepted FROM worker_statistics WHERE worker_id = 5"
    with bench.owner.begin() as connection:
        connection.execute(sa.text("UPDATE pool_live SET written_at = now()"))
    assert bench.rows(view) == [(True, 6)]
    with bench.owner.begin() as connection:
        connection.execute(sa.text("UPDATE pool_live SET written_at = now() - interval '2 min'"))
    assert bench.rows(view) == [(False, 6)]


def test_messages_past_the_bound_are_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kench.stratum.statistics.keeper.WAITING_MAX", 2)
    keeper = bench.keeper()
    assert [keeper.front_gone(0) for _ in range(3)] == [True, True, False]
    keeper.turn()
    assert keeper.front_gone(0)


def test_partitions_are_made_ahead_and_old_ones_dropped_by_the_program(bench: Bench) -> None:
    with bench.owner.begin() as connection:
        connection.execute(
            sa.text(
                "CREATE TABLE worker_hours_2020_01 PARTITION OF worker_hours"
                " FOR VALUES FROM ('2020-01-01') TO ('2020-02-01')"
            )
        )
    with bench.engine.begin() as connection:
        assert keep_partitions(connection, RETENTION) == ["worker_hours_2020_01"]
        assert keep_partitions(connection, Retention(0, 0, 0)) == []  # never what is in use
    made = bench.rows(
        "SELECT count(*) FROM pg_inherits WHERE inhparent = 'worker_ten_minutes'::regclass"
    )
    assert made[0][0] >= 4


@pytest.mark.parametrize(
    "query",
    [
        "SELECT work_hashes FROM worker_ten_minutes WHERE (participant_id, worker_id) = (1, 5)",
        "SELECT * FROM worker_statistics WHERE participant_id = 1 ORDER BY hashrate_24h DESC",
    ],
)
def test_what_pages_read_is_found_by_an_index(bench: Bench, query: str) -> None:
    with bench.owner.begin() as connection:
        connection.execute(sa.text("SET LOCAL enable_seqscan = off"))
        plan = "\n".join(connection.execute(sa.text(f"EXPLAIN {query}")).scalars())
    assert "participant_id = 1" in plan
    assert "Seq Scan on worker" not in plan.replace("Seq Scan on workers", "")


def test_refusals_add_up_in_the_present_ten_minutes(bench: Bench) -> None:
    tally = {
        (1, 5, Verdict.STALE, "a"): 2,
        (1, 5, Verdict.DUPLICATE, "a"): 1,
        (0, 0, Verdict.UNAUTHORISED, ""): 3,
    }
    for _ in range(2):
        with bench.engine.begin() as connection:
            add_refused(connection, tally)
    sums = "sum(accepted), sum(stale), sum(low_difficulty), sum(duplicate), sum(other)"
    query = f"SELECT worker_id, {sums} FROM worker_ten_minutes GROUP BY 1 ORDER BY 1"
    assert bench.rows(query) == [(0, 0, 0, 0, 0, 6), (5, 0, 4, 0, 2, 0)]
    recent = "SELECT bool_and(bucket_at > now() - interval '11 min') FROM worker_ten_minutes"
    assert bench.rows(recent) == [(True,)]
