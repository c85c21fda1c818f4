"""A watcher sees what the link was made for; the link's secret goes nowhere else."""

import logging
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from kench.cabinet.access.grants import Kind, Scope
from kench.cabinet.access.meter import USES, WRONG
from kench.cabinet.cabinet import Cabinet
from kench.pool.clock import SystemClock
from tests.support.cabinet import Client, cabinet_of, client_in, client_of
from tests.support.grants import Two, granted
from tests.support.pki import PIN


@pytest.fixture
def cabinet(module_database: str, two: Two) -> Iterator[Cabinet]:
    del two
    with cabinet_of(module_database) as made:
        yield made


@pytest.fixture
def cabinet_now(module_database: str, two: Two) -> Iterator[Cabinet]:
    """By the clock of the database, which says what of the numbers is new."""
    del two
    with cabinet_of(module_database, clock=SystemClock()) as made:
        yield made


def link(cabinet: Cabinet, whose: int, *scopes: Scope) -> str:
    with cabinet.engine.begin() as db:
        return "/watch/" + granted(db, whose, Kind.LINK, *scopes, now_us=cabinet.clock.now_us())


@pytest.mark.parametrize(
    ("scope", "shown", "hidden"),
    [
        (Scope.HASHRATE, ["4 TH/s", "1 / 3"], ["rig1", "0.00000000"]),
        (Scope.WORKERS, ["rig1", "rig2", "rig3", "active", "silent", "gone"], ["0.00000000"]),
        (Scope.EARNINGS, ["0.00000000"], ["4 TH/s", "rig1"]),
    ],
)
def test_a_link_shows_its_scopes_and_nothing_else(
    cabinet_now: Cabinet, two: Two, scope: Scope, shown: list[str], hidden: list[str]
) -> None:
    text = client_of(cabinet_now).get(link(cabinet_now, two.first, scope)).text
    assert "Ала-Тоо" in text
    main = text[text.index("<main") :]
    assert not [word for word in shown if word not in main]
    assert not [word for word in hidden if word in main]


def test_no_other_page_is_told_of_the_link(cabinet: Cabinet, two: Two) -> None:
    path = link(cabinet, two.first)
    answer = client_of(cabinet).get(path)
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-robots-tag"] == "noindex"
    assert path.removeprefix("/watch/") not in answer.text


def test_its_language_can_be_chosen_without_leaving_it(cabinet: Cabinet, two: Two) -> None:
    path = link(cabinet, two.first)
    client = client_of(cabinet)
    assert '<a href="?language=ru" lang="ru"' in client.get(path).text
    assert "Хешрейт сейчас" in client.get(f"{path}?language=ru").text
    assert "Hashrate now" in client.get(f"{path}?language=xx").text


def test_the_secret_is_in_no_log_and_no_metric(
    cabinet: Cabinet, two: Two, caplog: pytest.LogCaptureFixture
) -> None:
    path = link(cabinet, two.first)
    secret = path.removeprefix("/watch/")
    client = Client(client_of(cabinet).app, base_url=cabinet.settings.cabinet_origin,
                    client=("127.0.0.1", 1))  # fmt: skip
    # The client's own log names addresses; that is no log of ours.
    with capture_logs() as lines, caplog.at_level(logging.DEBUG):
        for asked in (
            path,
            f"{path}?language=%00",
            f"{path}?span=x",
            f"{path}/more",
            f"/watch/{secret}x",
        ):
            client.get(asked)
        client.post(path)
    ours = [one.getMessage() for one in caplog.records if not one.name.startswith("http")]
    assert secret not in str(lines) + str(ours)
    metrics = client.get("/metrics").text
    assert 'route="/watch/{secret}"' in metrics
    assert secret not in metrics


def test_a_login_adds_nothing_to_a_link(cabinet: Cabinet, two: Two) -> None:
    text = client_in(cabinet, PIN).get(link(cabinet, two.second, Scope.HASHRATE)).text
    assert "Нарын" in text
    assert 'action="/leave"' not in text


@pytest.mark.parametrize("secret", ["x", "A" * 43, "A" * 42 + "%00", "ё" * 43, "A" * 5000])
def test_what_is_no_link_is_no_page(cabinet: Cabinet, secret: str) -> None:
    answer = client_of(cabinet).get(f"/watch/{secret}")
    assert answer.status_code == 404
    assert answer.headers["referrer-policy"] == "no-referrer"


def test_a_link_is_shown_so_many_times_and_no_more(cabinet: Cabinet, two: Two) -> None:
    path = link(cabinet, two.first, Scope.HASHRATE)
    client = client_of(cabinet)
    answers = [client.get(path).status_code for _ in range(USES.at_once)]
    assert set(answers) == {200}
    answer = client.get(path)
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "1"
    assert path.removeprefix("/watch/") not in answer.text


def test_whoever_guesses_is_stopped_and_others_at_the_address_are_not(
    cabinet: Cabinet, two: Two
) -> None:
    path = link(cabinet, two.first, Scope.HASHRATE)
    client = client_of(cabinet)
    client.get(path)
    for _ in range(WRONG.at_once):
        assert client.get("/watch/" + "A" * 43).status_code == 404
    assert client.get("/watch/" + "A" * 43).status_code == 429
    assert client.get(path).status_code == 200
