"""The file of a period: what is in it is what is kept, and is listed with its digest."""

import csv
import hashlib
import io
import json
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from kench.payouts.income.archive import How, export_zip
from kench.payouts.income.carf import (
    CARF,
    CarfError,
    Document,
    Message,
    Reporter,
    User,
    check_carf,
    write_carf,
)
from kench.payouts.income.errors import IncomeError
from kench.payouts.income.periods import digest_of_period
from kench.pool.database import Role
from tests.payouts.income.month import NOW_US, PERIOD, fill_month, form, opened

SCHEMA = Path(__file__).parent / "carf.xsd"
REPORTER = Reporter("ОАО «Кенч»", "01234567890123", "Бишкек")
MESSAGE = Message(PERIOD, date(2026, 10, 31), "regtest", datetime(2026, 11, 1, tzinfo=UTC), "v1")
PERSON = User(7, "Асанов Асан", "21503199000123", "person", "Нарын", 3, 300_000_001, 2, 150, 1200)


def exported(database: str, schema: Path | None = SCHEMA) -> zipfile.ZipFile:
    """The archive of the month, as an operator's command writes it."""
    file = io.BytesIO()
    engine = opened(database, Role.READ)
    with engine.begin() as db:
        made = export_zip(db, PERIOD, file, NOW_US, How(REPORTER, schema))
    engine.dispose()
    assert made.records == 13
    return zipfile.ZipFile(file)


def test_an_archive_has_the_very_bytes_and_lists_each_file(database: str) -> None:
    fill_month(database)
    form(database)
    archive = exported(database)
    index = json.loads(archive.read("index.json"))
    for one in index["files"]:
        content = archive.read(one["name"])
        assert (len(content), hashlib.sha256(content).hexdigest()) == (one["bytes"], one["sha256"])
    lines = archive.read("records.jsonl").splitlines()
    digests = b"".join(hashlib.sha256(line).digest() for line in lines)
    engine = opened(database, Role.READ)
    with engine.begin() as db:
        assert hashlib.sha256(digests).digest() == digest_of_period(db, PERIOD)
    engine.dispose()
    assert index["digest"] == hashlib.sha256(digests).hexdigest()
    assert (index["state"], index["closings"]) == ("open", [])
    text = archive.read("records.csv").decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text), delimiter=";"))
    assert sum(int(row["net_tyiyn"]) for row in rows) == index["totals"]["net_tyiyn"]
    # No spreadsheet runs what a participant is called.
    assert {row["name"] for row in rows} == {"ОсОО «Кең-Өзөн»", "'=Нарын"}
    root = ET.fromstring(archive.read("carf.xml"))
    units = root.findall(f".//{{{CARF}}}CryptoTransferIn/{{{CARF}}}NumberofUnits")
    assert [unit.text for unit in units] == ["9.37500000", "6.25000000"]


def test_a_period_without_records_has_no_file(database: str) -> None:
    engine = opened(database, Role.READ)
    with engine.begin() as db, pytest.raises(IncomeError, match="no income records"):
        export_zip(db, PERIOD, io.BytesIO(), NOW_US, How(REPORTER, None))
    engine.dispose()


@pytest.mark.parametrize(("network", "mark"), [("main", "OECD1"), ("regtest", "OECD11")])
def test_what_is_not_of_the_main_network_is_marked_as_a_test(
    tmp_path: Path, network: str, mark: str
) -> None:
    path = tmp_path / "carf.xml"
    entity = PERSON._replace(participant_id=8, kind="entity", name="<&>", sales=0, tax_number=None)
    with path.open("wb") as file:
        assert (
            write_carf(
                file, MESSAGE._replace(network=network), REPORTER, map(Document, [PERSON, entity])
            )
            == 2
        )
    check_carf(path, SCHEMA)
    text = path.read_text()
    assert text.count(f"<stf:DocTypeIndic>{mark}<") == 3
    assert "<carf:BirthDate>1990-03-15<" in text
    assert 'unknown="true"' in text
    assert "<carf:LastName>Асанов<" in ET.tostring(ET.fromstring(text.encode()), "unicode")


def test_mining_income_and_sales_have_their_fields_in_the_order_of_carf(tmp_path: Path) -> None:
    path = tmp_path / "carf.xml"
    with path.open("wb") as file:
        write_carf(file, MESSAGE, REPORTER, [Document(PERSON)])
    root = ET.parse(path).getroot()
    told = {
        name: [(part.tag.partition("}")[2], part.text, part.get("currCode")) for part in found]
        for name in ("CryptoTransferIn", "CryptoFiatOut")
        if (found := root.find(f".//{{{CARF}}}{name}")) is not None
    }
    assert told == {
        "CryptoTransferIn": [
            ("TransferType", "CARF503", None), ("NumberofTransactions", "3", None),
            ("Amount", "24000000.08", "KGS"), ("NumberofUnits", "3.00000001", None),
            ("AltValuation", "CARF1004", None),
        ],
        "CryptoFiatOut": [
            ("NumberofTransactions", "2", None), ("Amount", "12.00", "KGS"),
            ("NumberofUnits", "0.00000150", None),
        ],
    }  # fmt: skip


def test_an_empty_message_says_so_and_a_wrong_one_names_the_setting(tmp_path: Path) -> None:
    path = tmp_path / "carf.xml"
    with path.open("wb") as file:
        assert write_carf(file, MESSAGE, REPORTER, []) == 0
    check_carf(path, SCHEMA)
    assert "CARF703" in path.read_text()
    path.write_text(path.read_text().replace("CARF_OECD", "CARF_OTHER"))
    with pytest.raises(CarfError, match="KENCH_INCOME_CARF_SCHEMA"):
        check_carf(path, SCHEMA)
    with pytest.raises(CarfError, match="KENCH_INCOME_CARF_SCHEMA"):
        check_carf(path, tmp_path / "none.xsd")
