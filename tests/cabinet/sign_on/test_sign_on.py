"""Entering by the state's sign-on: who is let in, and every way in which nobody is."""

import re
from collections.abc import Callable, Iterator
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from starlette.responses import RedirectResponse, Response

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.login.guard import BROWSER, Asked
from kench.cabinet.sign_on.provider import KEYS_AGAIN_S
from kench.cabinet.sign_on.refusals import Refusal
from kench.cabinet.web.rooms.sign_on import ON_TRAIL, TEXTS, provider_of
from kench.pool.database import open_engine
from kench.pool.orders.officers import add_officer
from tests.support.cabinet import Client, cabinet_of, client_of
from tests.support.entering import acts_in
from tests.support.pki import NOW_US, PIN
from tests.support.revocation import RealMonotonic
from tests.support.sign_on import (
    CLIENT_ID,
    CLIENT_SECRET,
    NOW_S,
    Claims,
    SignOn,
    es256,
    hs256,
    public_rsa,
    rs256,
    rsa_key,
    sign_on,
)

TIMEOUT_S = 3.0
ACCOUNT = "/account"


@pytest.fixture(scope="module")
def served() -> Iterator[SignOn]:
    with sign_on() as made:
        yield made


@pytest.fixture
def there(served: SignOn) -> SignOn:
    """The sign-on, doing right."""
    fresh = SignOn(served.url)
    for name in vars(fresh):
        setattr(served, name, getattr(fresh, name))
    return served


class AheadClock(RealMonotonic):
    """Goes on as the machine's does, from where a test puts it."""

    ahead_s = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead_s


@pytest.fixture(scope="module")
def clock() -> AheadClock:
    return AheadClock()


@pytest.fixture(scope="module")
def cabinet(module_database: str, served: SignOn, clock: AheadClock) -> Iterator[Cabinet]:
    with cabinet_of(
        module_database, clock=clock, oidc_issuer=served.url, oidc_client_id=CLIENT_ID,
        oidc_client_secret=CLIENT_SECRET, oidc_timeout_s=TIMEOUT_S,
    ) as made:  # fmt: skip
        yield made


@pytest.fixture(scope="module")
def app(cabinet: Cabinet) -> FastAPI:
    made = client_of(cabinet).app
    assert isinstance(made, FastAPI)
    return made


def browser(app: FastAPI) -> Client:
    """One that has not been here before."""
    made = Client(app, base_url="http://127.0.0.1:8080", follow_redirects=False)
    made.headers["Accept-Language"] = "en"
    return made


@pytest.fixture
def client(app: FastAPI, cabinet: Cabinet, there: SignOn) -> Client:
    """A browser, at a cabinet that has not asked the sign-on yet."""
    assert there.url == cabinet.settings.oidc_issuer
    app.state.sign_on = provider_of(cabinet)
    with cabinet.engine.begin() as db:
        db.execute(sa.text("DELETE FROM allowances"))
    return browser(app)


def way(client: Client, next_path: str = "") -> str:
    """Press the button; returns where the page leads to."""
    page = client.post_form("/enter/sign-on", next=next_path)
    assert page.status_code == 200, page.text
    found = re.search(r'http-equiv="refresh" content="0; url=([^"]+)"', page.text)
    assert found
    assert f'href="{found[1]}"' in page.text
    return unescape(found[1])


def back(client: Client, there: SignOn, next_path: str = "") -> httpx.Response:
    """Go there, agree, and come back."""
    return client.get(there.consent(way(client, next_path)))


def refused(came: httpx.Response, refusal: Refusal) -> None:
    """Nobody entered, and why is said."""
    assert unescape(came.text).count(TEXTS[refusal]) == 1, (came.status_code, came.text)
    assert came.status_code >= 400
    assert "kench=" not in came.headers.get("set-cookie", "")


