"""Income at the desk: two officers close a month, an order opens it, a record is corrected."""

import io
import json
import re
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kench.cabinet.cabinet import Cabinet
from kench.pool.clock import ManualClock
from kench.pool.database import open_engine
from tests.cabinet.money import people_of
from tests.payouts.income.month import NOW_US, PERIOD, fill_month, force, form, rows
from tests.support.cabinet import Client, cabinet_of, client_in
from tests.support.registers import accept_orders
from tests.support.registration import signed_in, verifier_at
from tests.support.signing import signer
from tests.support.two_officers import FINANCE, HEAD, INSPECTOR, put_officers

PAGE = f"/desk/income/{PERIOD}"
FIRST = "KG-2026-10-1-2026-10-03-1"


@pytest.fixture(scope="module")
def cabinet(module_database: str) -> Iterator[Cabinet]:
    fill_month(module_database)
    engine = open_engine(module_database, application_name="test")
    with engine.begin() as db:
        put_officers(db)
    accept_orders(engine)
    accept_orders(engine, (1_000, {"fee": {"pool_ppm": 1}}))
    soon = {"payout": {"threshold_tyiyn": 1}}
    accept_orders(engine, (1, soon), moment_us=NOW_US + 60_000_000)
    engine.dispose()
    form(module_database)
    clock = ManualClock(NOW_US)
    with cabinet_of(module_database, clock=clock, verifier=verifier_at()) as made:
        yield made


def signed_at(client: Client, path: str, pin: str, **fields: str) -> str:
    """Ask for a signature and give it; return where it leads."""
    asked = client.post_form(path, **fields)
    assert asked.status_code == 303, asked.text
    return signed_in(client, asked.headers["location"], pin)


def refused_at(client: Client, path: str, pin: str) -> str:
    """Sign what nothing may follow from; return the page that says why."""
    content = client.get(f"{path}/content").content
    signature = ("content.p7s", signer(pin).sign(content), "application/pkcs7-signature")
    answer = client.post_form(path, files={"signature": signature})
    assert answer.status_code == 409, answer.status_code
    return answer.text


def test_a_participant_sees_its_months_and_takes_the_very_documents(
    cabinet: Cabinet, module_database: str
) -> None:
    owner, accountant, technician, _ = people_of(cabinet)
    for client in (owner, accountant):
        page = client.get("/p/1/income").text
        assert "KG-2026" not in page
        assert page.count("<tr>") == 2 + 1 + 8
    assert technician.get("/p/1/income").status_code == 404
    given = owner.get(f"/p/1/income/{PERIOD}.json").content
    kept = rows(module_database, "SELECT content FROM income_records WHERE participant_id = 1 "
                "ORDER BY sequence")  # fmt: skip
    assert json.loads(given) == [json.loads(bytes(row[0])) for row in kept]  # type: ignore[call-overload]
    assert owner.get(f"/p/1/income/{PERIOD}.csv").text.count("KG-2026-10-1-") == len(kept)
    assert owner.get("/p/1/income/2026-13.csv").status_code == 404


def test_two_officers_close_a_month_and_its_file_checks_with_openssl_alone(
    cabinet: Cabinet, module_database: str, tmp_path: Path
) -> None:
    finance, head, inspector = (client_in(cabinet, pin) for pin in (FINANCE, HEAD, INSPECTOR))
    assert inspector.get(PAGE).status_code == 403
    assert "note good" in finance.get(PAGE).text
    assert f'{PAGE}">' in finance.get("/desk/income").text
    assert f'{PAGE}">' not in finance.get(f"/desk/income?before={PERIOD}").text
    assert signed_at(finance, f"{PAGE}/close", FINANCE).endswith("said=period_signed")
    assert "note warn" in head.get(PAGE).text
    # The same officer is not two.
    again = finance.post_form(f"{PAGE}/close")
    said = refused_at(finance, again.headers["location"], FINANCE)
    assert "You have signed this already" in said
    assert signed_at(head, f"{PAGE}/close", HEAD).endswith("said=period_done")
    assert rows(module_database, "SELECT period, version, closed FROM income_periods") == [
        (PERIOD, 1, True)
    ]
    assert head.post_form(f"{PAGE}/close").headers["location"].endswith("said=income_refused")
    archive = zipfile.ZipFile(io.BytesIO(finance.get(f"{PAGE}/export.zip").content))
    archive.extractall(tmp_path)
    index = json.loads((tmp_path / "index.json").read_text())
    (closing,) = index["closings"]
    assert closing["digest"] == index["digest"]
    assert len({one["pin"] for one in closing["signers"]}) == 2
    for one in closing["signers"]:
        folder = tmp_path / one["folder"]
        assert index["digest"] in (folder / "content.txt").read_text()
        done = subprocess.run(
            ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", "signature.p7s",
             "-content", "content.txt", "-CAfile", "root.pem", "-certfile", "chain.pem",
             "-purpose", "any", "-attime", str(one["signed_at_s"]), "-out", "/dev/null"],
            cwd=folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


