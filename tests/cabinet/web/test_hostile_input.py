"""Whatever is sent to a page, by a link or a form, it is refused or read; nothing breaks.

Every route there is, with addresses, parameters and forms as bad as bytes can be, sent by people
who have entered, so that it gets as far as it can.
"""

import itertools
import os
import re
from collections.abc import Callable, Iterator, Sequence
from html.parser import HTMLParser
from typing import NamedTuple, TypeVar
from urllib.parse import quote

import httpx
import pytest

from kench.cabinet.cabinet import Cabinet
from tests.cabinet.web import test_routes
from tests.cabinet.web.test_routes import Route
from tests.support.cabinet import Client, client_in
from tests.support.pki import PIN
from tests.support.registration import OFFICER_PIN

T = TypeVar("T")
things, cabinet, routes = test_routes.things, test_routes.cabinet, test_routes.routes

HOSTILE = (
    b"", b"0", b"-1", b"%2B1", b"2147483648", b"9223372036854775808", b"18446744073709551616",
    b"9" * 5000, b"1e9", b"NaN", b"Infinity", b"0x10", b"1_0", b"%00", b"a%00b", b"%FF%FE",
    b"%ED%A0%80", b"%F4%90%80%80", b"%D9%A1%D9%A2", b"%C2%B2", b"..%2F..%2Fetc%2Fpasswd",
    b"A" * 20_000, b"%E2%80%AE%E2%80%8B", b"%0D%0ASet-Cookie:%20x=1", b"'%3B--", b"%25s%25n{0}",
    b"0000-00-00", b"9999-12-31", b"10000-01-01", b"2026-13", b"0001-01", b"%3D1%2B1",
    quote(test_routes.MARK).encode(), b"[]", b"null", b"%5B%7B%7D%5D", b"http:%2F%2F[",
    b"https:%2F%2F%F0%9F%92%A9",
)  # fmt: skip
"""As they stand in an address or a form."""
PATHS = (*HOSTILE, b"%2E%2E", b"%5C..%5C", b".", b"..", b"%2500", b"x;y=z")
ENDS_THE_LOGIN = r"/leave|/account/logins/.*"
EACH = int(os.environ.get("KENCH_TEST_HOSTILE", "1"))
"""Of the hostile values, so many are tried in each place."""


class Form(NamedTuple):
    """A form as a page shows it."""

    action: str
    fields: dict[str, str]


