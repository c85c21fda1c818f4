"""The register is found by beginnings of words, by number, state and region, page by page."""

from collections.abc import Iterator
from datetime import date

import pytest
import sqlalchemy as sa

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.registration.application import Application
from kench.cabinet.registration.attachments import AttachmentKind
from kench.cabinet.registration.equipment import read_rows
from kench.cabinet.registration.membership import entries_of
from kench.cabinet.registration.notice_store import enter_notice
from kench.cabinet.registration.notices import Changes, Notice
from kench.cabinet.registration.regions import Region
from kench.cabinet.registration.states import NoticeKind, ParticipantState
from kench.cabinet.registry.history import changes_between, steps_of
from kench.cabinet.registry.search import Wanted, search, search_public
from kench.cabinet.registry.words import Where
from kench.pool.clock import ManualClock
from kench.pool.database import open_engine
from kench.pool.register import suspend_participant
from tests.support.applications import ROW, TODAY, application, attachment, draft
from tests.support.cabinet import Client, cabinet_of, client_in, client_of
from tests.support.pki import PIN
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

THIRD_PIN = "11211197800321"


def entity(pin: str, name: str, **row: str) -> Application:
    """An application of a legal entity, with one row of equipment."""
    typed = draft(name=name, kind="entity", post="Директор", tax_number=pin,
                  certificate_number="ЧМ-2026/77")  # fmt: skip
    typed.attachments.append(attachment(AttachmentKind.AUTHORITY))
    typed.rows = [ROW | row]
    return application(typed, pin)


@pytest.fixture(scope="module")
def cabinet(module_database: str) -> Iterator[Cabinet]:
    """Three entries: a person of Bishkek, a firm of Naryn, a suspended one that then moved."""
    owner = open_engine(module_database, application_name="test")
    with owner.begin() as db:
        put_officer(db)
        assert registered(db) == 1
        firm = entity(OTHER_PIN, "ОсОО «Кең-Өзөн»", model="S19j Pro", region="KG-N",
                      site="Нарын, Ленин көчөсү, 14")  # fmt: skip
        assert registered(db, OTHER_PIN, firm) == 2
        third = entity(THIRD_PIN, "ОсОО «Талас Хэш»", region="KG-T", site="Талас")
        assert registered(db, THIRD_PIN, third) == 3
        rows, _ = read_rows([ROW | {"region": "KG-C", "site": "Токмок"}])
        moved = Notice(kind=NoticeKind.EQUIPMENT, participant=3, happened=TODAY, equipment=rows)
        officer = db.scalar(sa.text("SELECT min(entered_by) FROM register_entries"))
        enter_notice(db, notified(db, moved, THIRD_PIN), officer or 0, NOW_US + 5 * SECOND_US)
        suspend_participant(db, 3)
    owner.dispose()
    clock = ManualClock(NOW_US + 60 * SECOND_US)
    with cabinet_of(module_database, clock=clock, verifier=verifier_at()) as made:
        yield made


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Wanted(), [1, 2, 3]),
        (Wanted("осоо"), [2, 3]),
        (Wanted("ОЗОН кен"), [2]),
        (Wanted("s19"), [2]),
        (Wanted("s19", Where.MODEL), [2]),
        (Wanted("s19", Where.NAME), []),
        (Wanted("M-17"), [1]),
        (Wanted("чм202677"), [2, 3]),
        (Wanted(PIN), [1]),
        (Wanted(PIN[:-1], Where.NUMBER), [1]),
        (Wanted("3"), [3]),
        (Wanted("999999999999"), []),
        (Wanted("«»"), []),
        (Wanted("Талас", Where.SITE), []),
        (Wanted(region=Region.CHUY), [3]),
        (Wanted(region=Region.UNSTATED), []),
        (Wanted(state=ParticipantState.SUSPENDED), [3]),
        (Wanted(state=ParticipantState.REGISTERED, region=Region.NARYN), [2]),
        (Wanted(state=ParticipantState.LEFT), []),
        (Wanted(state=ParticipantState.EXCLUDED), []),
    ],
)
def test_entries_are_found(cabinet: Cabinet, wanted: Wanted, found: list[int]) -> None:
    with cabinet.engine.connect() as db:
        assert [one.participant_id for one in search(db, wanted)] == found


def test_pages_follow_each_other_by_number(cabinet: Cabinet) -> None:
    with cabinet.engine.connect() as db:
        first = search(db, Wanted(), at_most=2)
        assert [one.participant_id for one in first] == [1, 2]
        (last,) = search(db, Wanted(), after=2, at_most=2)
    assert (last.regions, last.models) == ((Region.CHUY,), ("S21 Pro",))