def test_a_person_enters_goes_on_and_leaves_a_proof_without_the_token(
    cabinet: Cabinet, client: Client, there: SignOn
) -> None:
    before = len(acts_in(cabinet))
    assert "Enter by the state's sign-on" in unescape(client.get("/enter").text)
    came = back(client, there, "/account?before=7")
    assert (came.status_code, came.headers["location"]) == (303, "/account?before=7")
    page = unescape(client.get(ACCOUNT).text)
    assert "Асан Усенов" in page
    assert "the state's sign-on" in page
    assert acts_in(cabinet)[before:] == [("enter", "done", "sign_on")]
    with cabinet.engine.connect() as db:
        row = db.execute(sa.text("SELECT * FROM entry_proofs ORDER BY id DESC LIMIT 1")).one()
    assert (row.way, len(row.token_sha256)) == ("sign_on", 32)
    for kept in ('"sub":"subject-1"', f'"pin":"{PIN}"', f'"iss":"{there.url}"'):
        assert kept in row.claims
    assert "person@example.kg" not in row.claims


def test_what_goes_to_the_sign_on_binds_the_answer_to_this_browser(
    client: Client, there: SignOn
) -> None:
    url = way(client)
    given = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    assert url.startswith(f"{there.url}/authorize?")
    assert given["redirect_uri"] == f"{client.origin}/enter/sign-on/answer"
    assert (given["response_type"], given["code_challenge_method"]) == ("code", "S256")
    assert given["scope"] == "openid profile"
    assert [len(given[name]) for name in ("state", "nonce", "code_challenge")] == [64, 43, 43]
    other = {name: values[0] for name, values in parse_qs(urlsplit(way(client)).query).items()}
    assert not {other[n] for n in ("state", "nonce", "code_challenge")} & set(given.values())


def changed(**changes: Any) -> Callable[[SignOn], None]:
    """The sign-on makes tokens with these claims; None: without."""

    def do(there: SignOn) -> None:
        def claims(given: Claims) -> Claims:
            merged = given | changes
            return {name: value for name, value in merged.items() if value is not None}

        there.claims = claims

    return do


def put(**fields: Any) -> Callable[[SignOn], None]:
    """The sign-on does this."""

    def do(there: SignOn) -> None:
        for name, value in fields.items():
            setattr(there, name, value)

    return do


def answering(**parameters: Any) -> Callable[[SignOn], None]:
    """It leads back with these; None: without."""

    def answer(given: Claims) -> Claims:
        merged = given | parameters
        return {name: value for name, value in merged.items() if value is not None}

    return put(answer=answer)


def page(path: str, text: str) -> Callable[[SignOn], None]:
    """A page of it says this."""
    return put(instead={path: Response(text)})


