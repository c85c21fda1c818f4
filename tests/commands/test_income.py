"""`kench income` as an operator runs it: formed, compared, handed over."""

import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from kench.commands import income
from kench.commands.files import HandedFileError
from kench.payouts.income.carf import CarfError
from tests.payouts.income.month import PERIOD, fill_month, force
from tests.payouts.income.test_archive import SCHEMA
from tests.payouts.income.test_rates import table_of


def test_a_month_is_formed_compared_and_written_to_a_file(
    database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fill_month(database)
    monkeypatch.setenv("KENCH_DATABASE_URL", database)
    monkeypatch.setenv("KENCH_DATA", str(tmp_path))
    monkeypatch.setattr(income, "start_logging", lambda _role: None)

    def run(*words: str, status: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["kench income", *words])
        assert income.main() == status
        return capsys.readouterr().out

    (tmp_path / "daily.xml").write_bytes(table_of())
    assert "2 rates of 2026-10-05, 2 of them new" in run("rates", str(tmp_path / "daily.xml"))
    assert f"{PERIOD}: 13 records formed of 8 days" in run("generate", PERIOD)
    assert json.loads(run("list", "--json"))[0]["summary"]["records"] == 13
    assert PERIOD in run("list")
    assert "nothing differs" in run("reconcile", PERIOD)
    path = tmp_path / "income.zip"
    assert "13 documents" in run("export", PERIOD, "--to", str(path))
    assert "carf.xml" in zipfile.ZipFile(path).namelist()
    with pytest.raises(HandedFileError, match="is there already"):
        run("export", PERIOD, "--to", str(path))
    _exported_by_schema(run, tmp_path, monkeypatch)
    force(database, "UPDATE participants SET name = 'ОсОО «Жаңы»' WHERE id = 1")
    assert "2026-10-03-2 (correct)" in run("correct", "KG-2026-10-1-2026-10-03-1")
    many = ("correct", "--period", PERIOD, "--participant", "1")
    said = f"{PERIOD}: 7 to correct, 0 to take back\nparticipants: 1\n  name differs in 7\n"
    assert run(*many, "--dry-run") == said
    assert run(*many).splitlines()[-1] == "7 documents written"
    assert "0 to correct" in run(*many)
    for wrong in ((), ("--participant", "1"), ("KG-1", "--period", PERIOD)):
        with pytest.raises(SystemExit):
            run("correct", *wrong)
    assert "needs a DOC_REF" in capsys.readouterr().err
    force(database, "UPDATE fills SET fee_tyiyn = 0")
    assert len(json.loads(run("reconcile", PERIOD, "--json", status=1))["differences"]) == 3


def _exported_by_schema(
    run: Callable[..., str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The schema that the setting names decides: what does not hold to it is not written."""
    schema, path = folder / "own.xsd", folder / "checked.zip"
    (folder / "stf.xsd").write_bytes(SCHEMA.with_name("stf.xsd").read_bytes())
    monkeypatch.setenv("KENCH_INCOME_CARF_SCHEMA", str(schema))
    for code in ("CARF501", "CARF503"):
        named = f'<xs:restriction base="xs:string"><xs:enumeration value="{code}"/>'
        kind = f"<xs:simpleType>{named}</xs:restriction></xs:simpleType>"
        bare = '<xs:element name="TransferType"'
        text = SCHEMA.read_text().replace(f"{bare}/>", f"{bare}>{kind}</xs:element>")
        schema.write_text(text)
        if code == "CARF501":
            with pytest.raises(CarfError, match="TransferType"):
                run("export", PERIOD, "--to", str(path))
            assert not path.exists()
    assert "13 documents" in run("export", PERIOD, "--to", str(path))
    schema.unlink()
    with pytest.raises(CarfError, match=r"own\.xsd"):
        run("export", PERIOD, "--to", str(folder / "other.zip"))
    monkeypatch.delenv("KENCH_INCOME_CARF_SCHEMA")
