"""Entering by a signature: what is asked, taken, refused, and what is left behind."""

import base64
from collections.abc import Callable, Iterator

import pytest

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.login.guard import BROWSER, Asked
from kench.cabinet.signing.closing import TRIES_MAX
from kench.pool.clock import ManualClock
from tests.support.cabinet import Client, cabinet_of, client_of
from tests.support.entering import acts_in, asked, entered, handed_in, signed
from tests.support.pki import NOW_US, SECOND_PIN
from tests.support.signing import authority, signer


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW_US)


@pytest.fixture
def cabinet(database: str, clock: ManualClock) -> Iterator[Cabinet]:
    with cabinet_of(database, clock=clock, verifier=authority().verifier()) as made:
        yield made


@pytest.fixture
def client(cabinet: Cabinet) -> Client:
    return client_of(cabinet)


def test_a_person_enters_is_known_and_leaves(cabinet: Cabinet, client: Client) -> None:
    assert client.get("/account").headers["location"] == "/enter?next=%2Faccount"
    assert "Go on to the text" in client.get("/enter").text
    path = asked(client, "/account")
    page = client.get(path).text
    assert 'id="content"' in page
    assert f"Site: {client.origin}" in page
    came = signed(client, path)
    assert came.headers["location"] == "/account"
    cookie = came.headers["set-cookie"]
    assert cookie.startswith("kench=")
    assert {"HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))
    page = client.get("/account").text
    assert "Асан Усенов" in page
    assert "this one" in page
    assert client.get("/enter").status_code == 303
    assert client.post_form("/leave").headers["location"] == "/?said=left"
    assert client.get("/account").status_code == 303
    assert acts_in(cabinet) == [("enter", "done", ""), ("leave", "done", "")]


@pytest.mark.parametrize(
    "form",
    [
        lambda der: {"signature_b64": base64.b64encode(der).decode()},
        lambda der: {"files": {"signature": ("a.sig", base64.encodebytes(der))}},
        lambda der: {
            "files": {
                "signature": (
                    "a.pem",
                    b"-----BEGIN CMS-----\n" + base64.encodebytes(der) + b"-----END CMS-----\n",
                )
            }
        },
    ],
)
def test_a_signature_made_in_the_page_or_written_as_text_is_taken_too(
    client: Client, form: Callable[[bytes], dict[str, str]]
) -> None:
    path = asked(client)
    signature = signer().sign(client.get(f"{path}/content").content)
    assert client.post_form(path, **form(signature)).headers["location"] == "/p"


def test_another_browser_sees_nothing_of_a_text_and_cannot_sign_it(
    cabinet: Cabinet, client: Client
) -> None:
    path, other = asked(client), client_of(cabinet)
    content = client.get(f"{path}/content").content
    assert other.get(path).status_code == 404
    assert other.get(f"{path}/content").status_code == 404
    assert handed_in(other, path, signer().sign(content)).status_code == 404
    assert other.get("/account").status_code == 303


def test_a_text_is_signed_once_and_in_time(
    client: Client, clock: ManualClock, cabinet: Cabinet
) -> None:
    path = asked(client)
    signature = signer().sign(client.get(f"{path}/content").content)
    assert handed_in(client, path, signature).status_code == 303
    client.post_form("/leave")
    again = handed_in(client, path, signature)
    assert again.status_code == 409
    assert "signed already" in again.text
    late = asked(client)
    clock.advance(181)
    came = signed(client, late)
    assert came.status_code == 410
    assert "Begin anew" in came.text
    assert 'id="signing"' not in client.get(late).text


def test_a_wrong_signature_says_why_and_may_be_mended_a_few_times(client: Client) -> None:
    path = asked(client)
    wrong = signer().sign(b"something else")
    for _ in range(TRIES_MAX):
        came = handed_in(client, path, wrong)
        assert came.status_code == 422
        assert "the signature is of other bytes" in came.text
    assert signed(client, path).status_code == 409


def test_a_file_that_is_no_signature_is_told_apart_and_counts_as_no_try(client: Client) -> None:
    path = asked(client)
    for content in (b"", b"hello", b"x" * 200_000):
        came = handed_in(client, path, content)
        assert came.status_code == 422
        assert "Choose a file with a signature" in came.text
    assert signed(client, path).status_code == 303


def test_who_is_wrong_again_and_again_is_stopped_and_no_other_browser_is(
    cabinet: Cabinet, client: Client, clock: ManualClock
) -> None:
    neighbour = entered(client_of(cabinet))
    wrong, statuses = signer().sign(b"something else"), []
    path = asked(client)
    for number in range(BROWSER[Asked.WRONG].at_once + 1):
        if number and number % TRIES_MAX == 0:
            path = asked(client)
        statuses.append(handed_in(client, path, wrong).status_code)
    assert statuses == [422] * BROWSER[Asked.WRONG].at_once + [429]
    assert signed(client, path).status_code == 429
    neighbour.post_form("/leave")
    assert entered(neighbour).get("/account").status_code == 200
    clock.advance(120)
    assert signed(client, path).status_code == 303


def test_entries_that_are_asked_for_without_end_are_stopped(client: Client) -> None:
    statuses = [client.post_form("/enter").status_code for _ in range(12)]
    assert statuses == [303] * 10 + [429] * 2


def test_after_the_entry_one_goes_on_only_to_a_page_of_ours(client: Client) -> None:
    for next_path, led in (
        ("/p/7/workers?page=2", "/p/7/workers?page=2"),
        ("https://elsewhere.example/", "/p"),
        ("//elsewhere.example/", "/p"),
        ("/" + "x" * 300, "/p"),
    ):
        came = signed(client, asked(client, next_path))
        assert came.headers["location"] == led
        client.post_form("/leave")


def test_a_new_entry_ends_the_login_before_and_its_secret_with_it(
    cabinet: Cabinet, client: Client
) -> None:
    path = asked(client)
    entered(client)
    before = client.cookies["kench"]
    assert signed(client, path, signer(SECOND_PIN)).status_code == 303
    assert client.cookies["kench"] != before
    old = client_of(cabinet)
    old.cookies.set("kench", before)
    assert old.get("/account").status_code == 303


def test_a_login_ends_by_idleness(client: Client, clock: ManualClock) -> None:
    entered(client)
    clock.advance(1700)
    assert client.get("/account").status_code == 200
    clock.advance(1801)
    assert client.get("/account").status_code == 303


def test_what_came_of_signatures_is_counted(client: Client) -> None:
    path = asked(client)
    handed_in(client, path, signer().sign(b"x"))
    signed(client, path)
    text = client.app.state.metrics.text().decode()  # type: ignore[attr-defined]
    assert 'kench_cabinet_signatures_total{outcome="signature",purpose="login"} 1.0' in text
    assert 'kench_cabinet_signatures_total{outcome="taken",purpose="login"} 1.0' in text
    assert 'kench_cabinet_entry_requests_total{outcome="let"} 1.0' in text
