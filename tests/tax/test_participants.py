"""One participant's income by its tax number, and the register's entries: each to who may ask."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from kench.pool.database import open_engine
from kench.tax.provider import Provider
from tests.support.pki import PIN
from tests.support.registration import NOW_US, OTHER_PIN, put_officer, registered
from tests.support.tax import PERIOD, Asker, close_period, provider_of, put_records

DAYS = "from=2025-10-01&to=2025-10-31"


@pytest.fixture(scope="module")
def whose(module_database: str) -> tuple[int, int]:
    """Two participants of the register, each with records of three days."""
    opened = open_engine(module_database, application_name="test")
    with opened.begin() as db:
        put_officer(db)
        first, second = registered(db), registered(db, OTHER_PIN)
        put_records(db, [first, second], 3)
        close_period(db, now_us=NOW_US)
    opened.dispose()
    return first, second


@pytest.fixture(scope="module")
def provider(module_database: str, whose: tuple[int, int]) -> Iterator[Provider]:
    del whose
    with provider_of(module_database) as made:
        yield made


@pytest.fixture(scope="module")
def asker(provider: Provider) -> Asker:
    return Asker(provider)


def names(answer: object) -> list[str]:
    return [one["record"]["doc_ref"] for one in answer.json()["records"]]  # type: ignore[attr-defined]


def test_a_tax_number_leads_to_its_participants_records_alone(
    asker: Asker, whose: tuple[int, int]
) -> None:
    for pin, who in ((PIN, whose[0]), (OTHER_PIN, whose[1])):
        found = names(asker.get(f"/v1/participants/{pin}/income?{DAYS}"))
        assert found == [f"KG-{PERIOD}-{who}-2025-10-0{day}-1" for day in (1, 2, 3)]


def test_days_and_pages_bound_what_comes(asker: Asker) -> None:
    base = f"/v1/participants/{PIN}/income?"
    assert len(names(asker.get(base + "from=2025-10-02&to=2025-10-02"))) == 1
    assert names(asker.get(base + "from=2024-01-01&to=2024-12-31")) == []
    first = asker.get(base + DAYS + "&limit=2")
    rest = asker.get(base + DAYS + f"&limit=2&cursor={first.json()['next']}")
    assert len(names(first)) == 2
    assert len(names(rest)) == 1
    assert "next" not in rest.json()
    other = asker.get(base + f"from=2025-10-01&to=2025-10-30&cursor={first.json()['next']}")
    assert other.status_code == 400


def test_the_row_of_the_request_names_whose_it_was(
    asker: Asker, module_database: str, whose: tuple[int, int]
) -> None:
    asker.get(f"/v1/participants/{PIN}/income?{DAYS}")
    opened = open_engine(module_database, application_name="test")
    with opened.begin() as db:
        row = db.execute(sa.text("SELECT * FROM tax_requests ORDER BY id DESC LIMIT 1")).one()
    opened.dispose()
    assert row.participant_id == whose[0]
    assert PIN not in row.path


def test_the_registers_entries_say_what_the_tax_service_needs_and_no_more(
    asker: Asker, whose: tuple[int, int]
) -> None:
    first = asker.get("/v1/register-entries?limit=1").json()
    rest = asker.get(f"/v1/register-entries?limit=5&cursor={first['next']}").json()
    (entry,) = first["entries"]
    assert entry["participant"] == whose[0]
    assert (entry["tax_number"], entry["state"], entry["version"]) == (PIN, "registered", 1)
    assert set(entry) == {
        "participant", "version", "entered_at", "state", "kind", "name", "tax_number",
        "certificate", "certificate_issued",
    }  # fmt: skip
    assert [one["participant"] for one in rest["entries"]] == [whose[1]]
    assert "next" not in rest
