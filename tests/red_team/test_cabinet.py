"""At the cabinet's own port: another's numbers, caches between, addresses that lead away.

Requests are bytes on a socket, as no browser would send them.
"""

import http.client
import itertools
import os
import re
from collections.abc import Iterator
from contextlib import closing
from typing import NamedTuple

import pytest

from kench.cabinet.access.grants import Kind
from kench.cabinet.cabinet import Cabinet
from kench.cabinet.web.cookies import LOGIN, cookie_name
from kench.cabinet.web.json_route import KEY_HEADER
from kench.pool.database import open_engine
from tests.support.cabinet import served_cabinet
from tests.support.grants import BLOCK_HASH, TECHNICIAN_PIN, Two, granted, two_participants
from tests.support.pki import PIN, SECOND_PIN
from tests.support.signing import enter

EVIL = "evil.example"
LEADS_AWAY = re.compile(rf"(?:href|src|action)=[\"']?(?:https?:)?[/\\]{{2}}[^\"'/]*{EVIL}")
NAME, WORKER = "Ала-Тоо", "rig1"


class Answer(NamedTuple):
    """Status, headers by their names in lower case, body."""

    status: int
    headers: dict[str, str]
    body: str


class Scene(NamedTuple):
    """A cabinet that serves, whose numbers are wanted, and who wants them."""

    cabinet: Cabinet
    two: Two
    owner: str
    technician: str
    thief: str
    owners_key: str
    thiefs_key: str

    @property
    def room(self) -> str:
        return f"/p/{self.two.first}"

    def ask(self, target: str, method: str = "GET", body: bytes = b"", **headers: str) -> Answer:
        """Ask with these headers alone (`_` for `-`); the cabinet's own host unless another."""
        port = self.cabinet.settings.cabinet_port
        given = {"Host": f"127.0.0.1:{port}"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        if body:
            given["Content-Length"] = str(len(body))
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as line:
            line.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in given.items():
                line.putheader(name, value)
            line.endheaders(body)
            came = line.getresponse()
            # A page that goes on without end is seen by its first piece.
            is_endless = "event-stream" in (came.getheader("content-type") or "")
            read = came.read1() if is_endless else came.read()
            found = {name.lower(): value for name, value in came.getheaders()}
            return Answer(came.status, found, read.decode("utf-8", "replace"))

    def cookie(self, secret: str) -> str:
        return f"{cookie_name(self.cabinet.settings, LOGIN)}={secret}"


@pytest.fixture(scope="module")
def scene(module_database: str) -> Iterator[Scene]:
    two = two_participants(module_database)
    with served_cabinet(module_database) as cabinet:
        now_us = cabinet.clock.now_us()
        engine = open_engine(module_database, application_name="test")
        with engine.begin() as db:
            people = [
                enter(db, pin, now_us=now_us, draw=os.urandom)[1].hex()
                for pin in (PIN, TECHNICIAN_PIN, SECOND_PIN)
            ]
            keys = [granted(db, whose, Kind.KEY, now_us=now_us) for whose in two[:2]]
        engine.dispose()
        yield Scene(cabinet, two, *people, *keys)


def is_nobodys(answer: Answer) -> bool:
    """Whether nothing of the owner's is in it."""
    text = answer.body + str(answer.headers)
    return not [one for one in (NAME, WORKER, "100000001") if one in text]


def pages(scene: Scene) -> list[str]:
    room = scene.room
    worker = scene.two.workers["rig1"]
    return [
        f"{room}/", f"{room}/workers", f"{room}/workers/{worker}", f"{room}/live",
        f"{room}/blocks/{BLOCK_HASH}", f"{room}/blocks/{BLOCK_HASH}/proof", f"{room}/earnings",
        f"{room}/workers.csv", f"{room}/shares", f"{room}/access", f"{room}/tokens",
    ]  # fmt: skip


def test_the_owner_finds_what_is_tried_for(scene: Scene) -> None:
    found = [scene.ask(page, Cookie=scene.cookie(scene.owner)) for page in pages(scene)]
    assert [one.status for one in found].count(200) >= 5, [one.status for one in found]
    assert sum(not is_nobodys(one) for one in found) >= 4
    told = scene.ask("/api/v1/workers", **{KEY_HEADER: scene.owners_key})
    assert not is_nobodys(told)


def test_no_cookie_but_the_owners_own_opens_the_room(scene: Scene) -> None:
    own, thief = scene.owner, scene.thief
    name = cookie_name(scene.cabinet.settings, LOGIN)
    cookies = [
        scene.cookie(thief), scene.cookie(own[:-1]), scene.cookie(own[:-2] + "zz"),
        scene.cookie(own + "00"), scene.cookie(f'"{thief}"'), f"{name}={thief}; {name}={thief}",
        f"__Host-{name}={thief}", f"kench_browser={own}", f"{name.upper()}={own}",
        scene.cookie(f"{thief},{own}"), scene.cookie("0" * 64), scene.cookie("%00" + own),
    ]  # fmt: skip
    others = {"X_Forwarded_User": PIN, "X_Original_URL": f"{scene.room}/", "X_Real_IP": "127.0.0.1",
              "Authorization": f"Bearer {scene.owners_key}"}  # fmt: skip
    for cookie, page in zip(cookies, itertools.cycle(pages(scene))):
        answer = scene.ask(page, Cookie=cookie, **others)
        assert answer.status in {303, 404}, (cookie, page, answer.status)
        assert is_nobodys(answer), (cookie, page)
        assert answer.headers["cache-control"] == "no-store"


def test_no_spelling_of_an_address_leads_from_ones_own_room_into_anothers(scene: Scene) -> None:
    first, second = scene.two[:2]
    ways = [
        f"/p/{second}/../{first}/", f"/p/{second}/%2e%2e/{first}/", f"/p/{second}/..%2f{first}/",
        f"/p/{second}/..;/{first}/", f"//p/{first}/", f"/./p/{first}/", f"/p//{first}/",
        f"/p/{first}/?participant_id={second}", f"/p/{second}/?participant_id={first}",
        f"/p/{second}/workers?participant={first}&participant_id={first}", f"/p/0{first}/",
        f"/p/+{first}/", f"/p/{first}%00/", f"/p/{first}.json", "/p/%31/", f"/p/{second},{first}/",
        f"/p/{second}/workers/{scene.two.workers['rig1']}", f"/p/{second}/blocks/{BLOCK_HASH}",
        f"/p/{second}/blocks/{BLOCK_HASH}/proof", f"/P/{first}/", f"\\p\\{first}\\",
        f"http://127.0.0.1/p/{first}/", f"/p/{first};x/", f"/p/{2**32 + first}/",
    ]  # fmt: skip
    for way in ways:
        for method, more in (("GET", {}), ("HEAD", {}), ("GET", {"Range": "bytes=0-"})):
            answer = scene.ask(way, method, Cookie=scene.cookie(scene.thief), **more)
            assert answer.status < 500, way
            assert answer.status != 206, way
            assert is_nobodys(answer), (method, way)


def test_a_key_tells_of_its_own_participant_whatever_is_asked_beside(scene: Scene) -> None:
    first = scene.two.first
    for path in ("hashrate", "workers", "earnings", "blocks", "account"):
        asked = f"/api/v1/{path}?participant_id={first}&participant={first}&puid={first}&id={first}"
        given = {KEY_HEADER: scene.thiefs_key, "Cookie": scene.cookie(scene.owner),
                 "X_Participant": str(first)}  # fmt: skip
        answer = scene.ask(asked, **given)
        assert is_nobodys(answer), path
        assert answer.headers["cache-control"] == "no-store"
    own = scene.ask("/api/v1/workers", **{KEY_HEADER: scene.owners_key})
    mark = own.headers.get("etag", '"x"')
    for more in ({"If_None_Match": mark}, {"If_None_Match": "*"}, {"If_Modified_Since": "0"}):
        answer = scene.ask("/api/v1/workers", **{KEY_HEADER: scene.thiefs_key}, **more)
        assert answer.status == 200
        assert is_nobodys(answer)
    for key in (scene.owners_key[:-1], scene.owners_key.swapcase(), scene.owners_key + " x"):
        assert scene.ask("/api/v1/workers", **{KEY_HEADER: key}).status in {401, 403}


def test_who_is_of_the_room_does_not_what_its_owner_alone_may(scene: Scene) -> None:
    cookie = scene.cookie(scene.technician)
    assert scene.ask(f"{scene.room}/workers", Cookie=cookie).status == 200
    for page in ("people", "access", "earnings", "tokens"):
        with_form = scene.ask(f"{scene.room}/{page}", "POST", b"do=add&csrf=x", Cookie=cookie,
                              Content_Type="application/x-www-form-urlencoded")  # fmt: skip
        assert with_form.status in {403, 404, 405}, page


DECEPTIONS = ("x.css", "x.js", "logo.png", "..%2fstatic%2fa.css", ";a.css", "%0aa.css", "?a.css")
"""What a store in front of the cabinet may take for a file that is everybody's."""


def test_no_store_in_between_keeps_a_persons_page(scene: Scene) -> None:
    cookie = scene.cookie(scene.owner)
    for page in (*pages(scene)[:4], "/account", "/p"):
        for tail in ("", *(f"/{one}" for one in DECEPTIONS), *DECEPTIONS[4:]):
            answer = scene.ask(page.rstrip("/") + tail, Cookie=cookie)
            kept = answer.headers["cache-control"]
            assert kept == "no-store", (page, tail)
            assert "etag" not in answer.headers


def test_no_header_changes_where_an_answer_leads(scene: Scene) -> None:
    origin = scene.cabinet.settings.cabinet_origin
    host = {"Host": EVIL}
    others = {"X_Forwarded_Host": EVIL, "X_Forwarded_Proto": "https", "X_Host": EVIL,
              "Forwarded": f"host={EVIL}", "X_Forwarded_Prefix": f"//{EVIL}",
              "Referer": f"http://{EVIL}/"}  # fmt: skip
    targets = ("/", "/p", "/enter?next=//" + EVIL, f"/enter?next=\\\\{EVIL}",
               "/language/en?next=//" + EVIL,
               f"/%2f%2f{EVIL}/", f"//{EVIL}/", f"%2F@{EVIL}/", f"%2f%2f{EVIL}", f".{EVIL}/",
               f"/.{EVIL}", f"@{EVIL}/", f"http://{EVIL}/",
               "/%0d%0aLocation:%20http://" + EVIL)  # fmt: skip
    for target in targets:
        for more in (host, others, host | others):
            answer = scene.ask(target, **more)
            assert answer.status < 500
            leads = answer.headers.get("location", "/")
            assert leads.startswith(("/", origin + "/")), (target, leads)
            assert not leads.startswith(("//", "/\\")), (target, leads)
            if answer.headers.get("content-type", "").startswith("text/html"):
                assert not re.search(LEADS_AWAY, answer.body), target
