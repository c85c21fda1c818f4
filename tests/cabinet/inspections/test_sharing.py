"""Who mines from one address with whom: strangers count, those who belong together do not."""

from collections.abc import Iterator
from datetime import date, timedelta
from ipaddress import ip_network

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.inspections.reading import read_risks
from kench.cabinet.inspections.risk import Factor
from kench.cabinet.inspections.sharing import (
    CROWD_MAX,
    Crowd,
    Shared,
    read_origins,
    read_shared,
    shared_in,
)
from kench.pool.clock import ManualClock
from kench.pool.moments import moment_of
from kench.pool.orders.officer_roles import OfficerRole
from tests.support.applications import ROW, TODAY, application, draft
from tests.support.cabinet import cabinet_of, client_in
from tests.support.registration import (
    NOW_US,
    OTHER_PIN,
    put_officer,
    registered,
    verifier_at,
)
from tests.support.signing import SECOND_US

THIRD_PIN, REGISTRAR_PIN = "21507198500888", "11211197800321"
INSPECTOR_PIN = "10607199200111"
DAY = date(2026, 11, 20)
SINCE, UNTIL = TODAY - timedelta(days=30), TODAY
LATER_US = NOW_US + 60 * SECOND_US
PLACE, GATE, HOUSE = "192.0.2.7", "198.51.100.1", "2001:db8:1:2::/64"


@pytest.fixture
def cabinet(database: str, engine: sa.Engine) -> Iterator[Cabinet]:
    """Three participants: the second has the first's site, the third nothing in common."""
    with engine.begin() as db:
        put_officer(db)
        put_officer(db, REGISTRAR_PIN, (OfficerRole.REGISTRAR,))
        put_officer(db, INSPECTOR_PIN, (OfficerRole.INSPECTOR,))
        registered(db)
        registered(db, OTHER_PIN, application(draft(tax_number=OTHER_PIN), OTHER_PIN))
        elsewhere = draft(tax_number=THIRD_PIN)
        elsewhere.rows = [ROW | {"site": "Нарын, көч. Ленин, 7"}]
        registered(db, THIRD_PIN, application(elsewhere, THIRD_PIN))
        db.execute(
            sa.text("""
                INSERT INTO participant_addresses
                SELECT whose, day, CASE WHEN day < '2026-11-10' THEN ARRAY[own, :gate]
                    ELSE ARRAY[own, :place, :gate] END, whose = 3
                FROM generate_series(date '2026-11-01', '2026-11-22', '1 day') AS day,
                    (VALUES (1, :house), (2, :house), (3, '203.0.113.9')) AS one (whose, own)
            """),
            {"gate": GATE, "place": PLACE, "house": HOUSE},
        )
    with cabinet_of(database, clock=ManualClock(LATER_US), verifier=verifier_at()) as made:
        yield made


def test_strangers_at_one_address_count_and_neighbours_of_a_site_do_not(cabinet: Cabinet) -> None:
    gate = [ip_network(f"{GATE}/32")]
    with cabinet.engine.connect() as db:
        shared = read_shared(db, SINCE, UNTIL, gate)
        assert shared == {1: Shared(13, 1), 2: Shared(13, 1), 3: Shared(13, 2)}
        assert read_shared(db, SINCE, UNTIL, gate, 3)[3] == shared[3]
        assert read_shared(db, SINCE, UNTIL, [ip_network("192.0.0.0/8"), *gate]) == {}
        assert read_shared(db, SINCE, UNTIL, [])[1] == Shared(22, 1)
        assert read_shared(db, UNTIL, UNTIL + timedelta(days=1), []) == {}
        assert read_shared(db, SINCE, UNTIL, [], 9) == {}
        assert read_origins(db, 9, SINCE, UNTIL) == ([], False)
        (risk,) = read_risks(db, moment_of(LATER_US), 3, gate)
    assert (risk.facts.shared_days, risk.facts.shared_with) == (13, 2)
    assert (Factor.ADDRESSES, 10) in risk.points


def test_those_who_inspect_see_addresses_and_a_registrar_does_not(cabinet: Cabinet) -> None:
    page = "/desk/participants/3"
    inspector = client_in(cabinet, INSPECTOR_PIN)
    shown = inspector.get(page).text
    assert all(one in shown for one in (PLACE, GATE, "203.0.113.9", "days: 13", "than sixteen"))
    assert HOUSE not in shown
    own = inspector.get("/desk/participants/1").text
    assert HOUSE in own
    assert own.count("same owner or site") == 3
    assert "than sixteen" not in own
    hidden = client_in(cabinet, REGISTRAR_PIN).get(page)
    assert hidden.status_code == 200
    assert PLACE not in hidden.text
    listed = inspector.get("/desk/inspections").text
    assert "mines from one address with others (15)" in listed
    assert PLACE not in listed


def test_very_many_at_one_address_are_not_looked_at_by_pairs() -> None:
    many = list(range(1, CROWD_MAX + 2))

    def asked(_one: int, _other: int) -> bool:
        raise AssertionError("a pair was looked at")

    shared = shared_in([Crowd(DAY, PLACE, many)], asked)
    assert shared == dict.fromkeys(many, Shared(1, CROWD_MAX))


CROWDS = st.lists(
    st.builds(
        Crowd,
        st.dates(DAY, DAY + timedelta(days=4)),
        st.sampled_from(["192.0.2.1", "192.0.2.2"]),
        st.lists(st.integers(1, 8), min_size=2, max_size=8, unique=True),
    ),
    max_size=12,
)


@given(CROWDS, st.sets(st.integers(1, 8)))
def test_each_counts_its_days_and_strangers_once(crowds: list[Crowd], family: set[int]) -> None:
    def is_akin(one: int, other: int) -> bool:
        return {one, other} <= family

    for one, shared in shared_in(crowds, is_akin).items():
        met = [
            (crowd.day, other)
            for crowd in crowds
            if one in crowd.participants
            for other in crowd.participants
            if other != one and not is_akin(one, other)
        ]
        assert shared == (len({day for day, _ in met}), len({other for _, other in met}))
        assert shared.days > 0
