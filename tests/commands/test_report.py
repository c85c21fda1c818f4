"""`kench report` lists what is missing, late or waits, of one period or of all."""

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from kench.commands.report import WHICH, read_list, read_periods
from kench.pool.database import Role, open_engine
from tests.support.registration import OTHER_PIN, put_officer, registered
from tests.support.reports import after_us, decided_report, filed, report_made

THIRD_PIN = "11211197800321"
TODAY = date(2027, 1, 20)


@pytest.fixture(scope="module")
def made(module_database: str) -> str:
    """One accepted, one filed late, one missing; of the next month one that is due."""
    engine = open_engine(module_database, application_name="test")
    with engine.begin() as db:
        put_officer(db)
        first, second, third = (
            registered(db),
            registered(db, OTHER_PIN),
            registered(db, THIRD_PIN),
        )
        filed(db, report_made(db, first))
        decided_report(db, 1)
        filed(db, report_made(db, second), pin=OTHER_PIN, now_us=after_us("2026-11", 30))
        report_made(db, third)
        report_made(db, third, "2026-12")
        db.exec_driver_sql("UPDATE report_queue SET due = '2027-01-20' WHERE period = '2026-12'")
    engine.dispose()
    return module_database


def test_each_list_has_its_own_and_the_periods_count_them(made: str) -> None:
    engine = open_engine(made, Role.READ, application_name="test")
    with engine.connect() as db:
        found = {
            which: [one["participant"] for one in read_list(db, which, "", "", TODAY)]
            for which in WHICH
        }
        assert found == {
            "missing": [3], "due": [3, 3], "filed": [2], "late": [2], "all": [3, 1, 2, 3],
        }  # fmt: skip
        assert [one["report"] for one in read_list(db, "due", "monthly", "2026-12", TODAY)] == [4]
        assert not read_list(db, "all", "quarterly", "", TODAY)
        newest, november = read_periods(db, "", "", TODAY)
        assert (newest["reports"], newest["due"], newest["missing"]) == (1, 1, 0)
        assert november == {
            "kind": "monthly", "period": "2026-11", "reports": 3, "due": 0, "missing": 1,
            "filed": 1, "accepted": 1, "late": 1,
        }  # fmt: skip
    engine.dispose()


def test_the_command_prints_json_and_tables_and_says_what_it_does_not_know(
    made: str, tmp_path: Path
) -> None:
    def kench(*words: str) -> subprocess.CompletedProcess[str]:
        told = {"KENCH_DATABASE_URL": made, "KENCH_DATA": str(tmp_path)}
        return subprocess.run(
            [sys.executable, "-m", "kench", "report", *words], env={**os.environ, **told},
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip

    late = kench("list", "--which", "late", "--json")
    assert [one["participant"] for one in json.loads(late.stdout)] == [2], late.stderr
    wrong = kench("list", "--period", "2026-13")
    assert wrong.returncode == 1
    assert "2026-10" in wrong.stderr
