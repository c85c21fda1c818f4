"""The dashboard, the workers and the equipment by HTTP: what they show, to whom, and what moves."""

import json
import re
from collections.abc import Generator, Iterator
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.login.people import PeopleRole, add_person
from kench.cabinet.web import live as live_module
from kench.pool.clock import SystemClock
from kench.pool.database import open_engine
from kench.pool.register import add_participant
from tests.support.cabinet import Client, client_in, served_cabinet
from tests.support.mined import mined
from tests.support.pki import PIN, SECOND_PIN

THIRD_PIN, FOURTH_PIN = "10103199000457", "10103199000458"
NOW_US = SystemClock().now_us()
WORKERS = 60
PAGES = ["", "?span=7d", "?span=30d", "?span=1y", "series", "series?span=1y", "workers",
         "workers?search=rig&state=low&sort=refused", "workers?page=2", "workers/{worker}",
         "workers/{worker}?span=7d", "workers/{worker}/series", "equipment"]  # fmt: skip


@pytest.fixture(scope="module")
def participants(module_database: str) -> list[int]:
    """One that mines, with an owner and an accountant; one of somebody else that has not begun."""
    owner = open_engine(module_database, application_name="test")
    with owner.begin() as db:
        made = [add_participant(db, name)[0] for name in ("Ала-Тоо", "Нарын")]
        people = [
            (0, PIN, PeopleRole.OWNER),
            (0, THIRD_PIN, PeopleRole.ACCOUNTANT),
            (0, FOURTH_PIN, PeopleRole.TECHNICIAN),
            (1, SECOND_PIN, PeopleRole.OWNER),
        ]
        for number, pin, role in people:
            add_person(db, made[number], pin, role, added_by=None, now_us=1)
        mined(db, made[0], workers=WORKERS, now_us=NOW_US)
    owner.dispose()
    return made


@pytest.fixture(scope="module")
def cabinet(module_database: str, participants: list[int]) -> Iterator[Cabinet]:
    del participants
    with served_cabinet(module_database, clock=SystemClock()) as served:
        yield served


@pytest.fixture
def client(cabinet: Cabinet) -> Client:
    return client_in(cabinet, PIN)


@pytest.fixture(scope="module")
def worker(module_database: str, participants: list[int]) -> int:
    """One of the workers."""
    owner = open_engine(module_database, application_name="test")
    with owner.connect() as db:
        found = db.scalar(
            sa.text("SELECT min(id) FROM workers WHERE participant_id = :one"),
            {"one": participants[0]},
        )
    owner.dispose()
    assert found is not None
    return int(found)


@pytest.mark.parametrize("page", PAGES)
def test_rooms_are_there_for_those_who_act_and_for_nobody_else(
    cabinet: Cabinet, client: Client, participants: list[int], worker: int, page: str
) -> None:
    path = f"/p/{participants[0]}/" + page.format(worker=worker)
    assert client.get(path).status_code == 200
    assert client_in(cabinet, SECOND_PIN).get(path).status_code == 404


@pytest.mark.parametrize("page", ["workers/{worker}", "workers/{worker}/series"])
def test_a_worker_of_another_is_no_page_of_mine(
    cabinet: Cabinet, participants: list[int], worker: int, page: str
) -> None:
    mine = client_in(cabinet, SECOND_PIN)
    for number in (worker, 0, 2**31, 10**20):
        path = f"/p/{participants[1]}/" + page.format(worker=number)
        assert mine.get(path).status_code == 404


def test_the_dashboard_shows_the_numbers_of_now(client: Client, participants: list[int]) -> None:
    text = client.get(f"/p/{participants[0]}/").text
    assert '<dd data-live="hashrate_10m">4.8 PH/s</dd>' in text
    assert '<dd data-live="active">42</dd>' in text
    assert '<dd data-live="gone">6</dd>' in text
    assert "<svg" in text
    assert "How to begin" not in text
    assert text.count("<tr>") == 25


def test_each_role_sees_on_the_dashboard_what_it_may(
    cabinet: Cabinet, client: Client, participants: list[int]
) -> None:
    path = f"/p/{participants[0]}/"
    owner, accountant = client.get(path).text, client_in(cabinet, THIRD_PIN).get(path).text
    technician = client_in(cabinet, FOURTH_PIN)
    machines = technician.get(path).text
    assert technician.get(f"{path}series").status_code == 200
    money, workers = "Expected a day, BTC", "/workers?state=active"
    assert [money in text for text in (owner, accountant, machines)] == [True, True, False]
    assert [workers in text for text in (owner, accountant, machines)] == [True, False, True]
    assert 'href="/p/1/earnings">From' not in machines


