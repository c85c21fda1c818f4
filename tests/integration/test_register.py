"""Only registered workers of active participants mine, and every change is felt in 2 s (D2)."""

import re
import time
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from kench.cabinet.login.people import PeopleRole, add_person
from kench.pool.database import open_engine
from kench.pool.register import add_participant, resume_participant, suspend_participant
from tests.support.cabinet import Client, cabinet_of, client_in
from tests.support.client import StratumClient
from tests.support.pki import PIN
from tests.support.pool import EASY_SHARES, running_pool

FELT_WITHIN_S = 2.0


@pytest.fixture(scope="module")
def port(module_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Where one server listens for all tests of the module."""
    with running_pool(tmp_path_factory.mktemp("pool"), module_database, **EASY_SHARES) as pool:
        pool.start("stratum")
        yield pool.stratum_port


@pytest.fixture
def engine(module_database: str) -> Iterator[sa.Engine]:
    opened = open_engine(module_database, application_name="test")
    yield opened
    opened.dispose()


def logs_in_within(port: int, user: str, token: str, limit_s: float) -> bool:
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        with StratumClient(port) as client:
            if client.login(user, token):
                return True
    return False


def shares_until_refused(
    client: StratumClient, user: str, limit_s: float = 10.0
) -> tuple[int, int]:
    """Submit until a share is refused, in bounded time; how many were taken, and the error."""
    job, *_, ntime, _clean = client.wait_for_job()
    deadline, taken = time.monotonic() + limit_s, 0
    while time.monotonic() < deadline:
        share = (user, job, f"{taken:016x}", ntime, f"{taken:08x}")
        answer = client.call("mining.submit", *share)
        if answer["error"]:
            return taken, answer["error"][0]
        taken += 1
    raise AssertionError("no share was refused in time")


def test_the_register_decides_who_mines(port: int, engine: sa.Engine) -> None:
    with engine.begin() as connection:
        first, first_token = add_participant(connection, "first")
        second, second_token = add_participant(connection, "second")
    assert logs_in_within(port, f"{first}.a", first_token, FELT_WITHIN_S)

    with StratumClient(port, FELT_WITHIN_S) as mine, StratumClient(port) as others:
        assert mine.login(f"{first}.a", first_token)
        assert others.login(f"{second}.a", second_token)
        with engine.begin() as connection:
            suspend_participant(connection, first)
        mine.wait_until_closed()
        assert others.call("mining.ping")["result"] == "pong"

    with StratumClient(port) as client:
        assert not client.login(f"{first}.a", first_token)
        assert not client.login(f"{second}.a", first_token)
        assert not client.login(f"{second + 1000}.a", second_token)
        assert not client.login("nobody", second_token)
    with engine.begin() as connection:
        resume_participant(connection, first)
    assert logs_in_within(port, f"{first}.a", first_token, FELT_WITHIN_S)

    entered = sa.text("SELECT name FROM workers WHERE participant_id IN (:first, :second)")
    with engine.connect() as connection:
        names = connection.execute(entered, {"first": first, "second": second}).scalars()
        assert names.all() == ["a", "a"]


def test_a_proxy_keeps_its_other_participants_when_one_is_suspended(
    port: int, engine: sa.Engine
) -> None:
    with engine.begin() as connection:
        first, first_token = add_participant(connection, "first")
        second, second_token = add_participant(connection, "second")
    assert logs_in_within(port, f"{first}.a", first_token, FELT_WITHIN_S)
    with StratumClient(port) as proxy:
        assert proxy.login(f"{first}.a", first_token)
        assert proxy.call("mining.authorize", f"{second}.b", second_token)["result"]
        with engine.begin() as connection:
            suspend_participant(connection, first)
        taken, code = shares_until_refused(proxy, f"{first}.a")
        assert code == 24
        job, *_, ntime, _clean = proxy.wait_for_job()
        share = (job, f"{taken:016x}", ntime, f"{taken:08x}")
        assert proxy.call("mining.submit", f"{second}.b", *share)["result"] is True


def test_a_miner_is_cut_off_when_its_token_is_revoked_in_the_cabinet_and_others_mine_on(
    port: int, engine: sa.Engine, module_database: str
) -> None:
    with engine.begin() as connection:
        whose, _ = add_participant(connection, "several")
        add_person(connection, whose, PIN, PeopleRole.OWNER, added_by=None, now_us=1)
    with cabinet_of(module_database) as cabinet:
        owner = client_in(cabinet, PIN)
        tokens = {name: token_named(owner, whose, name) for name in ("Ош", "Нарын")}
        for name, token in tokens.items():
            assert logs_in_within(port, f"{whose}.{name}", token, 10), name
        with StratumClient(port) as osh, StratumClient(port) as naryn, StratumClient(port) as proxy:
            assert osh.login(f"{whose}.Ош", tokens["Ош"])
            assert naryn.login(f"{whose}.Нарын", tokens["Нарын"])
            assert proxy.login(f"{whose}.Ош", tokens["Ош"])
            assert proxy.call("mining.authorize", f"{whose}.Нарын", tokens["Нарын"])["result"]
            page = owner.get(f"/p/{whose}/tokens").text
            revoke = re.search(r'href="(/p/\d+/tokens/\d+/revoke)" aria-label="\w+: Ош"', page)
            assert revoke
            assert owner.post_form(revoke[1]).status_code == 303
            osh.wait_until_closed()
            # Who came by both goes on as the other, and so does who came by the other alone.
            taken, code = shares_until_refused(proxy, f"{whose}.Ош")
            assert code == 24
            for client in (naryn, proxy):
                job, *_, ntime, _clean = client.wait_for_job()
                share = (f"{whose}.Нарын", job, f"{taken:016x}", ntime, f"{taken:08x}")
                assert client.call("mining.submit", *share)["result"] is True
        with StratumClient(port) as client:
            assert not client.login(f"{whose}.Ош", tokens["Ош"])
        assert logs_in_within(port, f"{whose}.Ош", tokens["Нарын"], 10)


def token_named(owner: Client, whose: int, name: str) -> str:
    """A token that the cabinet makes and shows."""
    page = owner.post_form(f"/p/{whose}/tokens", label=name).text
    found = re.search(r'id="secret">([0-9a-f]{32})<', page)
    assert found
    return found[1]


@pytest.mark.parametrize("password", ["", "x", "d=1"])
def test_no_login_without_the_token(port: int, engine: sa.Engine, password: str) -> None:
    with engine.begin() as connection:
        participant, token = add_participant(connection, "one")
    assert logs_in_within(port, f"{participant}.a", token, 10)
    with StratumClient(port) as client:
        client.call("mining.subscribe")
        answer = client.call("mining.authorize", f"{participant}.a", password)
        assert answer["result"] is False
        assert answer["error"][0] == 24
        client.wait_until_closed()
