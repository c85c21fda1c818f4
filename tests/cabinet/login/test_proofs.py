"""Proofs of entries stay as they were written, and hold together by themselves."""

import pytest
import sqlalchemy as sa

from kench.cabinet.login.logins import Entry, Way
from kench.cabinet.login.proofs import keep_proof
from kench.cabinet.signing.evidence import Digests
from kench.pool.database import open_engine
from tests.support.pki import NOW_US
from tests.support.signing import cabinet_engine, enter

MINE = Digests((b"c" * 32,), (), ())


def test_a_proof_is_written_once_and_never_changed(database: str) -> None:
    engine = cabinet_engine(database)
    with engine.begin() as db:
        login, _ = enter(db, entry=Entry(Way.SIGN_ON))
        given = {"login_id": login.id, "person_id": login.person.id, "now_us": NOW_US}
        keep_proof(db, way=Way.CERTIFICATE, digests=MINE, **given)
    with pytest.raises(sa.exc.IntegrityError), engine.begin() as db:
        keep_proof(db, way=Way.CERTIFICATE, digests=MINE, **given)
    with pytest.raises(sa.exc.IntegrityError), engine.begin() as db:
        # An entry by the sign-on without the token's digest proves nothing.
        keep_proof(db, way=Way.SIGN_ON, **given | {"login_id": login.id + 1})
    engine.dispose()
    owner = open_engine(database, application_name="test owner")
    for change in ("UPDATE entry_proofs SET claims = 'x'", "DELETE FROM entry_proofs"):
        with pytest.raises(sa.exc.DBAPIError), owner.begin() as db:
            db.exec_driver_sql(change)
    owner.dispose()
