"""What is over is forgotten, and a database that is away is no reason to end."""

from kench.cabinet.login.sweep import Sweep
from kench.cabinet.signing.requests import open_login
from kench.pool.clock import ManualClock
from kench.pool.database import open_engine
from tests.support.pki import NOW_US
from tests.support.signing import BROWSER, ORIGIN, Draw, cabinet_engine, enter


def test_requests_and_logins_that_are_over_go_and_others_stay(database: str) -> None:
    engine = cabinet_engine(database)
    with engine.begin() as db:
        enter(db)
        open_login(
            db, browser=BROWSER, language="ky", now_us=NOW_US, random_bytes=Draw(), origin=ORIGIN
        )
    clock = ManualClock(NOW_US)
    sweep = Sweep(engine, clock)
    assert sweep.look() == 0
    clock.advance(2 * 3600)
    assert sweep.look() == 1
    clock.advance(100 * 86_400)
    assert sweep.look() == 1
    engine.dispose()


def test_a_database_that_is_away_is_waited_for() -> None:
    away = open_engine("postgresql://nobody@127.0.0.1:1/none", application_name="test")
    sweep = Sweep(away, ManualClock())
    assert sweep.look() == 0
    sweep.start()
    sweep.stop()