OTHER = "https://other.example"
HOSTILE: dict[str, tuple[Callable[[SignOn], None], Refusal]] = {
    "another issuer": (changed(iss=OTHER), Refusal.TOKEN),
    "no issuer": (changed(iss=None), Refusal.TOKEN),
    "an issuer among others": (changed(iss=[OTHER]), Refusal.TOKEN),
    "for another client": (changed(aud="other"), Refusal.TOKEN),
    "for nobody": (changed(aud=None), Refusal.TOKEN),
    "for us and another": (changed(aud=[CLIENT_ID, "other"]), Refusal.TOKEN),
    "given to another": (changed(aud=[CLIENT_ID, "other"], azp="other"), Refusal.TOKEN),
    "ours but given to another": (changed(azp="other"), Refusal.TOKEN),
    "another nonce": (changed(nonce="x" * 43), Refusal.TOKEN),
    "no nonce": (changed(nonce=None), Refusal.TOKEN),
    "a list of nonces": (changed(nonce=["x"]), Refusal.TOKEN),
    "expired": (changed(exp=NOW_S - 61), Refusal.TOKEN),
    "without end": (changed(exp=None), Refusal.TOKEN),
    "an end that is no number": (changed(exp="never"), Refusal.TOKEN),
    "made long before": (changed(iat=NOW_S - 300), Refusal.TOKEN),
    "made in a time to come": (changed(iat=NOW_S + 300), Refusal.TOKEN),
    "made never": (changed(iat=None), Refusal.TOKEN),
    "not good yet": (changed(nbf=NOW_S + 300), Refusal.TOKEN),
    "of nobody": (changed(sub=None), Refusal.TOKEN),
    "another access token": (changed(at_hash="x" * 22), Refusal.TOKEN),
    "no signature": (put(header={"alg": "none"}, signed=lambda _: b""), Refusal.TOKEN),
    "the public key as a secret": (put(header={"alg": "HS256"}, signed=hs256), Refusal.TOKEN),
    "an algorithm of its own": (put(header={"alg": "RS512"}), Refusal.TOKEN),
    "an algorithm that is none": (put(header={"alg": ["RS256"]}), Refusal.TOKEN),
    "another key": (put(signed=lambda b: rs256(b, rsa_key("other"))), Refusal.TOKEN),
    "a key not known": (put(header={"kid": "other"}), Refusal.TOKEN),
    "a key without a name": (put(header={"kid": None}), Refusal.TOKEN),
    "a key of another kind": (put(header={"kid": "two"}), Refusal.TOKEN),
    "a key of its own": (
        put(
            header={"jwk": public_rsa(rsa_key("other"), "one"), "kid": "three"},
            signed=lambda b: rs256(b, rsa_key("other")),
        ),
        Refusal.TOKEN,
    ),
    "an extension that must be known": (put(header={"crit": ["x"], "x": 1}), Refusal.TOKEN),
    "a key for encryption": (
        put(keys=[public_rsa(rsa_key("sign-on"), "one", use="enc")]),
        Refusal.AWAY,
    ),
    "a short key": (
        put(
            keys=[public_rsa(rsa_key("short", 1024), "one")],
            signed=lambda b: rs256(b, rsa_key("short", 1024)),
        ),
        Refusal.AWAY,
    ),
    "no number": (changed(pin=None), Refusal.PERSON),
    "a number of another shape": (changed(pin="123"), Refusal.PERSON),
    "a number of no day": (changed(pin="23213198500123"), Refusal.PERSON),
    "a number as a number": (changed(pin=int(PIN)), Refusal.PERSON),
    "two numbers": (changed(pin=[PIN, PIN]), Refusal.PERSON),
    "a number with more behind": (changed(pin=PIN + "\n"), Refusal.PERSON),
    "the person says no": (answering(code=None, error="access_denied"), Refusal.DENIED),
    "it breaks": (answering(code=None, error="server_error"), Refusal.AWAY),
    "nothing at all": (answering(code=None), Refusal.AWAY),
    "an invented code": (answering(code="invented"), Refusal.AWAY),
    "two codes": (answering(code=["a", "b"]), Refusal.AWAY),
    "a code without end": (answering(code="x" * 3000), Refusal.AWAY),
    "an answer of another sign-on": (answering(iss=OTHER), Refusal.TOKEN),
    "an answer that does not say whose": (answering(iss=None), Refusal.TOKEN),
    "an answer of two": (answering(iss=["a", "b"]), Refusal.TOKEN),
    "an invented state": (answering(state="0" * 64), Refusal.UNKNOWN),
    "no state": (answering(state=None), Refusal.UNKNOWN),
    "two states": (answering(state=["0" * 64, "1" * 64]), Refusal.UNKNOWN),
    "tokens too late": (put(instead={"/token": 2 * TIMEOUT_S}), Refusal.AWAY),
    "keys too late": (put(instead={"/keys": 2 * TIMEOUT_S}), Refusal.AWAY),
    "tokens without end": (put(instead={"/token": Response(b" " * 300_000)}), Refusal.AWAY),
    "tokens elsewhere": (put(instead={"/token": RedirectResponse("/keys", 307)}), Refusal.AWAY),
    "tokens that are no JSON": (page("/token", "<p>"), Refusal.AWAY),
    "JSON that is deep": (put(instead={"/token": Response("[" * 100_000)}), Refusal.AWAY),
    "JSON that is no object": (page("/token", "[]"), Refusal.AWAY),
    "no token": (page("/token", '{"access_token":"a"}'), Refusal.TOKEN),
    "a token of two parts": (page("/token", '{"id_token":"a.b"}'), Refusal.TOKEN),
    "a token of noise": (page("/token", '{"id_token":"a.b.c"}'), Refusal.TOKEN),
    "a large token": (put(signed=lambda _: b"x" * 70_000), Refusal.TOKEN),
    "an unknown page of keys": (put(instead={"/keys": Response(status_code=500)}), Refusal.AWAY),
    "no keys": (page("/keys", '{"keys":[]}'), Refusal.AWAY),
    "keys that are none": (page("/keys", '{"keys":[1,{"kty":"RSA"}]}'), Refusal.AWAY),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_nobody_enters_by(case: str, cabinet: Cabinet, client: Client, there: SignOn) -> None:
    do, refusal = HOSTILE[case]
    do(there)
    refused(back(client, there), refusal)
    assert client.get(ACCOUNT).status_code == 303
    if refusal in ON_TRAIL:
        assert acts_in(cabinet)[-1] == ("enter", refusal, "sign_on")


@pytest.mark.parametrize(
    ("instead", "metadata"),
    [
        (Response(status_code=404), {}),
        (RedirectResponse("/keys"), {}),
        (2 * TIMEOUT_S, {}),
        (Response(b" " * 300_000), {}),
        (None, {"issuer": OTHER}),
        (None, {"token_endpoint": "http://example.kg/token"}),
        (None, {"token_endpoint": "https://a@example.kg/token"}),
        (None, {"authorization_endpoint": "javascript:alert(1)"}),
        (None, {"authorization_endpoint": None}),
        (None, {"jwks_uri": "https://example.kg:x/"}),
        (None, {"code_challenge_methods_supported": ["plain"]}),
        (None, {"id_token_signing_alg_values_supported": ["HS256", "none"]}),
    ],
)
def test_a_sign_on_that_is_not_sound_is_away_and_signatures_still_let_in(
    client: Client, there: SignOn, instead: Any, metadata: Claims
) -> None:
    there.metadata = metadata
    if instead is not None:
        there.instead = {"/.well-known/openid-configuration": instead}
    refused(client.post_form("/enter/sign-on"), Refusal.AWAY)
    assert client.post_form("/enter").status_code == 303


def test_what_is_away_is_not_asked_again_for_each_who_comes(
    client: Client, there: SignOn, clock: AheadClock
) -> None:
    there.instead = {"/.well-known/openid-configuration": Response(status_code=503)}
    for _ in range(3):
        refused(client.post_form("/enter/sign-on"), Refusal.AWAY)
    assert len(there.asked) == 1


def test_keys_that_are_not_known_are_fetched_once_and_not_for_each_token(
    client: Client, there: SignOn
) -> None:
    for _ in range(2):
        assert back(client, there).status_code == 303
        client.post_form("/leave")
    assert there.asked.count("/keys") == 1
    there.header = {"kid": "other"}
    for _ in range(3):
        refused(back(client, there), Refusal.TOKEN)
    assert there.asked.count("/keys") == 1
    assert there.asked.count("/.well-known/openid-configuration") == 1


def test_new_keys_of_the_sign_on_are_known_within_a_minute(
    client: Client, there: SignOn, clock: AheadClock
) -> None:
    assert back(client, there).status_code == 303
    client.post_form("/leave")
    there.keys = [public_rsa(rsa_key("next"), "three")]
    there.header, there.signed = {"kid": "three"}, lambda b: rs256(b, rsa_key("next"))
    refused(back(client, there), Refusal.TOKEN)
    clock.ahead_s += KEYS_AGAIN_S
    assert back(client, there).status_code == 303
    assert there.asked.count("/keys") == 2


def test_tokens_by_an_elliptic_curve_are_good_too(client: Client, there: SignOn) -> None:
    there.header, there.signed = {"alg": "ES256", "kid": "two"}, es256
    assert back(client, there).status_code == 303


def test_a_key_without_a_name_is_good_where_it_is_the_only_one(
    client: Client, there: SignOn
) -> None:
    there.keys = [public_rsa(rsa_key("sign-on"), "one")]
    there.header = {"kid": None}
    assert back(client, there).status_code == 303


def test_another_browser_cannot_use_an_answer_and_nobody_can_use_one_twice(
    app: FastAPI, client: Client, there: SignOn
) -> None:
    other = browser(app)
    answer = there.consent(way(client))
    refused(other.get(answer), Refusal.UNKNOWN)
    assert other.get(ACCOUNT).status_code == 303
    assert client.get(answer).status_code == 303
    client.post_form("/leave")
    refused(client.get(answer), Refusal.USED)
    assert client.get(ACCOUNT).status_code == 303


def test_a_code_of_another_is_worth_nothing_with_ones_own_state(
    app: FastAPI, client: Client, there: SignOn
) -> None:
    victim = browser(app)
    stolen = parse_qs(urlsplit(there.consent(way(victim))).query)["code"][0]
    mine = {n: v[0] for n, v in parse_qs(urlsplit(there.consent(way(client))).query).items()}
    refused(client.get(f"/enter/sign-on/answer?{urlencode(mine | {'code': stolen})}"), Refusal.AWAY)
    assert stolen not in there.codes


def test_an_answer_that_comes_late_is_over(
    client: Client, there: SignOn, clock: AheadClock
) -> None:
    answer = there.consent(way(client))
    try:
        clock.advance(601)
        refused(client.get(answer), Refusal.EXPIRED)
    finally:
        clock.advance(-601)


def test_one_goes_on_only_to_a_page_of_ours(client: Client, there: SignOn) -> None:
    for next_path in (
        "https://elsewhere.example/",
        "//elsewhere.example/",
        "/\\x",
        "/" + "x" * 300,
    ):
        assert back(client, there, next_path).headers["location"] == "/p"
        client.post_form("/leave")


def test_where_the_token_has_no_number_the_sign_on_is_asked_about_the_person(
    client: Client, there: SignOn
) -> None:
    changed(pin=None)(there)
    there.userinfo = {"sub": "subject-2", "pin": PIN}
    refused(back(client, there), Refusal.TOKEN)
    there.userinfo = {"sub": "subject-1", "pin": PIN}
    assert back(client, there).status_code == 303


def test_a_sign_on_that_takes_the_secret_in_the_form_is_given_it_there(
    client: Client, there: SignOn
) -> None:
    there.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    assert back(client, there).status_code == 303


def test_a_name_that_was_known_stays(client: Client, there: SignOn) -> None:
    back(client, there)
    client.post_form("/leave")
    changed(name="Somebody \u202eElse")(there)
    back(client, there)
    assert "Somebody" not in client.get(ACCOUNT).text


def test_it_opens_no_desk_and_signs_nothing(
    cabinet: Cabinet, client: Client, there: SignOn, module_database: str
) -> None:
    owner = open_engine(module_database, application_name="test owner")
    with owner.begin() as db:
        add_officer(db, PIN, "Officer", "duty", NOW_US - 1)
    owner.dispose()
    assert back(client, there, "/desk").headers["location"] == "/desk"
    assert client.get("/desk").status_code == 404
    assert "/desk" not in client.get(ACCOUNT).text


def test_who_brings_wrong_answers_again_and_again_is_stopped(
    cabinet: Cabinet, client: Client, there: SignOn
) -> None:
    client.get("/")
    statuses = [
        client.get(f"/enter/sign-on/answer?state={'0' * 64}&code=x").status_code
        for _ in range(BROWSER[Asked.WRONG].at_once + 1)
    ]
    assert statuses == [404] * BROWSER[Asked.WRONG].at_once + [429]
    assert not there.asked


def test_what_came_of_it_is_counted_and_no_secret_is_in_the_log(
    client: Client, there: SignOn, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = there.consent(way(client))
    assert client.get(answer).status_code == 303
    changed(aud="other")(there)
    back(client, there)
    text = client.app.state.metrics.text().decode()  # type: ignore[attr-defined]
    for outcome in ("let", "done", "token"):
        assert f'kench_cabinet_sign_ons_total{{outcome="{outcome}"}}' in text
    logged = "".join(capfd.readouterr())
    for secret in (CLIENT_SECRET, "access-token", PIN, *parse_qs(urlsplit(answer).query)["code"]):
        assert secret not in logged


def test_without_the_setting_there_is_no_such_way(module_database: str) -> None:
    with cabinet_of(module_database) as cabinet:
        client = client_of(cabinet)
        assert "sign-on" not in client.get("/enter").text
        assert client.post_form("/enter/sign-on").status_code == 404
        assert client.get("/enter/sign-on/answer?code=x&state=y").status_code == 404
