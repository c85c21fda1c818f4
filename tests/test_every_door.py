"""Whatever comes to any port that speaks HTTP: nothing breaks, nothing leaks, nothing is changed.

The list of what there is to ask is read from the applications, and each is asked as its process
makes it: who adds a route, or a server, has it asked in every hostile way there is, or this fails.
"""

import itertools
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from anyio.from_thread import BlockingPortal

from kench.cabinet.cabinet import Cabinet
from tests.cabinet.web import test_routes
from tests.support.asgi import Headers, Heard, ask, loop
from tests.support.doors import Door, Place, Visitor, cabinet_doors, tax_doors, twins
from tests.support.pki import PIN
from tests.support.registration import OFFICER_PIN, OTHER_PIN
from tests.support.tax import CLIENT, ENDPOINTS, provider_of

things, cabinet = test_routes.things, test_routes.cabinet
KENCH = Path(__file__).parents[1] / "kench"
MAKERS = {
    "kench/cabinet/web/app.py": "cabinet", "kench/cabinet/web/officers.py": "officers",
    "kench/tax/app.py": "tax", "kench/xroad/server.py": "security server",
    "kench/screening/server.py": "screening", "kench/venue/app.py": "venue",
    "kench/pki/server.py": "pki", "kench/consumer/receiving.py": "consumer",
    "kench/pool/web/watching.py": "metrics beside",
    # These two are no applications of ASGI: other tests ask them.
    "kench/node/server.py": "tests/node/test_http.py",
    "kench/stratum/metrics.py": "tests/stratum/test_metrics.py",
}  # fmt: skip
SERVES = re.compile(
    r"(?:= |return |: )(?:FastAPI|Starlette|\w*HTTPServer|Resource)\(|\(\w*HTTPServer\)"
)
EACH = int(os.environ.get("KENCH_TEST_HOSTILE", "1"))
EACH_OF_FEW, FEW = 6, 20
"""A door with few places is asked more of each."""
MORE_BODIES = 3

