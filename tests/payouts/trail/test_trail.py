"""Whatever is changed in the trail after it was sealed is found, in the database and in a file."""

import contextlib
import hashlib
import json
import zipfile
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy.exc import DBAPIError

from kench.cabinet.login.persons import know_person
from kench.cabinet.login.trail import TrailEntry, keep_trail
from kench.payouts.proofs.evidence import EvidenceKey
from kench.payouts.trail.anchors import Anchorer, read_anchors
from kench.payouts.trail.chain import Verified
from kench.payouts.trail.export import TrailFileError, check_export, write_export
from kench.payouts.trail.lines import FIRST, Head
from kench.payouts.trail.reading import Stretch, head_at, stretch_of_days, verify_all, verify_day
from kench.payouts.trail.sealing import (
    SEAL_LOCK,
    ChainBrokenError,
    count_unsealed,
    read_head,
    seal_batch,
)
from kench.pool.database import Role, open_engine
from kench.pool.moments import midnight_us
from tests.support.pki import PIN

DAY = date(2026, 11, 23)
HOUR_US = 3_600 * 1_000_000
KEY = EvidenceKey(Ed25519PrivateKey.from_private_bytes(b"k" * 32))
OTHER_KEY = EvidenceKey(Ed25519PrivateKey.from_private_bytes(b"o" * 32))
DAYS, EACH = 3, 4
SLIPPED_IN = """
    INSERT INTO acts OVERRIDING SYSTEM VALUE SELECT 999, at, person_id, login_id, act, subject,
    outcome, address, detail, participant_id FROM acts
"""


@pytest.fixture(scope="module")
def engine(module_database: str) -> Iterator[sa.Engine]:
    """Three days of four acts, sealed and anchored, and two of a fourth day that is not over."""
    opened = open_engine(module_database, application_name="test")
    anchorer = Anchorer(KEY)
    for number in range(DAYS + 1):
        begins = midnight_us(DAY + timedelta(days=number))
        with opened.begin() as db:
            anchorer.turn(db, begins + HOUR_US)
            act(db, begins + 2 * HOUR_US, EACH if number < DAYS else 2)
            assert seal_batch(db) is not None
    yield opened
    opened.dispose()


def act(db: sa.Connection, at_us: int, count: int) -> None:
    person = know_person(db, PIN, "Асан Усенов", at_us)
    for number in range(count):
        subject = f"/desk/participants/{number + 1}"
        keep_trail(db, TrailEntry(at_us + number, "view", "done", subject, "::1", "ц", person.id))


@pytest.fixture
def owned(engine: sa.Engine) -> Iterator[sa.Connection]:
    """The database as its owner can have it, without its triggers; undone afterwards."""
    with engine.connect() as db:
        db.exec_driver_sql("SET LOCAL session_replication_role = replica")
        yield db
        db.rollback()


@pytest.fixture(scope="module")
def exported(engine: sa.Engine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trail") / "trail.zip"
    with engine.connect() as db, path.open("wb") as file:
        stretch = stretch_of_days(db, DAY + timedelta(days=1), DAY + timedelta(days=2))
        assert stretch == Stretch(EACH, DAYS * EACH)
        write_export(db, file, stretch, 1)
    return path


def test_a_trail_that_nobody_changed_holds(engine: sa.Engine) -> None:
    with engine.connect() as db:
        found = verify_all(db)
        assert (found.count, found.lines, found.anchors) == (0, DAYS * EACH + 2, DAYS)
        assert (found.anchored, found.keys) == (DAYS * EACH, {KEY.public})
        assert verify_day(db, DAY).lines == EACH
        assert verify_day(db, DAY + timedelta(days=DAYS)).lines == 2
        assert verify_all(db, key=OTHER_KEY.public).count == DAYS


def test_anybody_computes_a_hash_from_what_the_documents_say(exported: Path) -> None:
    with zipfile.ZipFile(exported) as files:
        stretch = json.loads(files.read("range.json"))
        lines = files.read("trail.jsonl").decode().splitlines()
        seals = dict(row.split() for row in files.read("seals.txt").decode().splitlines())
        anchors = [json.loads(row) for row in files.read("anchors.jsonl").splitlines()]
    previous = stretch["previous"]
    for line in lines:
        previous = hashlib.sha256(f"kench trail 1\n{previous}\n{line}".encode()).hexdigest()
        assert seals[str(json.loads(line)["number"])] == previous
    assert previous == stretch["hash"] == json.loads(anchors[-1]["content"])["hash"]
    public = Ed25519PublicKey.from_public_bytes(KEY.public)
    for anchor in anchors:
        public.verify(bytes.fromhex(anchor["signature"]), anchor["content"].encode())
    assert json.loads(lines[0])["participant"] == 1
    assert json.loads(lines[0])["person"] == PIN


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE acts SET outcome = 'no_duty' WHERE id = {act}", "line 6 was changed"),
        ("UPDATE acts SET at = at + interval '1 microsecond' WHERE id = {act}", "line 6 was ch"),
        ("UPDATE acts SET person_id = NULL WHERE id = {act}", "line 6 was changed"),
        ("DELETE FROM acts WHERE id = {act}", "line 6: what it sealed was removed"),
        ("DELETE FROM trail_seals WHERE number = 6", "lines 6 to 6 are missing"),
        ("DELETE FROM trail_seals WHERE number = 6", "was never sealed: it was slipped in"),
        ("DELETE FROM trail_seals WHERE number > 10", "its end was cut off"),
        (
            SLIPPED_IN + " WHERE id = {act}",
            "act 999 is in the trail, and was never sealed",
        ),
        (
            "UPDATE trail_seals SET act_id = {act} + 7 - number WHERE number IN (6, 7)",
            "line 7 was changed",
        ),
        ("UPDATE trail_seals SET hash = sha256('x') WHERE number = 6", "line 7 does not follow"),
        ("UPDATE trail_anchors SET hash = sha256('x')", "is not signed by its key"),
        ("UPDATE trail_anchors SET number = number - 1", "is not signed by its key"),
    ],
)
def test_what_is_changed_in_the_database_is_found(
    owned: sa.Connection, change: str, said: str
) -> None:
    number_of_act = owned.exec_driver_sql(
        "SELECT act_id FROM trail_seals WHERE number = 6"
    ).scalar()
    if "IN (6, 7)" in change:
        owned.exec_driver_sql("ALTER TABLE trail_seals DROP CONSTRAINT trail_seals_act_id_key")
    owned.exec_driver_sql(change.format(act=number_of_act))
    found = verify_all(owned)
    assert any(said in words for words in found.findings), found.findings


