"""The desk's room of lots: an AML case that two officers release, and what each page says of it."""

import re
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from kench.cabinet.cabinet import Cabinet
from kench.pool.clock import ManualClock
from kench.pool.database import open_engine
from kench.pool.register import add_participant
from tests.support.cabinet import cabinet_of, client_in
from tests.support.grants import BLOCK_HASH, credit_block
from tests.support.held_lots import add_held_lot
from tests.support.registration import NOW_US, signed_in, verifier_at
from tests.support.two_officers import FINANCE, HEAD, INSPECTOR, put_officers

LOT = f"/desk/lots/{BLOCK_HASH}/0"


@pytest.fixture(scope="module")
def cabinet(module_database: str) -> Iterator[Cabinet]:
    engine = open_engine(module_database, application_name="test")
    with engine.begin() as db:
        put_officers(db)
        credit_block(db, add_participant(db, "Ала-Тоо")[0])
        add_held_lot(db, BLOCK_HASH, at_us=NOW_US)
    engine.dispose()
    clock = ManualClock(NOW_US)
    with cabinet_of(module_database, clock=clock, verifier=verifier_at()) as made:
        yield made


def test_a_case_is_looked_at_and_released_by_two_officers(cabinet: Cabinet) -> None:
    finance, head = client_in(cabinet, FINANCE), client_in(cabinet, HEAD)
    for path in (f"/desk/lots/{BLOCK_HASH}/1", "/desk/lots/x/0", f"{LOT}9999999999999"):
        assert head.get(path).status_code == 404
    assert LOT in finance.get("/desk/lots").text
    page = finance.get(LOT).text
    for said in ("61.2%", "an officer over 50%, refused over 75%", "KYT-204411", "mixer"):
        assert said in page
    for typed in ({"act": "resume", "why": "x"}, {"act": "release", "why": " "}, {}):
        assert finance.post_form(f"{LOT}/resolve", **typed).status_code == 422
    asked = finance.post_form(f"{LOT}/resolve", act="release", why="the report was looked at")
    path = asked.headers["location"]
    assert "kench_resolution" in finance.get(path).text
    assert signed_in(finance, path, FINANCE).endswith("?said=lot_signed")
    assert f"{LOT}/sign" not in finance.get(LOT).text
    assert "Resolutions on lots that wait" in head.get("/desk").text
    assert "the report was looked at" in head.get("/desk/lots").text
    act_id = re.search(r'name="act_id" value="(\d+)"', head.get(LOT).text)
    assert act_id
    for unknown in ("999", "", "²", "9" * 5_000):
        assert head.post_form(f"{LOT}/sign", act_id=unknown).status_code == 409
    asked = head.post_form(f"{LOT}/sign", act_id=act_id[1])
    assert signed_in(head, asked.headers["location"], HEAD).endswith("?said=lot_wished")
    with cabinet.engine.connect() as db:
        assert db.scalar(sa.text("SELECT count(*) FROM lot_wish_queue")) == 1
    assert "the sale takes it up" in head.get(LOT).text
    assert head.post_form(f"{LOT}/resolve", act="write-off", why="x").status_code == 422


def test_inspectors_have_no_such_room(cabinet: Cabinet) -> None:
    inspector = client_in(cabinet, INSPECTOR)
    assert inspector.get(LOT).status_code == 403
    assert inspector.post_form(f"{LOT}/resolve", act="release", why="x").status_code == 403