SQL = b"1%27%20OR%20%271%27=%271%27;%20DROP%20TABLE%20acts;--"
VALUES = (
    b"%00", b"%2e%2e%2f%2e%2e%2fetc%2fpasswd", SQL, b"-1", b"0", b"%FF%FE", b"9" * 400,
    b"18446744073709551616", b"%0d%0aSet-Cookie:%20x=1", b"%D9%A1%C2%B2", b"{{7*7}}",
    b"%ED%A0%80", b"A" * 9000, b"%5c..%5c", b"NaN", b"..;", b"%2500", b"1%2F1",
)  # fmt: skip
"""What stands in an address instead of a number or a name."""
QUERIES = (
    b"cursor=AAAA&since=AAAA&limit=999999999999999999999&after=-1&before=%00&page=1e9&q=" + SQL,
    b"next=//evil.example&next=/x&said=%0d%0aSet-Cookie:%20x=1&from=0001-01-01&to=9999-12-31",
    b"period=2025-10&period=2099-01&cursor=cmVwb3J0cy8yMDI1LTA5OjE&number=" + b"9" * 400,
    b"&&==%%%&" + b"a=1&" * 300 + b"%ff=%fe",
    b"day=2026-02-30&month=0000-00&state[]=x&where=__class__&form=../../etc&before=" + b"9" * 35,
)
HEADERS: tuple[Headers, ...] = (
    [(b"x-original-url", b"/desk"), (b"x-rewrite-url", b"/desk"),
     (b"x-http-method-override", b"DELETE"), (b"x-forwarded-host", b"evil.example"),
     (b"forwarded", b"for=127.0.0.1;host=evil.example"), (b"x-real-ip", b"127.0.0.1")],
    [(b"x-forwarded-user", OFFICER_PIN.encode()), (b"x-ssl-client-verify", b"SUCCESS"),
     (b"x-ssl-client-s-dn", b"serialNumber=" + OFFICER_PIN.encode()),
     (b"x-client-cert", b"MIIB"), (b"authorization", b"Bearer \xff"), (b"x-api-key", b"\xff")],
    [(b"x-road-client", b"KG/GOV/10000001/taxes2"), (b"x-road-userid", b"' OR 1=1"),
     (b"x-road-id", b"1"), (b"x-road-service", b"../.."), (b"x-road-error", b"x")],
    [(b"cookie", b"kench=" + b"00" * 32 + b"; kench_browser=\xff; kench=x"), (b"cookie", b"=;=;;"),
     (b"accept-language", b"ky;q=nan," * 500), (b"range", b"bytes=0-1,-1"),
     (b"if-none-match", b"*"), (b"content-type", b"multipart/form-data; boundary=\xff")],
    [(b"host", b"[evil.example"), (b"x-forwarded-for", b"1.1.1.1," * 2000)],
    [(b"host", b"evil.example"), (b"content-encoding", b"gzip"), (b"expect", b"x"),
     (b"content-length", b"5"), (b"origin", b"https://evil.example")],
)  # fmt: skip
METHODS = ("PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "HEAD", "PROPFIND", "get", "POST")
JSON = b"application/json"
SELL = b'"side":"sell","type":"limit","time_in_force":"IOC"'
BODIES: tuple[tuple[bytes, bytes], ...] = (
    (JSON, b"[" * 20_000), (JSON, b'{"a":"\\ud800"}'), (JSON, b"\xff\xfe"), (JSON, b"null"),
    (JSON, b'{"client_id":"\\ud800","tx_hash":"x","output_address":"x"}'),
    (JSON, b"{" + SELL + b',"client_id":"\\ud800","amount_sat":1,"price":"1"}'),
    (JSON, b"{" + SELL + b',"client_id":"a","amount_sat":1,"price":"1e999999"}'),
    (JSON, b'{"a":' + b"9" * 5000 + b"}"), (JSON, b'{"receipts":NaN}'),
    (b"application/ocsp-request", b"\x30\x80" + b"\x00" * 60),
    (b"application/xml", b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'),
    (b"multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\n"),
    (b"application/x-www-form-urlencoded", b"csrf=%00&a=%ff&__proto__=1&state=active"),
)  # fmt: skip
LEAKS = (b"Traceback", b"site-packages", b"psycopg", b"sqlalchemy", b"root:x:0")
SECRETS = (PIN.encode(), OFFICER_PIN.encode(), b"Show its passport", b"rig1")
"""Of a participant who is not the one that asks, and of the desk."""


class Case(NamedTuple):
    """One hostile request."""

    kind: str
    method: str
    target: bytes
    headers: Headers = ()
    body: bytes = b""


@pytest.fixture(scope="module")
def doors(
    cabinet: Cabinet, things: dict[str, str], module_database: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, Door]]:  # fmt: skip
    """All there are."""
    clients = ({"client": CLIENT, "may": ENDPOINTS},)
    with (
        provider_of(module_database, tax_clients=clients) as provider,
        twins(tmp_path_factory.mktemp("twins")) as others,
    ):
        yield cabinet_doors(cabinet, things, OTHER_PIN) | tax_doors(provider) | others


NAMES = ("cabinet", "officers", "tax", "tax metrics", "venue", "screening", "security server",
         "pki", "consumer", "metrics beside")  # fmt: skip


@pytest.fixture(scope="module")
def portal() -> Iterator[BlockingPortal]:
    with loop() as made:
        yield made


def path_of(place: Place, things: dict[str, str], **instead: bytes) -> bytes:
    def value(found: re.Match[str]) -> str:
        given = instead.get(found[1])
        return things.get(found[1], "1") if given is None else given.decode("latin-1")

    return re.sub(r"{(\w+)(?::\w+)?}", value, place.path).encode("latin-1")


class Cases:
    """Hostile requests of a place: the next few of each kind, all of them in turn."""

    def __init__(self) -> None:
        self._values, self._queries, self._headers, self._methods, self._bodies = (
            itertools.cycle(every) for every in (VALUES, QUERIES, HEADERS, METHODS, BODIES)
        )

    def of(self, place: Place, things: dict[str, str], each: int) -> Iterator[Case]:
        """Of each kind `each`, and some more bodies where one is taken."""
        path = path_of(place, things)
        for _ in range(each):
            for name in re.findall(r"{(\w+)", place.path):
                target = path_of(place, things, **{name: next(self._values)})
                yield Case("address", place.method, target)
            yield Case("query", place.method, path + b"?" + next(self._queries))
            yield Case("headers", place.method, path, next(self._headers))
            yield Case("method", next(self._methods), path)
            for _ in range(MORE_BODIES if place.method == "POST" else 1):
                kind, body = next(self._bodies)
                yield Case("body", place.method, path, [(b"content-type", kind)], body)


def sent(portal: BlockingPortal, door: Door, visitor: Visitor, case: Case) -> Heard:
    """The answer to a hostile request; its own headers go in the place of the visitor's."""
    own = {name for name, _ in case.headers}
    body, headers = case.body, list(case.headers)
    if case.method == "POST" and not body and visitor.form:
        body = b"csrf=" + visitor.form.encode() + b"&do=sign&number=%00&act_id=%C2%B2&reason="
        headers.append((b"content-type", b"application/x-www-form-urlencoded"))
        own.add(b"content-type")
    given = [*visitor.headers, *visitor.signs(case.method, case.target, body)]
    headers += [one for one in given if one[0] not in own]
    if not any(name == b"host" for name, _ in headers):
        headers.append((b"host", b"127.0.0.1"))
    return ask(portal, door.app, case.target, headers, method=case.method, body=body,
               state=door.state)  # fmt: skip


def check(door: Door, case: Case, heard: Heard) -> None:
    """Nothing broke, and nothing is in the answer that should not be."""
    assert heard.error is None, case
    assert heard.status < 500 or door.faults, (case, heard.status)
    assert not [one for one in LEAKS if one in heard.body], case
    head = heard.head.lower()
    assert not re.search(rb"(?<!%2f%2f)evil.example", head), case
    assert not re.search(rb"set-cookie: [^\r]*x=1|\nx-[^\r]*: [^\r]*drop table", head), case
    if door.is_cabinet:
        assert b"x-content-type-options: nosniff" in head, case
        assert b"default-src 'none'" in head, case
        assert not [one for one in SECRETS if one in heard.body + head], case


def kept(cabinet: Cabinet) -> dict[str, list[tuple[object, ...]]]:
    found = test_routes.kept(cabinet)
    # Whoever asks to enter opens a text to sign.
    del found["signing_requests"]
    return found


def test_every_server_there_is_stands_here(doors: dict[str, Door]) -> None:
    makes = {
        str(path.relative_to(KENCH.parent))
        for path in KENCH.rglob("*.py") if SERVES.search(path.read_text())
    }  # fmt: skip
    assert makes == MAKERS.keys()
    assert doors.keys() == set(NAMES)
    root = KENCH.parent
    assert all(one in doors or (root / one).exists() for one in MAKERS.values())


@pytest.mark.parametrize("name", NAMES)
def test_nothing_breaks_and_nothing_leaks(
    name: str, doors: dict[str, Door], portal: BlockingPortal, cabinet: Cabinet
) -> None:  # fmt: skip
    door, cases, before = doors[name], Cases(), kept(cabinet)
    reached, counted = set(), Counter[str]()
    visitors = itertools.cycle(door.visitors)
    each = max(EACH, EACH_OF_FEW) if len(door.places) < FEW else EACH
    for place in door.places:
        for case in cases.of(place, door.things, each):
            heard = sent(portal, door, next(visitors), case)
            check(door, case, heard)
            counted[case.kind] += 1
            if case.kind in {"query", "body"}:
                reached.add(heard.endpoint)
    missing = [one.path for one in door.places if one.endpoint not in reached]
    assert not missing
    assert kept(cabinet) == before
    print(name, len(door.places), dict(counted))