def test_one_who_has_not_begun_is_told_how(cabinet: Cabinet, participants: list[int]) -> None:
    text = client_in(cabinet, SECOND_PIN).get(f"/p/{participants[1]}/").text
    assert "How to begin" in text
    assert "No accepted shares in this span yet" in text
    text = client_in(cabinet, SECOND_PIN).get(f"/p/{participants[1]}/workers").text
    assert "No worker yet" in text


def test_a_chart_has_its_numbers_for_the_script(client: Client, participants: list[int]) -> None:
    series = client.get(f"/p/{participants[0]}/series?span=7d").json()
    assert (series["span"], series["step_s"]) == ("7d", 3600)
    assert len(series["at_s"]) == len(series["hashrate"]) == 168
    assert series["hashrate"][-1] == pytest.approx(6e15)
    assert client.get(f"/p/{participants[0]}/series?span=2y").status_code == 404


def test_workers_are_listed_by_pages_and_searched(client: Client, participants: list[int]) -> None:
    path = f"/p/{participants[0]}/workers"
    first = client.get(path).text
    assert first.count('name="worker"') == 50
    assert f'href="{path}?page=2"' in first
    assert client.get(f"{path}?page=2").text.count('name="worker"') == 10
    found = client.get(f"{path}?search=%3Cb%3E").text
    assert "No worker is like that." in found
    assert "&lt;b&gt;" in found
    assert "<b>" not in found
    odd = f"{path}?state=odd&group=x&sort=y&search=%00"
    assert client.get(odd).text.count('name="worker"') == 50


def test_workers_are_moved_into_a_group_by_who_may(
    cabinet: Cabinet, client: Client, participants: list[int], worker: int
) -> None:
    path = f"/p/{participants[0]}/workers"
    form = {"worker": str(worker), "to": "new", "name": "Нарын ГЭС", "state": "gone"}
    assert client_in(cabinet, THIRD_PIN).post_form(f"{path}/move", **form).status_code == 404
    assert client_in(cabinet, SECOND_PIN).post_form(f"{path}/move", **form).status_code == 404
    moved = client.post_form(f"{path}/move", **form)
    assert moved.headers["location"] == f"{path}?state=gone&said=workers-moved"
    assert "Нарын ГЭС (1)" in client.get(path).text
    assert "Нарын ГЭС" in client.get(f"/p/{participants[0]}/equipment").text
    said = {
        ("new", ""): "group-name", ("9999", "x"): "group-unknown", ("odd", "x"): "group-unknown",
        ("none", ""): "workers-moved",
    }  # fmt: skip
    for (to, name), key in said.items():
        answer = client.post_form(f"{path}/move", worker=str(worker), to=to, name=name)
        assert answer.headers["location"].endswith(f"said={key}")
    answer = client.post_form(f"{path}/move", to="new", name="empty")
    assert answer.headers["location"].endswith("said=workers-none")
    assert "empty" not in client.get(path).text
    assert 'name="worker"' not in client_in(cabinet, THIRD_PIN).get(path).text


def test_the_equipment_says_what_the_register_lacks(
    client: Client, participants: list[int]
) -> None:
    text = client.get(f"/p/{participants[0]}/equipment").text
    assert "The register has no equipment of yours" in text
    assert f'href="/p/{participants[0]}/notices/new/equipment"' in text


def _follow(cabinet: Cabinet, client: Client, path: str, last_id: str = "") -> Generator[str]:
    """Lines of an event stream, over a real connection."""
    cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    headers = {"Cookie": cookies, "Accept-Language": "en"}
    if last_id:
        headers["Last-Event-ID"] = last_id
    origin = cabinet.settings.cabinet_origin
    with httpx.stream("GET", origin + path, headers=headers, timeout=20) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield from answer.iter_lines()


