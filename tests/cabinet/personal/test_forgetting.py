"""What nobody signed is forgotten, on a wish or by time; what was signed stays, whoever asks."""

import hashlib
import io
import json
import zipfile

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from kench.cabinet.login.logins import Login
from kench.cabinet.personal.copying import write_copy
from kench.cabinet.personal.forgetting import Forgotten, forget_old, forget_unsigned
from kench.cabinet.personal.retention import Retention
from kench.cabinet.registration.application import Draft
from kench.cabinet.registration.attachments import Attachment, AttachmentKind
from kench.cabinet.registration.documents import keep_upload, save_draft, take_upload
from kench.cabinet.registration.tables import attachments, uploads
from kench.cabinet.reports.papers import XLSX_TYPE
from kench.pool.clock import ManualClock
from kench.pool.database import open_engine
from tests.support.applications import PDF
from tests.support.pki import PIN
from tests.support.registration import DRAW, NOW_US, OTHER_PIN, put_officer, registered
from tests.support.signing import cabinet_engine, enter

DAY_US = 86_400_000_000
KEPT_US = 180 * DAY_US
UNSIGNED = PDF + b"\n% nobody signed this"


@pytest.fixture
def cabinet(database: str) -> sa.Engine:
    """A database with a registered participant, as the cabinet may use it."""
    owner = open_engine(database, application_name="test")
    with owner.begin() as db:
        put_officer(db)
    owner.dispose()
    engine = cabinet_engine(database)
    with engine.begin() as db:
        registered(db)
    return engine


def uploaded(db: sa.Connection, login: Login, content: bytes = UNSIGNED) -> Attachment:
    made = take_upload(
        db, login.person.id, "lease.pdf", AttachmentKind.LEASE, content,
        already=0, now_us=NOW_US,
    )  # fmt: skip
    assert isinstance(made, Attachment)
    return made


def documents_in(db: sa.Connection) -> set[bytes]:
    return set(map(bytes, db.scalars(sa.select(attachments.c.content))))


def test_a_person_has_forgotten_what_it_did_not_sign_and_no_more(cabinet: sa.Engine) -> None:
    with cabinet.begin() as db:
        login, _ = enter(db, PIN, now_us=NOW_US, draw=DRAW)
        uploaded(db, login)
        save_draft(db, login.person.id, Draft(), NOW_US)
        later = NOW_US + 30 * DAY_US
        gone = forget_unsigned(db, login, later)
    assert (gone.drafts, gone.documents) == (1, 1)
    assert gone.logins
    with cabinet.begin() as db:
        assert documents_in(db) == {PDF}
        assert forget_unsigned(db, login, later) == Forgotten()
    cabinet.dispose()


def test_a_document_that_another_person_uploaded_too_keeps_its_bytes(cabinet: sa.Engine) -> None:
    with cabinet.begin() as db:
        login, _ = enter(db, PIN, now_us=NOW_US, draw=DRAW)
        other, _ = enter(db, OTHER_PIN, now_us=NOW_US, draw=DRAW)
        uploaded(db, login)
        uploaded(db, other)
        assert forget_unsigned(db, login, NOW_US).documents == 1
        assert documents_in(db) == {PDF, UNSIGNED}
        assert forget_unsigned(db, other, NOW_US).documents == 1
        assert documents_in(db) == {PDF}
    cabinet.dispose()


def test_no_statement_takes_away_what_a_signed_text_names(cabinet: sa.Engine) -> None:
    for table in (uploads, attachments):
        with pytest.raises(IntegrityError), cabinet.begin() as db:
            db.execute(sa.delete(table))
    with cabinet.connect() as db:
        assert documents_in(db) == {PDF}
    cabinet.dispose()


def test_what_is_old_goes_unless_it_is_signed_or_in_a_draft(cabinet: sa.Engine) -> None:
    with cabinet.begin() as db:
        login, _ = enter(db, PIN, now_us=NOW_US, draw=DRAW)
        named = uploaded(db, login)
        save_draft(db, login.person.id, Draft(attachments=[named]), NOW_US + 10 * DAY_US)
        uploaded(db, login, UNSIGNED + b" either")
    young, old = NOW_US + KEPT_US - DAY_US, NOW_US + KEPT_US + DAY_US
    with cabinet.begin() as db:
        assert forget_old(db, young, KEPT_US) == Forgotten()
        assert forget_old(db, old, KEPT_US) == Forgotten(documents=1)
        assert documents_in(db) == {PDF, UNSIGNED}
    retention = Retention(cabinet, ManualClock(NOW_US + KEPT_US + 11 * DAY_US), 180)
    assert retention.look() == Forgotten(drafts=1, documents=1)
    assert retention.look() == Forgotten()
    cabinet.dispose()


def test_a_database_that_is_away_is_waited_for() -> None:
    away = open_engine("postgresql://nobody@127.0.0.1:1/none", application_name="test")
    retention = Retention(away, ManualClock(), 180)
    assert retention.look() == Forgotten()
    retention.start()
    retention.stop()


def test_a_copy_has_all_of_its_person_and_nothing_of_another(
    cabinet: sa.Engine, engine: sa.Engine
) -> None:
    with engine.begin() as db:
        db.exec_driver_sql("""
            INSERT INTO participant_addresses VALUES
                (1, '2026-11-22', '{192.0.2.7,2001:db8:1:2::/64}'),
                (2, '2026-11-22', '{192.0.2.99}')
        """)
    with cabinet.begin() as db:
        login, _ = enter(db, PIN, now_us=NOW_US, draw=DRAW)
        other, _ = enter(db, OTHER_PIN, now_us=NOW_US, draw=DRAW)
        uploaded(db, other, UNSIGNED)
        file = io.BytesIO()
        write_copy(db, login.person, file, NOW_US)
    archive = zipfile.ZipFile(file)
    held = json.loads(archive.read("personal.json"))
    assert held["applications"][0]["tax_number"] == PIN
    assert held["participant_people"][0]["pin"] == PIN
    assert [row["addresses"] for row in held["participant_addresses"]] == [
        ["192.0.2.7", "2001:db8:1:2::/64"]
    ]
    assert {row["person_id"] for row in held["logins"]} == {login.person.id}
    acts = [f"acts/{row['id']}" for row in held["signed_acts"]]
    assert all(archive.read(f"{act}.p7s") and archive.read(f"{act}.txt") for act in acts)
    documents = [name for name in archive.namelist() if name.startswith("documents/")]
    assert [archive.read(name) for name in documents] == [PDF]
    assert hashlib.sha256(PDF).hexdigest()[:16] in documents[0]
    whole = b"".join(map(archive.read, archive.namelist()))
    assert OTHER_PIN.encode() not in whole
    assert UNSIGNED not in whole
    cabinet.dispose()


def test_a_copy_has_workbooks_too(cabinet: sa.Engine) -> None:
    with cabinet.begin() as db:
        login, _ = enter(db, PIN, now_us=NOW_US, draw=DRAW)
        assert keep_upload(
            db, login.person.id, b"PK\3\4", name="q3.xlsx", media_type=XLSX_TYPE, now_us=NOW_US
        )
        file = io.BytesIO()
        write_copy(db, login.person, file, NOW_US)
    names = zipfile.ZipFile(file).namelist()
    digest = hashlib.sha256(b"PK\3\4").hexdigest()
    assert f"documents/{digest[:16]}.xlsx" in names
    cabinet.dispose()