class Forms(HTMLParser):
    """Reads the forms of a page."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path
        self.found: list[Form] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._inside = given.get("method", "").lower() == "post"
            if self._inside:
                self.found.append(Form(given.get("action") or self._path, {}))
        elif self._inside and given.get("name"):
            self.found[-1].fields[given["name"]] = given.get("value", "1")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False


@pytest.fixture(scope="module")
def people(cabinet: Cabinet) -> tuple[Client, Client]:
    """An owner and an officer, for whom time passes: none is held up for coming too often."""
    both = client_in(cabinet, PIN), client_in(cabinet, OFFICER_PIN)
    for client in both:
        client.event_hooks["request"].append(lambda _: cabinet.clock.advance(1))  # type: ignore[attr-defined]
    return both


def some(values: Sequence[T]) -> Callable[[], list[T]]:
    """Gives the next few of them, all in turn."""
    turning = itertools.cycle(values)
    return lambda: list(itertools.islice(turning, min(EACH, len(values))))


def calm(routes: list[Route]) -> list[Route]:
    """All but those whose answers have no end."""
    return [route for route in routes if not route.path.endswith("/live")]


def filled(route: Route, things: dict[str, str]) -> str:
    return re.sub(r"{(\w+)(:\w+)?}", lambda found: things.get(found[1], "x"), route.path)


def sound(answer: httpx.Response, what: object) -> None:
    """It is an answer of ours: no fault, no trace, no header that was slipped in."""
    assert answer.status_code < 500, what
    assert "Traceback" not in answer.text[:20_000], what
    assert "x=1" not in answer.headers.get("set-cookie", ""), what
    assert answer.headers["x-content-type-options"] == "nosniff", what
    test_routes.unmarked(answer, str(what))


def asked_of(route: Route, people: tuple[Client, Client]) -> Client:
    return people[route.path.startswith("/desk")]


def send(client: Client, path: str, body: bytes, kind: str | None = None) -> httpx.Response:
    kind = kind or "application/x-www-form-urlencoded"
    return client.post(path, content=body, headers={"Origin": client.origin, "Content-Type": kind})


def test_no_address_breaks_anything(
    people: tuple[Client, Client], routes: list[Route], things: dict[str, str]
) -> None:
    bad = some(PATHS)
    for route in calm(routes):
        for name in re.findall(r"{(\w+)", route.path):
            client = asked_of(route, people)
            for value in bad():
                rest = Route(route.method, re.sub(rf"{{{name}(:\w+)?}}", "\0", route.path))
                path = filled(rest, things).replace("\0", value.decode())
                answer = client.get(path) if route.method == "GET" else client.post_form(path)
                sound(answer, (route, value))


@pytest.fixture(scope="module")
def forms(
    people: tuple[Client, Client], routes: list[Route], things: dict[str, str]
) -> list[tuple[Client, Form]]:
    """Every form that a page shows."""
    found: dict[str, tuple[Client, Form]] = {}
    for route in calm(routes):
        if route.method == "GET":
            client, path = asked_of(route, people), filled(route, things)
            answer = client.get(path)
            test_routes.unmarked(answer, path)
            if "text/html" in answer.headers.get("content-type", ""):
                page = Forms(path)
                page.feed(answer.text)
                for form in page.found:
                    found.setdefault(form.action + "?" + "&".join(form.fields), (client, form))
    return [one for one in found.values() if not re.fullmatch(ENDS_THE_LOGIN, one[1].action)]


MORE_NAMES = {
    "rows", "row-1-model", "row-1-quantity", "row-1-hashrate", "file_kind", "do", "reason",
    "scopes", "worker", "signature_b64", "day", "ground", "decision", "digest",
}  # fmt: skip
"""Of forms that no page shows in the state that things are in here."""
NAMES = ("after", "before", "page", "sort", "order", "q", "group", "state", "span", "range", "said",
         "next", "month", "from", "to", "limit", "number", "worker", "kind", "id", "form",
         "last_event_id", "block", "reason", "of", "by", "day")  # fmt: skip


def test_no_parameter_breaks_anything(
    people: tuple[Client, Client], routes: list[Route], things: dict[str, str]
) -> None:
    bad = some(HOSTILE)
    for route in calm(routes):
        if route.method != "GET":
            continue
        client, path = asked_of(route, people), filled(route, things)
        for value in bad()[::2]:
            query = b"&".join(name.encode() + b"=" + value[:400] for name in (*NAMES, *NAMES[:3]))
            sound(client.get(f"{path}?{query.decode()}"), (route, value))


def test_no_field_of_a_form_breaks_anything(forms: list[tuple[Client, Form]]) -> None:
    assert len(forms) >= 12
    bad = some(HOSTILE)
    for client, form in forms:
        for name in form.fields:
            if name == "csrf":
                continue
            for value in bad():
                fields = form.fields | {"csrf": client.token}
                body = b"&".join(
                    quote(one).encode() + b"=" + (value if one == name else quote(given).encode())
                    for one, given in fields.items()
                )
                sound(send(client, form.action, body), (form.action, name, value))


def test_no_value_in_all_fields_at_once_breaks_anything(
    forms: list[tuple[Client, Form]],
    people: tuple[Client, Client],
    routes: list[Route],
    things: dict[str, str],
) -> None:
    """Sent to all that takes a form, with every name that any form has, twice."""
    names = {name for _, form in forms for name in form.fields} | MORE_NAMES
    bad = some(HOSTILE)
    for route in routes:
        if route.method != "POST" or re.fullmatch(ENDS_THE_LOGIN, route.path):
            continue
        client = asked_of(route, people)
        for value in (*bad(), *bad()):
            body = b"csrf=" + client.token.encode() + b"".join(
                b"&" + quote(name).encode() + b"=" + value[:3000]
                for name in sorted(names - {"csrf"}) for _ in range(2)
            )  # fmt: skip
            sound(send(client, filled(route, things), body), (route, value))


def parts(token: str, *more: bytes, end: bytes = b"--x--\r\n") -> bytes:
    first = b'--x\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n' + token.encode() + b"\r\n"
    return first + b"".join(b"--x\r\n" + one for one in more) + end


def bodies(token: str, names: list[str]) -> Iterator[tuple[str, bytes]]:
    """Bodies that are not what their type says."""
    multipart = "multipart/form-data; boundary=x"
    head = b'Content-Disposition: form-data; name="%s"'
    every = [name.encode() for name in names] or [b"text"]
    yield multipart, b""
    yield multipart, b"--x"
    yield multipart, parts(token, end=b"")
    yield multipart, parts(token, b"\r\n\r\n")
    yield multipart, parts(token, b"Content-Disposition: form-data\r\n\r\n1\r\n")
    yield multipart, parts(token, b"Content-Disposition: x; name=a; name=b\r\n\r\n1\r\n")
    yield multipart, parts(token, b"A" * 9000 + b": x\r\n\r\n1\r\n")
    yield multipart, parts(token, *[head % name + b"\r\n\r\n\xff\xfe\x00\r\n" for name in every])
    yield multipart, parts(token, *[head % name + b'; filename="a\x00/../b"\r\n\r\nx\r\n'
                                    for name in every])  # fmt: skip
    yield multipart, parts(token, *[head % name + b'; filename="' + b"a" * 3000 + b'"\r\n\r\n\r\n'
                                    for name in every])  # fmt: skip
    yield multipart, parts(token, *[head % b"a" + b"\r\n\r\n1\r\n"] * 2100)
    for charset in ("unicode_escape", "undefined", "utf-7", "punycode", "idna", "rot13", "utf-16",
                    "raw_unicode_escape", "zlib", "nothing"):  # fmt: skip
        yield (
            f"{multipart}; charset={charset}",
            parts(token, *[head % name + b"\r\n\r\n\\ud800+2AA-\r\n" for name in every]),
        )
    yield "multipart/form-data", parts(token)
    yield "multipart/form-data; boundary=", parts(token)
    yield "multipart/form-data; boundary=" + "y" * 300, parts(token)
    yield "multipart/form-data; boundary=%E9", parts(token)
    yield "application/json", b'{"csrf": "' + token.encode() + b'"}'
    yield "text/plain", b"csrf=" + token.encode()
    yield "application/x-www-form-urlencoded; charset=utf-16", b"csrf=" + token.encode()
    yield "application/x-www-form-urlencoded", b"csrf=" + token.encode() + b"&a=1" * 2100
    yield "application/x-www-form-urlencoded", b"&&==%%%&=&csrf=" + token.encode() + b"&%zz=%"
    yield "application/x-www-form-urlencoded", b"csrf=" + token.encode() + b"&a=" + b"b" * 300_000
    yield "application/x-www-form-urlencoded", b"csrf=%00&csrf=\xff\xfe"
    yield "", b"csrf=" + token.encode()


def test_no_body_breaks_anything(forms: list[tuple[Client, Form]]) -> None:
    bad = some(range(len(list(bodies("", [])))))
    for number, (client, form) in enumerate(forms):
        every = list(bodies(client.token, list(form.fields)))
        for kind, body in every if number < 2 else [every[one] for one in bad()]:
            sound(send(client, form.action, body, kind), (form.action, kind, body[:300]))


HEADERS = {
    "Accept-Language": ["ky;q=nan,ru;q=1e999,en;q=-1,*;q=", "ky;q=0.1," * 2500, "\xff"],
    "Cookie": ["kench=\xff; kench_browser=zz; kench_language=\x80", "a=b; " * 5000, "=;=;;"],
    "X-Forwarded-For": ["1.1.1.1," * 3000, "fe80::1%eth0", "127.0.0.1, ::ffff:1.1.1.1, x"],
    "Range": ["bytes=" + "0-1," * 1000],
    "Authorization": ["Bearer \xff", "Basic", "Bearer " + "a" * 9000],
    "X-API-Key": ["\xe9\xff", "a" * 9000],
    "Content-Type": ["multipart/form-data; boundary=\xff; charset=\xff", "multipart/"],
    "Sec-Fetch-Site": ["\xff"],
    "If-None-Match": ["*", '"' + "a" * 9000],
}


def test_no_header_breaks_anything(people: tuple[Client, Client]) -> None:
    client = people[0]
    for name, values in HEADERS.items():
        for value in values:
            given = {name: value.encode("latin-1")}
            # Of all other addresses `tests/test_every_door.py` asks it.
            for path in ("/", "/api/v1/account"):
                sound(client.get(path, headers=given), (name, value[:50], path))
            sound(client.post("/enter", headers=given), (name, value[:50]))