def test_numbers_move_by_themselves_and_nothing_is_sent_twice(
    cabinet: Cabinet,
    client: Client,
    participants: list[int],
    module_database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live_module, "PING_S", 0.2)
    monkeypatch.setattr(live_module, "POLL_S", 0.05)
    path = f"/p/{participants[0]}/live"
    lines = _follow(cabinet, client, path)
    first = _event(lines)
    assert first["texts"]["hashrate_10m"] == "4.8 PH/s"
    owner = open_engine(module_database, application_name="test")
    with owner.begin() as db:
        db.execute(sa.text("UPDATE worker_live SET hashrate_10m = hashrate_10m * 2"))
        db.execute(sa.text("UPDATE pool_live SET written_at = written_at + interval '1 s'"))
    moved = _event(lines)
    assert moved["texts"]["hashrate_10m"] == "9.6 PH/s"
    lines.close()
    lines = _follow(cabinet, client, path, moved["id"])
    seen = [next(lines) for _ in range(6)]
    assert ": ping" in seen
    assert not [line for line in seen if line.startswith("data")]
    with owner.begin() as db:
        db.execute(sa.text("UPDATE worker_live SET hashrate_10m = hashrate_10m / 2"))
        db.execute(sa.text("UPDATE pool_live SET written_at = written_at + interval '1 s'"))
    owner.dispose()
    assert _event(lines)["texts"]["hashrate_10m"] == "4.8 PH/s"
    lines.close()


def test_a_number_of_any_length_for_the_last_event_is_read(
    cabinet: Cabinet, client: Client, participants: list[int]
) -> None:
    """Python refuses to read so long ones: the stream would break, and its viewer stay counted."""
    for odd in ("9" * 6000, "x", "-1"):
        lines = _follow(cabinet, client, f"/p/{participants[0]}/live", odd)
        assert "hashrate_10m" in _event(lines)["texts"]
        lines.close()


def test_a_worker_moves_by_itself_with_its_state(
    cabinet: Cabinet, client: Client, participants: list[int], worker: int
) -> None:
    path = f"/p/{participants[0]}/workers/{worker}"
    lines = _follow(cabinet, client, f"{path}/live")
    event = _event(lines)
    lines.close()
    text = client.get(path).text
    assert f'data-live-from="{path}/live"' in text
    shown = dict(re.findall(r'data-live="(\w+)">([^<]*)<', text))
    assert set(event["texts"]) == set(shown)
    assert event["texts"]["accepted"] == shown["accepted"]
    assert f'class="tag {event["tones"]["state"]}"' in text


def test_the_share_log_of_a_worker_goes_back_page_by_page(
    client: Client, participants: list[int], worker: int
) -> None:
    path = f"/p/{participants[0]}/workers/{worker}"
    newest = client.get(path).text
    older = re.search(r'rel="next" href="([^"]*)#log"', newest)
    assert older is not None
    page = client.get(older[1].replace("&amp;", "&")).text
    rows = [
        re.findall(r'data-label="From"><time datetime="([^"]*)"', one) for one in (newest, page)
    ]
    assert (len(rows[0]), min(rows[0]) > max(rows[1])) == (36, True)
    assert "There is nothing older." in client.get(f"{path}?before=1").text
    assert client.get(f"{path}?before=-1").status_code == 404


def test_a_stream_ends_with_its_login(
    cabinet: Cabinet,
    participants: list[int],
    module_database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live_module, "PING_S", 0.2)
    monkeypatch.setattr(live_module, "POLL_S", 0.05)
    monkeypatch.setattr(live_module, "CHECK_S", 0.0)
    lines = _follow(cabinet, client_in(cabinet, THIRD_PIN), f"/p/{participants[0]}/live")
    _event(lines)
    owner = open_engine(module_database, application_name="test")
    with owner.begin() as db:
        db.execute(
            sa.text("""
                UPDATE logins SET ended_at = now(), ended_why = 'ended' FROM persons
                WHERE persons.id = person_id AND pin = :pin AND ended_at IS NULL
            """),
            {"pin": THIRD_PIN},
        )
    owner.dispose()
    assert [line for line in lines if line.startswith("id")] == []


def test_streams_are_bounded_for_a_login_and_in_all(
    cabinet: Cabinet, participants: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/p/{participants[0]}/live"
    monkeypatch.setattr(live_module, "VIEWERS_PER_LOGIN_MAX", 1)
    client = client_in(cabinet, PIN)
    lines = _follow(cabinet, client, path)
    _event(lines)
    cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    answer = httpx.get(cabinet.settings.cabinet_origin + path, headers={"Cookie": cookies})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
    lines.close()
    monkeypatch.setattr(live_module, "VIEWERS_MAX", 0)
    assert client_in(cabinet, PIN).get(path).status_code == 429
    assert client_in(cabinet, SECOND_PIN).get(path).status_code == 404


def _event(lines: Iterator[str]) -> dict[str, Any]:
    """The next event, its id with its data."""
    number = ""
    for line in lines:
        if line.startswith("id: "):
            number = line[4:]
        elif line.startswith("data: "):
            assert re.fullmatch(r"[0-9]+", number)
            return json.loads(line[6:]) | {"id": number}
    raise AssertionError("the stream ended")