def test_a_chain_that_is_computed_anew_is_not_the_one_that_was_anchored(
    owned: sa.Connection,
) -> None:
    owned.exec_driver_sql("UPDATE acts SET detail = 'nothing' WHERE detail <> ''")
    owned.exec_driver_sql("DELETE FROM trail_seals")
    owned.exec_driver_sql("INSERT INTO trail_queue SELECT id, at FROM acts")
    assert seal_batch(owned) is not None
    owned.exec_driver_sql("DELETE FROM trail_queue")
    found = verify_all(owned)
    assert found.count == DAYS
    assert all("the trail was written anew" in words for words in found.findings)


def test_a_day_shows_what_was_slipped_into_it(owned: sa.Connection) -> None:
    owned.exec_driver_sql(SLIPPED_IN + " ORDER BY id LIMIT 1")
    assert verify_day(owned, DAY).count == 1
    assert verify_day(owned, DAY + timedelta(days=1)).count == 0


def rewritten(path: Path, into: Path, name: str, change: object) -> Verified:
    """Check a copy of an export in which one of its files is another."""
    assert callable(change)
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(into / "other.zip", "w") as new:
        for one in old.namelist():
            rows = old.read(one).splitlines(keepends=True)
            new.writestr(one, b"".join(change(rows) if one == name else rows))
    return check_export(into / "other.zip")


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("trail.jsonl", lambda rows: [rows[0].replace(b"view", b"sent"), *rows[1:]], "line 5 was"),
        ("trail.jsonl", lambda rows: rows[1:], "line 5: what it sealed was removed"),
        ("trail.jsonl", lambda rows: [rows[0], *rows], "line 5 stands after line 5"),
        ("trail.jsonl", lambda rows: [rows[1], rows[0], *rows[2:]], "line 5"),
        ("trail.jsonl", lambda rows: rows[:-1], "what it sealed was removed"),
        ("seals.txt", lambda rows: rows[:-1], "ne 12 does not follow"),
        ("seals.txt", lambda rows: rows[1:], "line 6 does not follow line 5"),
        ("seals.txt", lambda rows: [rows[1], rows[0], *rows[2:]], "the order was changed"),
        ("range.json", lambda rows: [rows[0].replace(b'"until":12', b'"until":13')], "end with"),
        ("anchors.jsonl", lambda rows: [rows[0].replace(b"-24", b"-25")], "not signed by its key"),
    ],
)
def test_what_is_changed_in_an_export_is_found(
    exported: Path, tmp_path: Path, name: str, change: object, said: str
) -> None:
    assert check_export(exported, key=KEY.public).count == 0
    found = rewritten(exported, tmp_path, name, change)
    assert any(said in words for words in found.findings), found.findings


