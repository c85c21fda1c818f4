"""Earnings as a participant's people see them, and nobody else."""

import csv
import io
from collections.abc import Iterator

import pytest

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.numbers.earnings import read_blocks, read_days, read_stages
from kench.payouts.statements.statement import period_of
from kench.pool.clock import ManualClock
from tests.cabinet.money import LOTS, NOW_US, SETTLED, People, fill_books, people_of
from tests.support.cabinet import cabinet_of, client_in

PAGES = [
    "earnings",
    "earnings?month=2026-10",
    f"earnings?before={LOTS[4].block_hash}",
    "earnings/days.csv?month=2026-10",
    "earnings/blocks.csv?month=2026-10",
]


@pytest.fixture(scope="module")
def cabinet(module_database: str) -> Iterator[Cabinet]:
    fill_books(module_database)
    with cabinet_of(module_database, clock=ManualClock(NOW_US)) as made:
        yield made


@pytest.fixture(scope="module")
def people(cabinet: Cabinet) -> People:
    return people_of(cabinet)


@pytest.mark.parametrize("page", PAGES)
def test_earnings_are_for_owner_and_accountant_alone(people: People, page: str) -> None:
    assert people.owner.get(f"/p/1/{page}").status_code == 200
    assert people.accountant.get(f"/p/1/{page}").status_code == 200
    assert people.owner.get(f"/p/2/{page}").status_code == 404
    assert people.technician.get(f"/p/1/{page}").status_code == 404
    assert people.stranger.get(f"/p/1/{page}").headers["location"].startswith("/enter?")


def test_a_technician_is_not_shown_the_way_to_money(people: People) -> None:
    assert "/p/1/earnings" in people.owner.get("/p/1/").text
    assert "/p/1/earnings" not in people.technician.get("/p/1/").text


def test_the_page_says_where_all_coins_and_money_are(cabinet: Cabinet) -> None:
    text = client_in(cabinet).get("/p/1/earnings?month=2026-10").text
    with cabinet.engine.connect() as db:
        stages = read_stages(db, [1])[1]
        days = read_days(db, 1, period_of("2026-10"))
    assert stages.maturing_sat == 200_000_000
    for shown in ("Maturing: 2.00000000 BTC", "Mature: 1.87500000 BTC", "In sale: 1.87500000 BTC",
                  "Sold: 5.62500000 BTC", "Paid: 14,728,680.00", "being sold",
                  "after 100 further blocks"):  # fmt: skip
        assert shown in text.replace("\N{NO-BREAK SPACE}", " ")
    assert text.count("<tr>") == 2 + len(LOTS) + len(days)


@pytest.mark.parametrize("language", ["ky", "ru"])
def test_the_page_speaks_the_language_of_its_reader(cabinet: Cabinet, language: str) -> None:
    text = client_in(cabinet, language=language).get("/p/1/earnings?month=2026-10").text
    assert {"ky": "2026-ж., октябрь", "ru": "октябрь 2026"}[language] in text


@pytest.mark.parametrize("query", ["month=2026-13", "month=x", "before=" + "00" * 32, "before=x"])
def test_an_address_that_nobody_made_leads_nowhere(people: People, query: str) -> None:
    assert people.owner.get(f"/p/1/earnings?{query}").status_code == 404


def rows_of(text: str) -> list[dict[str, str]]:
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), delimiter=";"))


def test_files_for_spreadsheets_have_what_the_ledger_has(cabinet: Cabinet) -> None:
    client = client_in(cabinet)
    answer = client.get("/p/1/earnings/blocks.csv?month=2026-10")
    assert answer.headers["content-disposition"].startswith(
        'attachment; filename="kench_1_2026_10_blocks.csv"'
    )
    blocks = rows_of(answer.text)
    month = period_of("2026-10")
    with cabinet.engine.connect() as db:
        kept = [one for one in read_blocks(db, 1, most=100) if one.found_at < month.ends]
        days = read_days(db, 1, month)
    assert [row["block_hash"] for row in blocks] == [one.hash for one in reversed(kept)]
    assert blocks[0]["block_hash"] == SETTLED[0].block_hash
    assert blocks[0]["found_at"] == "2026-10-01T02:00:00+06:00"
    assert sum(int(row["net_tyiyn"]) for row in blocks) == sum(one.net_tyiyn for one in kept)
    told = rows_of(client.get("/p/1/earnings/days.csv?month=2026-10").text)
    assert [row["day"] for row in told] == [one.day.isoformat() for one in reversed(days)]
    assert sum(int(row["credited_tyiyn"]) for row in told) == sum(d.credited_tyiyn for d in days)
    assert client.get("/p/1/earnings/days.csv?month=2026-01").text == "\ufeffday\r\n"
