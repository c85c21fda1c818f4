"""The trail at the desk: searched, verified and exported; owners see who looked at their papers."""

import io
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.desk.sealing import Sealer
from kench.cabinet.desk.searching import Place
from kench.cabinet.registration.notices import Notice
from kench.cabinet.registration.states import NoticeKind
from kench.payouts.trail.export import check_export
from kench.pool.clock import ManualClock
from kench.pool.database import open_engine
from tests.support.applications import TODAY
from tests.support.cabinet import Client, cabinet_of, client_in
from tests.support.pki import PIN
from tests.support.registers import unguarded
from tests.support.registration import (
    NOW_US,
    OFFICER_PIN,
    OTHER_PIN,
    notified,
    put_officer,
    registered,
    verifier_at,
)
from tests.support.signing import SECOND_US

DAY = "2026-11-23"


@pytest.fixture(scope="module")
def cabinet(module_database: str) -> Iterator[Cabinet]:
    engine = open_engine(module_database, application_name="test")
    with engine.begin() as db:
        put_officer(db)
        assert registered(db) == 1
        assert registered(db, OTHER_PIN) == 2
        later = TODAY + timedelta(days=31)
        assert notified(db, Notice(kind=NoticeKind.EXIT, participant=1, day=later)) == 1
    engine.dispose()
    clock = ManualClock(NOW_US + 60 * SECOND_US)
    with cabinet_of(module_database, clock=clock, verifier=verifier_at()) as made:
        yield made


@pytest.fixture
def officer(cabinet: Cabinet) -> Client:
    return client_in(cabinet, OFFICER_PIN)


def test_owners_see_which_officer_opened_what_and_no_personal_number(
    cabinet: Cabinet, officer: Client
) -> None:
    for path in ("participants/1", "notices/1", "applications/1", "participants/2"):
        assert officer.get(f"/desk/{path}").status_code == 200
    page = client_in(cabinet, PIN).get("/p/1/openings").text
    assert page.count("Гүлнара Эсенова") == 3
    assert "head of department" in page
    assert OFFICER_PIN not in page
    for words in ("entry in the register", "notice 1", "application 1"):
        assert words in page
    assert client_in(cabinet, OTHER_PIN).get("/p/2/openings").text.count("Гүлнара") == 1


def test_lines_are_found_by_person_act_participant_and_day(officer: Client) -> None:
    officer.get("/desk/participants/2")

    def lines(**wanted: str) -> int:
        return officer.get("/desk/trail", params=wanted).text.count('data-label="When"')

    assert lines(participant="2", act="view") >= 1
    assert lines(participant="2", act="view", day="2026-11-22") == 0
    assert lines(participant="2", person=PIN) == 0
    assert lines(person=OFFICER_PIN, day=DAY) >= 1
    assert lines(person="10101199000000") == lines(act="nothing") == 0
    for wanted in ({"participant": "x"}, {"participant": "0"}, {"day": "yesterday"}):
        assert officer.get("/desk/trail", params=wanted).status_code == 422


def test_pages_go_through_all_lines_and_repeat_none(officer: Client) -> None:
    for _ in range(55):
        officer.get("/desk/closed")
    first = officer.get("/desk/trail?act=view").text
    following = first.partition("before=")[2].partition('"')[0]
    assert Place.read(following) is not None
    second = officer.get(f"/desk/trail?act=view&before={following}").text
    assert first.count('data-label="When"') == 50
    assert 0 < second.count('data-label="When"') <= 50
    # What is no place is the beginning.
    for before in ("x", "1-", f"{10**18 - 1}-1", "1-" + "9" * 19):
        assert Place.read(before) is None
        assert officer.get(f"/desk/trail?before={before}").status_code == 200


def test_a_day_is_verified_and_exported_as_a_file_that_stands_alone(
    cabinet: Cabinet, officer: Client, tmp_path: Path
) -> None:
    registry = CollectorRegistry()
    sealer = Sealer(cabinet.engine, registry)
    assert sealer.look() > 50
    assert sealer.look() == 0
    assert registry.get_sample_value("kench_cabinet_trail_unsealed") == 0
    assert "every line is the one that was sealed" in officer.get(f"/desk/trail/days/{DAY}").text
    assert officer.get("/desk/trail/days").status_code == 200
    answer = officer.get(f"/desk/trail/export.zip?from={DAY}")
    path = tmp_path / "trail.zip"
    path.write_bytes(answer.content)
    found = check_export(path)
    assert (found.count, found.lines) == (0, found.ends.number)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as files:
        assert set(files.namelist()) == {
            "range.json", "trail.jsonl", "seals.txt", "anchors.jsonl", "README.txt",
        }  # fmt: skip
    for wrong in ("from=x", f"from={DAY}&to=2026-11-01"):
        assert officer.get(f"/desk/trail/export.zip?{wrong}").status_code == 400
    assert officer.get("/desk/trail/days/2027-01-01").status_code == 404


def test_a_change_is_seen_at_the_desk_and_a_cut_by_who_seals(
    cabinet: Cabinet, officer: Client, module_database: str
) -> None:
    registry = CollectorRegistry()
    sealer = Sealer(cabinet.engine, registry)
    sealer.look()
    owner = open_engine(module_database, application_name="test")
    with unguarded(owner) as db:
        db.exec_driver_sql("UPDATE acts SET detail = 'x' WHERE id = (SELECT min(id) FROM acts)")
        db.exec_driver_sql("DELETE FROM trail_seals WHERE number > 40")
    owner.dispose()
    page = officer.get(f"/desk/trail/days/{DAY}").text
    assert "The trail is not what was sealed." in page
    assert "line 1 was changed" in page
    assert not registry.get_sample_value("kench_cabinet_trail_broken")
    sealer.look()
    assert registry.get_sample_value("kench_cabinet_trail_broken") == 1