@pytest.mark.parametrize("content", [b"", b"PK", b"x" * 100])
def test_another_file_is_no_export(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "trail.zip"
    path.write_bytes(content)
    with pytest.raises(TrailFileError):
        check_export(path)
    with pytest.raises(TrailFileError, match="cannot be read"):
        check_export(tmp_path / "none.zip")


@pytest.mark.parametrize(
    ("name", "content"),
    [("range.json", b"{}"), ("trail.jsonl", b"[" * 60_000 + b"\n"), ("trail.jsonl", b"x" * 70_000),
     ("seals.txt", b"x\n"), ("seals.txt", b"\n"), ("seals.txt", b"5\n"),
     ("anchors.jsonl", b'{"content":"{}","signature":""}\n')],
)  # fmt: skip
def test_a_broken_export_is_refused_and_breaks_nothing(
    exported: Path, tmp_path: Path, name: str, content: bytes
) -> None:
    with pytest.raises(TrailFileError, match="is no exported trail"):
        rewritten(exported, tmp_path, name, lambda _rows: [content])


def test_an_export_whose_bytes_broke_on_their_way_is_refused(
    exported: Path, tmp_path: Path
) -> None:
    whole, path = exported.read_bytes(), tmp_path / "trail.zip"
    for at in range(0, len(whole), 97):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        with contextlib.suppress(TrailFileError):
            check_export(path)


def test_an_end_that_was_cut_off_with_its_anchors_lacks_a_line_that_was_noted(
    owned: sa.Connection, exported: Path
) -> None:
    noted = read_head(owned)
    assert verify_all(owned, known=[noted]).count == 0
    assert check_export(exported, known=[Head(EACH, head_at(owned, EACH).hash)]).count == 0
    assert check_export(exported, known=[noted]).findings == [
        "line 14, which you know, is not there: it ends with line 12"
    ]
    for table, row in (
        ("trail_anchors", "number > 8"), ("trail_seals", "number > 8"),
        ("acts", "id NOT IN (SELECT act_id FROM trail_seals)"),
    ):  # fmt: skip
        owned.exec_driver_sql(f"DELETE FROM {table} WHERE {row}")
    assert verify_all(owned).count == 0
    assert "line 14, which you know, is not there" in verify_all(owned, known=[noted]).findings[0]
    other = Head(2, bytes(32))
    assert "the trail was written anew" in verify_all(owned, known=[other]).findings[0]


def test_what_one_seals_no_other_seals_at_the_same_time(
    engine: sa.Engine, module_database: str
) -> None:
    other = open_engine(module_database, Role.CABINET, application_name="test")
    with engine.begin() as db, other.begin() as beside:
        db.execute(sa.select(sa.func.pg_advisory_xact_lock(SEAL_LOCK)))
        assert seal_batch(beside) is None
    with other.begin() as db:
        act(db, midnight_us(DAY), 1)
        assert count_unsealed(db) == 1
        db.rollback()
    other.dispose()


def test_who_sealed_a_line_notices_when_it_is_gone(owned: sa.Connection) -> None:
    known = read_head(owned)
    assert seal_batch(owned, known) == (known, 0)
    owned.exec_driver_sql("DELETE FROM trail_seals WHERE number > 10")
    with pytest.raises(ChainBrokenError, match="kench trail verify"):
        seal_batch(owned, known)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE trail_seals SET hash = previous",
        "DELETE FROM trail_seals",
        "DELETE FROM trail_queue",
        "UPDATE trail_anchors SET number = 1",
        "UPDATE acts SET detail = ''",
        "INSERT INTO trail_seals SELECT 99, act_id, hash, hash FROM trail_seals WHERE number = 6",
        "INSERT INTO trail_anchors SELECT * FROM trail_anchors",
    ],
)
def test_no_process_changes_what_is_sealed(module_database: str, statement: str) -> None:
    cabinet = open_engine(module_database, Role.CABINET, application_name="test")
    with pytest.raises(DBAPIError), cabinet.begin() as db:
        db.exec_driver_sql(statement)
    cabinet.dispose()


def test_a_day_is_anchored_once_and_when_all_of_it_is_sealed(database: str) -> None:
    engine = open_engine(database, application_name="test")
    settling = open_engine(database, Role.SETTLE, application_name="test")
    over = midnight_us(DAY + timedelta(days=1))

    def turn(anchorer: Anchorer, now_us: int) -> int:
        with settling.begin() as db:
            made = anchorer.turn(db, now_us)
            return made.number if made else 0

    anchorer = Anchorer(KEY)
    assert turn(anchorer, over + HOUR_US) == 0  # nothing was ever sealed
    with engine.begin() as db:
        act(db, over - 1, 1)
    assert turn(anchorer, over + HOUR_US) == 0  # it waits for its seal
    with engine.begin() as db:
        sealed = seal_batch(db)
        assert sealed is not None
        assert sealed[0].number == 1
    assert turn(anchorer, over + 1) == 1  # of the day before: somebody may be committing still
    assert turn(anchorer, over + HOUR_US) == 1
    assert turn(anchorer, over + HOUR_US) == turn(Anchorer(OTHER_KEY), over + 2 * HOUR_US) == 0
    with engine.connect() as db:
        anchors = read_anchors(db, at_most=9)
        assert [one.day for one in anchors] == [DAY, DAY - timedelta(days=1)]
        assert all(one.is_good() for one in anchors)
        first = db.exec_driver_sql("SELECT previous FROM trail_seals").scalar_one()
        assert bytes(first) == FIRST
    engine.dispose()
    settling.dispose()
