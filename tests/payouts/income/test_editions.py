"""CARF messages of a period closed again and again: each tells what the last did not."""

import io
from datetime import date
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import sqlalchemy as sa

from kench.payouts.income.carf import CARF, STF, Reporter, check_carf, write_carf
from kench.payouts.income.editions import carf_files
from kench.payouts.income.periods import period_state
from kench.pool.moments import moment_of
from tests.support.pki import NOW_US
from tests.support.tax import PERIOD, close_period, put_record

SCHEMA = Path(__file__).parent / "carf.xsd"
REPORTER = Reporter("ОАО «Кенч»", "01234567890123", "Бишкек")
DAY = date(2025, 10, 1)
V1, V3, V5 = (f"KG2025KG-KENCH-2025-10-v{number}" for number in (1, 3, 5))


def messages(db: sa.Connection, tmp_path: Path) -> dict[str, Any]:
    """Of each file: its kind and reference, and of each document mark, name and what it changes."""
    told = {}
    for name, message, documents in carf_files(db, period_state(db, PERIOD), moment_of(NOW_US)):
        file = io.BytesIO()
        write_carf(file, message, REPORTER, documents)
        (tmp_path / name).write_bytes(file.getvalue())
        check_carf(tmp_path / name, SCHEMA)
        root = ET.fromstring(file.getvalue())
        kind, reference = (root.findtext(f".//{{{CARF}}}MessageTypeIndic"),
                           root.findtext(f".//{{{CARF}}}MessageRefId"))  # fmt: skip
        specs = [
            tuple(spec.findtext(f"{{{STF}}}{tag}")
                  for tag in ("DocTypeIndic", "DocRefId", "CorrDocRefId"))
            for spec in root.iter(f"{{{CARF}}}DocSpec")
        ]  # fmt: skip
        units = [one.text for one in root.iter(f"{{{CARF}}}NumberofUnits")]
        told[name] = (kind, reference, specs, units)
    return told


def reopen(db: sa.Connection) -> None:
    db.execute(sa.text("""
        INSERT INTO front_ends VALUES (0, now(), '{"height": 10}') ON CONFLICT DO NOTHING
    """))  # fmt: skip
    close_period(db, reopens=True)


def test_a_period_that_is_not_closed_has_a_draft(engine: sa.Engine, tmp_path: Path) -> None:
    with engine.begin() as db:
        put_record(db, 7, DAY)
        found = messages(db, tmp_path)
    (kind, reference, specs, units) = found.pop("carf.xml")
    assert (kind, units, found) == ("CARF701", ["0.00001000"], {})
    assert "-draft-" in reference
    assert [spec[0] for spec in specs] == ["OECD11", "OECD11"]


def test_what_was_told_is_corrected_or_deleted_by_name_and_who_is_new_comes_apart(
    engine: sa.Engine, tmp_path: Path
) -> None:
    with engine.begin() as db:
        for participant in (7, 8, 9):
            put_record(db, participant, DAY)
        close_period(db)
        first = messages(db, tmp_path)
        reporter = ("OECD11", f"{V1}-RCASP", None)
        assert first == {
            "carf.xml": (
                "CARF701", V1,
                [reporter, *(("OECD11", f"{V1}-{number}", None) for number in (7, 8, 9))],
                ["0.00001000"] * 3,
            )
        }  # fmt: skip
        # The same period is told of by the same names however often it is written.
        assert messages(db, tmp_path) == first

        reopen(db)
        put_record(db, 7, DAY, 2, "correct", accrued_sat=2000)
        put_record(db, 8, DAY, 2, "delete", accrued_sat=0, net_tyiyn=0)
        put_record(db, 10, DAY, accrued_sat=4000)
        close_period(db)
        again = ("OECD10", f"{V1}-RCASP", None)
        assert messages(db, tmp_path) == {
            "carf-changes.xml": (
                "CARF702", V3,
                [again, ("OECD12", f"{V3}-7", f"{V1}-7"), ("OECD13", f"{V3}-8", f"{V1}-8")],
                ["0.00002000", "0.00001000"],
            ),
            "carf-new.xml": (
                "CARF701", f"{V3}-new", [again, ("OECD11", f"{V3}-10", None)], ["0.00004000"],
            ),
        }  # fmt: skip

        reopen(db)
        for participant in (7, 9):
            put_record(db, participant, DAY, 3 if participant == 7 else 2, "correct")
        put_record(db, 10, DAY, 2, "correct", accrued_sat=5000)
        close_period(db)
        (_, _, specs, units) = messages(db, tmp_path)["carf-changes.xml"]
        assert specs == [
            again, ("OECD12", f"{V5}-7", f"{V3}-7"), ("OECD12", f"{V5}-9", f"{V1}-9"),
            ("OECD12", f"{V5}-10", f"{V3}-10"),
        ]  # fmt: skip
        assert units == ["0.00001000", "0.00001000", "0.00005000"]

        reopen(db)
        close_period(db)
        assert messages(db, tmp_path) == {}
