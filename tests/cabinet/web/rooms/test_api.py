"""Programs read what their key was made for, in the shape that the description says."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kench.cabinet.access.grants import Kind, Scope
from kench.cabinet.access.meter import USES
from kench.cabinet.cabinet import Cabinet
from kench.cabinet.web.json_route import KEY_HEADER, OTHER_HEADERS
from tests.support.cabinet import Client, cabinet_of, client_in, client_of
from tests.support.grants import BLOCK_HASH, Two, granted
from tests.support.pki import PIN

NEEDS = {
    "/api/v1/hashrate": Scope.HASHRATE,
    "/api/v1/workers": Scope.WORKERS,
    "/api/v1/earnings": Scope.EARNINGS,
    "/api/v1/blocks": Scope.EARNINGS,
    "/accounts/profile/json/btc/": Scope.HASHRATE,
    "/accounts/workers/json/btc/": Scope.WORKERS,
    "/api/v1/account": None,
    "/stats/json/btc/": None,
}


@pytest.fixture
def cabinet(module_database: str, two: Two) -> Iterator[Cabinet]:
    del two
    with cabinet_of(module_database) as made:
        yield made


def keyed(cabinet: Cabinet, whose: int, *scopes: Scope) -> Client:
    """A program with a key."""
    with cabinet.engine.begin() as db:
        secret = granted(db, whose, Kind.KEY, *scopes, now_us=cabinet.clock.now_us())
    client = client_of(cabinet)
    client.headers[KEY_HEADER] = secret
    return client


def test_it_tells_whose_key_it_is(cabinet: Cabinet, two: Two) -> None:
    answer = keyed(cabinet, two.first, Scope.EARNINGS, Scope.HASHRATE).get("/api/v1/account")
    assert answer.headers["ratelimit-limit"] == str(USES.at_once)
    assert answer.headers["ratelimit-remaining"] == str(USES.at_once - 1)
    assert "set-cookie" not in answer.headers
    shown = answer.json()
    assert shown.pop("expires_at").endswith("Z")
    assert shown == {
        "participant_id": two.first, "name": "Ала-Тоо", "key": "wall",
        "scopes": ["earnings", "hashrate"],
    }  # fmt: skip


def test_it_tells_the_hashrate(cabinet: Cabinet, two: Two) -> None:
    cabinet.clock.step(1e9)  # type: ignore[attr-defined]
    shown = keyed(cabinet, two.first).get("/api/v1/hashrate").json()
    assert shown["hashrate_10m"] == 4e12
    assert (shown["accepted"], shown["stale"]) == (2000, 20)


def test_workers_are_told_page_by_page(cabinet: Cabinet, two: Two) -> None:
    client = keyed(cabinet, two.first)
    names: list[str] = []
    after: str | None = ""
    while after is not None:
        page = client.get("/api/v1/workers", params={"after": after, "limit": 2}).json()
        names += [worker["name"] for worker in page["workers"]]
        after = page["next_after"]
    assert names == ["rig1", "rig2", "rig3"]


def test_amounts_are_exact_integers(cabinet: Cabinet, two: Two) -> None:
    client = keyed(cabinet, two.first)
    block = client.get("/api/v1/blocks").json()["blocks"][0]
    assert block["hash"] == BLOCK_HASH
    assert block["reward_sat"] == 100_000_001
    assert block["work_hashes"] == 2**64 + 1
    assert client.get("/api/v1/earnings").json()["mature_sat"] == 0


def test_the_pool_is_for_everybody(cabinet: Cabinet) -> None:
    assert client_of(cabinet).get("/api/v1/pool").json()["blocks"] == 1


@pytest.mark.parametrize(("path", "needed"), NEEDS.items())
def test_a_key_opens_its_scopes_alone(
    cabinet: Cabinet, two: Two, path: str, needed: Scope | None
) -> None:
    for scope in Scope:
        answer = keyed(cabinet, two.first, scope).get(path)
        assert answer.status_code == (200 if needed in {None, scope} else 403)
        if answer.status_code == 403:
            assert answer.json()["error"] == "not_granted"


@pytest.mark.parametrize("path", NEEDS)
def test_a_key_shows_nothing_of_another_participant(cabinet: Cabinet, two: Two, path: str) -> None:
    answer = keyed(cabinet, two.second).get(path)
    assert answer.status_code == 200
    text = answer.text
    assert not [word for word in ("rig1", "Ала-Тоо", "100000001", "1.00000001") if word in text]


@pytest.mark.parametrize("path", NEEDS)
def test_without_a_key_nothing_is_told_not_even_to_who_has_entered(
    cabinet: Cabinet, path: str
) -> None:
    answer = client_in(cabinet, PIN).get(path)
    assert (answer.status_code, answer.json()["error"]) == (401, "no_key")


@pytest.mark.parametrize("key", ["A" * 43, "x", "", "A" * 5000, "ё".encode().decode("latin-1")])
def test_a_wrong_key_opens_nothing(cabinet: Cabinet, key: str) -> None:
    answer = client_of(cabinet).get("/api/v1/account", headers={KEY_HEADER: key.encode("latin-1")})
    assert answer.status_code == 401


def test_a_link_is_no_key(cabinet: Cabinet, two: Two) -> None:
    with cabinet.engine.begin() as db:
        secret = granted(db, two.first, Kind.LINK, now_us=cabinet.clock.now_us())
    answer = client_of(cabinet).get("/api/v1/account", headers={KEY_HEADER: secret})
    assert answer.status_code == 401


@pytest.mark.parametrize("header", [*OTHER_HEADERS, "Authorization"])
def test_a_key_may_come_in_the_headers_that_monitors_send(
    cabinet: Cabinet, two: Two, header: str
) -> None:
    client = keyed(cabinet, two.first)
    key = client.headers.pop(KEY_HEADER)
    value = f"Bearer {key}" if header == "Authorization" else key
    assert client.get("/api/v1/account", headers={header: value}).status_code == 200


def test_too_many_requests_are_told_when_to_come_again(cabinet: Cabinet, two: Two) -> None:
    client = keyed(cabinet, two.first)
    for _ in range(USES.at_once):
        assert client.get("/api/v1/account").status_code == 200
    answer = client.get("/api/v1/account")
    assert (answer.status_code, answer.json()["error"]) == (429, "too_many")
    assert answer.headers["ratelimit-remaining"] == "0"
    cabinet.clock.advance(float(answer.headers["retry-after"]))  # type: ignore[attr-defined]
    assert client.get("/api/v1/account").status_code == 200


def test_what_is_not_there_is_told_as_json(cabinet: Cabinet) -> None:
    answer = client_of(cabinet).get("/api/v1/nothing")
    assert (answer.status_code, answer.json()["error"]) == (404, "unknown")


def test_the_description_has_every_route_and_its_key(cabinet: Cabinet) -> None:
    described = client_of(cabinet).get("/api/v1/openapi.json").json()
    assert described["openapi"].startswith("3.")
    assert described["paths"].keys() == NEEDS.keys() | {"/api/v1/pool"}
    for path in NEEDS:
        route = described["paths"][path]["get"]
        assert {"APIKeyHeader": []} in route["security"]
        assert {"200", "401", "403", "429"} <= route["responses"].keys()


def test_whatever_is_asked_the_answer_is_json_of_a_status_that_is_described(
    cabinet: Cabinet, two: Two
) -> None:
    client = keyed(cabinet, two.first)
    routes = client.get("/api/v1/openapi.json").json()["paths"]
    names = st.sampled_from(["after", "limit", "before", "from", "x"])
    values = st.one_of(st.text(max_size=80), st.integers().map(str), st.floats().map(str))

    @settings(max_examples=150)
    @given(st.sampled_from(sorted(routes)), st.dictionaries(names, values, max_size=3))
    def ask(path: str, parameters: dict[str, Any]) -> None:
        cabinet.clock.advance(2)  # type: ignore[attr-defined]
        answer = client.get(path, params=_sendable(parameters))
        assert str(answer.status_code) in routes[path]["get"]["responses"]
        assert answer.headers["content-type"] == "application/json"
        assert isinstance(answer.json(), dict)

    ask()


def _sendable(parameters: dict[str, Any]) -> dict[str, Any]:
    """Without lone surrogates, which no client can send."""
    return {name: value.encode("utf-8", "replace") for name, value in parameters.items()}
