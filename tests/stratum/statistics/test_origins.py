"""From which addresses participants mine: each once a day, few, and none that tells of no place."""

from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import DBAPIError

from kench.pool.database import Role, open_engine
from kench.pool.door_settings import Network
from kench.stratum.statistics.origins import (
    ADDRESSES_MAX,
    DAY_US,
    OriginBook,
    OriginTeller,
    forget_old,
    place_of,
)
from tests.support.stratum_client import Desk, run, serving

SHARED: tuple[Network, ...] = (ip_network("92.62.64.0/24"), ip_network("2a03:32c0:7::/48"))
DAY = 20_780


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("212.42.96.7", "212.42.96.7"),
        ("2a03:32c0:1:2:aaaa::7", "2a03:32c0:1:2::/64"),
        ("92.62.64.9", None), ("2a03:32c0:7:2::9", None),  # shared, the setting says
        ("10.0.0.7", None), ("100.64.3.2", None), ("127.0.0.1", None), ("169.254.1.1", None),
        ("::1", None), ("fd00::7", None), ("fe80::7", None),
        ("64:ff9b::d42a:6007", None),  # behind an operator's gate
        ("", None),
    ],
)  # fmt: skip
def test_a_place_is_an_ipv4_address_or_a_sites_ipv6_network(
    address: str, place: str | None
) -> None:
    assert place_of(address, SHARED) == place


@given(st.ip_addresses().map(str))
def test_what_is_kept_is_a_network_with_the_address_in_it(address: str) -> None:
    place = place_of(address, SHARED)
    if place is not None:
        assert ip_network(address).subnet_of(ip_network(place))  # type: ignore[arg-type]
        assert ip_network(place).is_global


def told(origins: OriginTeller) -> list[list[object]]:
    body = origins.take()
    return msgspec.json.decode(body) if body else []


def test_an_address_is_told_once_a_day_when_work_came_from_it(tmp_path: Path) -> None:
    async def scene() -> None:
        async with serving(tmp_path) as desk:
            front, origins = desk.front, desk.front.origins
            peer = await desk.connect()
            await peer.login()
            (connection,) = front.connections
            connection.peer = "212.42.96.7"
            front._sweep.count_work(connection)
            assert told(origins) == []  # no work yet
            await worked(desk, peer)
            front._sweep.count_work(connection)
            today = desk.clock.now_us() // DAY_US
            assert told(origins) == [[1, today, "212.42.96.7"]]
            await worked(desk, peer)
            front._sweep.count_work(connection)
            assert told(origins) == []
            origins.begin_anew(front.connections)
            origins.look_at(connection)
            assert told(origins) == [[1, today, "212.42.96.7"]]
            desk.clock.advance(86_400)
            origins.look_at(connection)
            assert told(origins) == [[1, today + 1, "212.42.96.7"]]

    run(scene())


async def worked(desk: Desk, peer: object) -> None:
    answer = await peer.submit(peer.miner.share())  # type: ignore[attr-defined]
    assert answer["result"] is True


@pytest.fixture
def as_stratum(database: str) -> Iterator[sa.Engine]:
    engine = open_engine(database, Role.STRATUM, application_name="test")
    yield engine
    engine.dispose()


def kept(engine: sa.Engine) -> list[tuple[int, int, list[str], bool]]:
    query = "SELECT participant_id, day - date '1970-01-01', addresses, more"
    with engine.connect() as db:
        found = db.execute(sa.text(f"{query} FROM participant_addresses ORDER BY 1, 2"))
        return [(whose, day, addresses, more) for whose, day, addresses, more in found]


def heard(*told: tuple[int, int, str]) -> OriginBook:
    book = OriginBook()
    book.take(msgspec.json.encode(told))
    return book


def test_what_several_tell_is_kept_once_and_the_first_sixteen_stay(
    engine: sa.Engine, as_stratum: sa.Engine
) -> None:
    many = [f"212.42.96.{number}" for number in range(10, 10 + ADDRESSES_MAX)]
    heard((7, DAY, many[3]), (7, DAY, "2a03:32c0:1:2::/64"), (8, DAY, many[3])).write(as_stratum)
    book = heard(*((7, DAY, one) for one in many[:6]), (7, DAY + 1, many[0]))
    book.write(as_stratum)
    book.write(as_stratum)
    first = ["2a03:32c0:1:2::/64", many[3]]
    found = kept(engine)
    assert [(whose, day, more) for whose, day, _, more in found] == [
        (7, DAY, False), (7, DAY + 1, False), (8, DAY, False),
    ]  # fmt: skip
    assert sorted(found[0][2]) == sorted({*first, *many[:6]})
    heard(*((7, DAY, one) for one in many)).write(as_stratum)
    whole = kept(engine)[0]
    assert (len(whole[2]), whole[3]) == (ADDRESSES_MAX, True)
    assert set(whole[2]) >= {*first, *many[:6]}
    heard(*((9, DAY, f"212.42.97.{number}") for number in range(17))).write(as_stratum)
    assert (len(kept(engine)[-1][2]), kept(engine)[-1][3]) == (ADDRESSES_MAX, True)


def test_what_could_not_be_written_waits(engine: sa.Engine, as_stratum: sa.Engine) -> None:
    book = heard((7, DAY, "212.42.96.7"))
    nowhere = sa.create_engine("postgresql+psycopg2://kench@127.0.0.1:1/none")
    with pytest.raises(DBAPIError):
        book.write(nowhere)
    book.write(as_stratum)
    assert kept(engine) == [(7, DAY, ["212.42.96.7"], False)]


@pytest.mark.parametrize("body", [b"x", b"[7]", b'[["7",1,"a"]]'])
def test_what_a_front_cannot_have_told_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        OriginBook().take(body)


def test_addresses_are_forgotten_when_their_time_is_over_and_no_sooner(
    engine: sa.Engine, as_stratum: sa.Engine
) -> None:
    with engine.begin() as db:
        db.exec_driver_sql("""
            INSERT INTO participant_addresses
            SELECT 7, (now() AT TIME ZONE 'UTC')::date - back, '{212.42.96.7}'
            FROM unnest(ARRAY[0, 31, 32, 90, 91]) AS back
        """)
    for kept_d, gone in ((90, 1), (90, 0), (1, 2)):  # what the plan of inspections reads stays
        with as_stratum.begin() as db:
            assert forget_old(db, kept_d) == gone
    with as_stratum.begin() as db, pytest.raises(DBAPIError):
        db.exec_driver_sql("DELETE FROM participant_addresses")