def test_everybody_finds_firms_by_name_and_persons_by_number_alone(cabinet: Cabinet) -> None:
    with cabinet.engine.connect() as db:
        for typed, found in (("", [1, 2, 3]), ("асан", []), (PIN, []), ("1", [1]), ("озон", [2]),
                             ("чм-2026", [2, 3]), ("s19", []), ("нарын", [])):  # fmt: skip
            assert [one.participant_id for one in search_public(db, typed)] == found, typed
    shown = client_of(cabinet).get("/register").text
    assert "Кең-Өзөн" in shown
    for secret in ("Асан", PIN, "asan@example.kg", "M-17", "Нарын"):
        assert secret not in shown
    told = client_of(cabinet).get("/register.json?q=1").json()
    assert told == {"entries": [{"number": 1, "state": "registered"}], "next": None}
    (firm,) = client_of(cabinet).get("/register.json?q=озон").json()["entries"]
    assert firm == {
        "number": 2, "state": "registered", "name": "ОсОО «Кең-Өзөн»",
        "certificate": "ЧМ-2026/77", "since": TODAY.isoformat(),
    }  # fmt: skip


def test_an_address_that_asks_too_often_waits(cabinet: Cabinet) -> None:
    anybody: Client = client_of(cabinet)
    answers = [anybody.get(f"/register.json?after={number}") for number in range(61)]
    assert [one.status_code for one in answers] == [200] * 60 + [429]
    assert int(answers[-1].headers["retry-after"]) == 1


def test_a_sum_by_region_follows_each_version(cabinet: Cabinet) -> None:
    with cabinet.engine.connect() as db:
        rows = db.execute(
            sa.text("SELECT version, region, quantity, hashrate_ghs, power_w, planned_kwh_month"
                    " FROM register_regions WHERE participant_id = 3 ORDER BY version")
        ).all()  # fmt: skip
    assert [tuple(row) for row in rows] == [
        (1, "KG-T", 120, 120 * 234_500, 120 * 3510, 300_000),
        (2, "KG-C", 120, 120 * 234_500, 120 * 3510, 300_000),
    ]


def test_history_says_what_changed_and_by_which_act(cabinet: Cabinet) -> None:
    with cabinet.engine.connect() as db:
        newest, first = steps_of(db, 3, str)
        assert steps_of(db, 3, str, at_most=1) == [newest]
        assert steps_of(db, 3, str, before=2) == [first]
        entry = entries_of(db, 3)[0].entry
    assert (newest.notice_id, newest.act.purpose, first.act.purpose) == (1, "notice", "decision")
    gone, came = newest.changes
    assert gone.before.endswith("Talas oblast; Талас")
    assert not gone.after
    assert came.after.endswith("Chüy oblast; Токмок")
    assert changes_between(entry, entry, str) == ()
    assert not first.changes
    shown = client_in(cabinet, OFFICER_PIN).get("/desk/register/3").text
    for part in ("Токмок", "Notice of a participant", 'href="/desk/notices/1"', THIRD_PIN):
        assert part in shown
    assert client_in(cabinet, OFFICER_PIN).get("/desk/register/77").status_code == 404


def test_the_page_keeps_what_was_asked_for(cabinet: Cabinet) -> None:
    officer = client_in(cabinet, OFFICER_PIN)
    page = officer.get("/desk/register?q=озон&where=name&state=registered&region=KG-N").text
    assert 'href="/desk/register/2"' in page
    assert 'value="озон"' in page
    assert page.count(" selected") == 3
    assert "nothing like that" in officer.get("/desk/register?region=none").text
    assert officer.get("/desk/register?q=" + "x" * 201).status_code == 404


def test_a_notice_of_certificate_data_is_found_by_the_new_name(cabinet: Cabinet) -> None:
    with cabinet.engine.begin() as db:
        given = Notice(
            kind=NoticeKind.CERTIFICATE, participant=2, happened=date(2026, 11, 20),
            changes=Changes(name="ОсОО «Суусамыр»"),
            attachments=(attachment(AttachmentKind.OTHER),),
        )  # fmt: skip
        number = notified(db, given, OTHER_PIN, NOW_US + 9 * SECOND_US)
        officer = db.scalar(sa.text("SELECT min(entered_by) FROM register_entries"))
        enter_notice(db, number, officer or 0, NOW_US + 10 * SECOND_US)
        assert [one.participant_id for one in search(db, Wanted("суусам"))] == [2]
        assert search(db, Wanted("озон")) == []
        db.rollback()
