"""Blocks, payouts and statements as a participant's people see them, and nobody else."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pypdf
import pytest
import sqlalchemy as sa

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.numbers.earnings import read_stages
from kench.cabinet.web.making import BURST
from kench.payouts.proofs.own_shares import check_file
from kench.payouts.proofs.proof import Proof
from kench.pool.clock import ManualClock
from kench.pool.database import Role, open_engine
from tests.cabinet.money import (
    LOTS,
    MATURING,
    NOW_US,
    ORPHANED,
    SELLING,
    SETTLED,
    WAITING,
    People,
    fill_books,
    people_of,
)
from tests.payouts.proofs.pools import open_pool
from tests.support.cabinet import Client, cabinet_of, client_in
from tests.support.pki import PIN

BLOCK = f"blocks/{SETTLED[0].block_hash}"
PAGES = [
    BLOCK, f"{BLOCK}/proof", f"{BLOCK}/proof.json", "payouts", "payouts?before=2", "statements",
    *(f"statements/2026-10.{form}" for form in ("pdf", "xlsx", "csv", "json")),
]  # fmt: skip


@pytest.fixture(scope="module")
def cabinet(module_database: str) -> Iterator[Cabinet]:
    fill_books(module_database)
    with cabinet_of(module_database, clock=ManualClock(NOW_US)) as made:
        yield made


@pytest.fixture(scope="module")
def people(cabinet: Cabinet) -> People:
    return people_of(cabinet)


@pytest.fixture(scope="module")
def client(cabinet: Cabinet) -> Client:
    return client_in(cabinet)


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize("page", PAGES)
def test_pages_about_money_are_for_owner_and_accountant_alone(people: People, page: str) -> None:
    # Nothing was signed of these blocks.
    own = 404 if "proof" in page else 200
    assert people.owner.get(f"/p/1/{page}").status_code == own
    assert people.accountant.get(f"/p/1/{page}").status_code == own
    assert people.owner.get(f"/p/2/{page}").status_code == 404
    assert people.technician.get(f"/p/1/{page}").status_code == 404
    assert people.stranger.get(f"/p/1/{page}").headers["location"].startswith("/enter?")


def test_a_block_leads_from_the_work_to_the_som(client: Client) -> None:
    text = plain(client.get(f"/p/1/{BLOCK}").text)
    for shown in ("60%", "1.87500000 BTC", "17,000,000.00 KGS",
                  "34,000.00 KGS", "14,728,680.00 KGS", "order No. 1", "paper",
                  "before the first order", "Nothing has been signed"):  # fmt: skip
        assert shown in text, shown
    # Gross, fees and net of the participant's own part tie.
    assert "15,060,000.00 KGS" in text
    assert "30,120.00 KGS" in text
    assert "301,200.00 KGS" in text
    assert 15_060_000 - 30_120 - 301_200 == 14_728_680


@pytest.mark.parametrize(
    ("lot", "said"),
    [
        (SELLING, "It is sold in parts at the exchange."),
        (WAITING, "will be in a lot soon"),
        (MATURING, "once 100 further blocks have been found"),
        (ORPHANED, "The network chose another block"),
    ],
)
def test_a_block_says_why_its_coins_wait(client: Client, lot: object, said: str) -> None:
    assert said in client.get(f"/p/1/blocks/{getattr(lot, 'block_hash')}").text  # noqa: B009 - mypy knows no such attribute


@pytest.mark.parametrize("name", ["00" * 32, "x", "AB" * 32, LOTS[0].block_hash + "/nothing"])
def test_a_block_that_is_none_leads_nowhere(client: Client, name: str) -> None:
    assert client.get(f"/p/1/blocks/{name}").status_code == 404


def test_payouts_say_what_the_bank_said(cabinet: Cabinet, client: Client) -> None:
    text = plain(client.get("/p/1/payouts").text)
    with cabinet.engine.connect() as db:
        stages = read_stages(db, [1])[1]
    assert f"{stages.paid_tyiyn // 100:,}.00 KGS" in text
    for shown in ("sent back", "The account is closed.", "sent to the bank", ">paid</span>",
                  "KENCH-00000001-0000000001", "•••• 0001"):  # fmt: skip
        assert shown in text, shown
    assert "1090000000000001" not in text
    assert client.get("/p/1/payouts?before=1").text.count("KENCH-") == 0
    assert client.get("/p/1/payouts?before=0").status_code == 404


def test_a_statement_is_the_same_record_in_every_form(client: Client) -> None:
    record = client.get("/p/1/statements/2026-10.json")
    assert record.headers["content-disposition"].startswith("attachment; filename=")
    told = json.loads(record.content)
    assert (told["participant_id"], told["month"], told["is_whole"]) == (1, "2026-10", True)
    pdf = client.get("/p/1/statements/2026-10.pdf").content
    assert pdf.startswith(b"%PDF-")
    assert pypdf.PdfReader(io.BytesIO(pdf)).attachments["kench-1-2026-10.json"] == [record.content]
    assert client.get("/p/1/statements/2026-10.csv").content.startswith(b"\xef\xbb\xbf")
    assert client.get("/p/1/statements/2026-10.xlsx").content.startswith(b"PK")


@pytest.mark.parametrize("name", ["2026-10.exe", "2026-13.pdf", "2039-01.pdf", "x.json", "2026-10"])
def test_a_statement_that_there_is_not_leads_nowhere(client: Client, name: str) -> None:
    assert client.get(f"/p/1/statements/{name}").status_code == 404


def test_statements_are_not_made_without_end(cabinet: Cabinet) -> None:
    client = client_in(cabinet)
    answers = [client.get("/p/1/statements/2026-10.json").status_code for _ in range(BURST + 1)]
    assert answers == [200] * BURST + [429]


def test_months_are_those_since_the_first_block(client: Client) -> None:
    text = client.get("/p/1/statements").text
    assert "2026-10.pdf" in text
    assert "2026-11.pdf" in text
    assert "2026-09.pdf" not in text
    assert "2026-12.pdf" not in text


@pytest.fixture
def proven(database: str, engine: sa.Engine, tmp_path: Path) -> Iterator[tuple[Cabinet, str]]:
    """A pool that has signed what its block paid."""
    settle_engine = open_engine(database, Role.SETTLE, application_name="test", pool_size=1)
    pool = open_pool(engine, settle_engine, tmp_path)
    block_hash = pool.round(1)
    pool.settle()
    assert pool.maker.turn() == 1
    for journal in pool.journals:
        journal.close()
    settle_engine.dispose()
    with cabinet_of(database, clock=ManualClock(NOW_US)) as cabinet:
        yield cabinet, block_hash


def test_a_proof_is_checked_in_the_page_and_given_to_check_elsewhere(
    proven: tuple[Cabinet, str], engine: sa.Engine
) -> None:
    cabinet, block_hash = proven
    with engine.begin() as db:
        db.execute(
            sa.text("INSERT INTO participant_people (participant_id, pin, role, added_at) "
                    "VALUES (1, :pin, 'owner', now())"), {"pin": PIN}
        )  # fmt: skip
    client = client_in(cabinet)
    line = client.get(f"/p/1/blocks/{block_hash}/proof.json").content
    proof = check_file(io.BytesIO(line)).proof
    assert isinstance(proof, Proof)
    assert (proof.participant_id, proof.manifest.block.hash) == (1, block_hash)
    text = client.get(f"/p/1/blocks/{block_hash}/proof").text
    assert "The proof holds." in text
    assert f"--key {proof.manifest.key.hex()}" in text
    assert "Check the proof" in client.get(f"/p/1/blocks/{block_hash}").text
    assert client.get(f"/p/2/blocks/{block_hash}/proof.json").status_code == 404
    assert client.get(f"/p/2/blocks/{block_hash}/proof").status_code == 404