def test_a_closed_month_is_opened_by_an_order_corrected_and_closed_again(
    cabinet: Cabinet, module_database: str
) -> None:
    finance, head = client_in(cabinet, FINANCE), client_in(cabinet, HEAD)
    record = f"/desk/income/records/{FIRST}"
    force(module_database, "UPDATE participants SET name = 'ОсОО «Жаңы»' WHERE id = 1")
    assert f'action="{record}/correct"' not in finance.get(record).text
    refused = finance.post_form(f"{record}/correct").headers["location"]
    assert refused.endswith("said=record_right")
    for order, reason, why in (
        ("99", "x", "no order of that"), ("x", "y", "no order of that"), ("2", "x", "effect later"),
        ("3", "x", "effect later"), ("1", " ", "That is not possible now"),
    ):  # fmt: skip
        answer = finance.post_form(f"{PAGE}/reopen", order=order, reason=reason)
        assert (answer.status_code, why in answer.text) == (422, True), order
        assert f'required value="{order}"' in answer.text
        assert f"required>{reason.strip()}</textarea>" in answer.text
    fields = {"order": "1", "reason": "Another name"}
    assert signed_at(head, f"{PAGE}/reopen", HEAD, **fields).endswith("said=period_signed")
    assert signed_at(finance, f"{PAGE}/reopen", FINANCE, **fields).endswith("said=period_done")
    page = finance.get(record).text
    assert f'action="{record}/correct"' in page
    assert "ОсОО «Жаңы»" in page
    made = finance.post_form(f"{record}/correct").headers["location"]
    assert made == "/desk/income/records/KG-2026-10-1-2026-10-03-2?said=record_corrected"
    assert finance.get(made).status_code == 200
    listed = finance.get(f"{PAGE}/records?participant=1").text
    assert len(re.findall(r"KG-2026-10-1-[0-9-]+-[12]</a>", listed)) == 9
    shown = f"{PAGE}/corrections?participant=1"
    assert "Write 7 further documents" in finance.get(shown).text
    done = finance.post_form(f"{PAGE}/corrections", participant="1").headers["location"]
    assert done == f"{shown}&said=records_corrected"
    assert "there is nothing to correct" in finance.get(shown).text
    for whose, said in (("1", "record_right"), ("", "record_right"), ("x", "income_refused")):
        again = finance.post_form(f"{PAGE}/corrections", participant=whose).headers["location"]
        assert again.endswith(f"said={said}"), whose
    told = (
        "SELECT subject, detail, participant_id FROM acts WHERE act = 'correct_income' ORDER BY id"
    )
    assert rows(module_database, told) == [
        (made.rpartition("/")[2].partition("?")[0], "", 1), (f"period {PERIOD}", "7 documents", 1)
    ]  # fmt: skip
    signed_at(finance, f"{PAGE}/close", FINANCE)
    signed_at(head, f"{PAGE}/close", HEAD)
    assert "The period is closed" in finance.get(f"{PAGE}/corrections").text
    assert finance.post_form(f"{PAGE}/corrections").headers["location"].endswith("income_refused")
    closings = rows(module_database, "SELECT version, kind, records, order_number FROM "
                    "income_closings ORDER BY version")  # fmt: skip
    assert closings == [(1, "closed", 13, None), (2, "reopened", 13, 1), (3, "closed", 21, None)]


def test_what_changed_before_the_second_signature_is_signed_anew(
    cabinet: Cabinet, module_database: str
) -> None:
    finance, head = client_in(cabinet, FINANCE), client_in(cabinet, HEAD)
    fields = {"order": "1", "reason": "Again"}
    signed_at(head, f"{PAGE}/reopen", HEAD, **fields)
    signed_at(finance, f"{PAGE}/reopen", FINANCE, **fields)
    asked = head.post_form(f"{PAGE}/close").headers["location"]
    force(module_database, "UPDATE participants SET name = 'ОсОО «Башка»' WHERE id = 1")
    finance.post_form("/desk/income/records/KG-2026-10-1-2026-10-05-2/correct")
    assert "have changed since this text was made" in refused_at(head, asked, HEAD)
    force(
        module_database,
        "UPDATE fills SET gross_tyiyn = gross_tyiyn + 1 WHERE right(trade_id, 4) = '-0-0'",
    )
    assert "note bad" in head.get(PAGE).text
    assert head.post_form(f"{PAGE}/close").headers["location"].endswith("said=income_refused")
