"""The officers' door, by real connections of TLS: who is let in, and who is not."""

import contextlib
import re
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from cryptography import x509

from kench.cabinet.door import DoorError, chain_of, context_of
from kench.cabinet.web.app import make_app
from kench.cabinet.web.officers import make_officers_app
from kench.pki.authority import Authority, make_authority
from kench.pki.people import Duty, Holder, Kind
from kench.pool.clock import ManualClock, SystemClock
from kench.pool.database import open_engine
from kench.pool.orders.officers import add_officer, end_officer
from tests.support.cabinet import routes_of
from tests.support.entering import acts_in
from tests.support.gost import GostAuthority, engine
from tests.support.officers_door import Site, Visitor, pem_of, served_doors
from tests.support.pki import Authority as PkiAuthority
from tests.support.pki import Person, der, key_of, key_pem, pem, subject_of

OFFICER, SECOND, PARTICIPANT, GONE = (
    "10101190000001", "20101190000002", "20503198500011", "11407199000022",
)  # fmt: skip
YEAR_US = 365 * 86_400_000_000


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("pki"), SystemClock())


@pytest.fixture(scope="module")
def site(module_database: str, authority: Authority) -> Iterator[Site]:
    owner = open_engine(module_database, application_name="test owner")
    with owner.begin() as db:
        for pin in (OFFICER, SECOND, GONE):
            add_officer(db, pin, "Officer", "duty", SystemClock().now_us())
    owner.dispose()
    with served_doors(module_database, authority) as made:
        yield made


def issued(authority: Authority, pin: str, stem: str, kind: Kind = Kind.EC) -> Holder:
    return authority.issue("Demo Officer", pin, kind=kind, duty=Duty.OFFICER, stem=stem)


def visitor(site: Site, authority: Authority, holder: Holder | None) -> Visitor:
    return Visitor(site.url, authority.folder / "root.pem", holder)


@pytest.mark.parametrize("kind", [Kind.RSA, Kind.EC])
def test_an_officer_enters_by_the_p12_that_the_demo_gives_and_finds_the_desk(
    site: Site, authority: Authority, kind: Kind
) -> None:
    with visitor(site, authority, issued(authority, OFFICER, f"one-{kind}", kind)) as browser:
        came = browser.get("/")
        assert came.headers["location"] == "/desk"
        assert browser.get("/desk").headers["location"] == "/enter?next=%2Fdesk"
        page = browser.get("/enter?next=/desk")
        assert "Enter by this certificate" in page.text
        assert page.headers["content-security-policy"].startswith("default-src 'none'")
        assert "strict-transport-security" in page.headers
        came = browser.post_form("/enter")
        assert (came.status_code, came.headers["location"]) == (303, "/desk")
        cookie = came.headers["set-cookie"]
        assert cookie.startswith("__Host-kench=")
        assert {"Secure", "HttpOnly", "Path=/"} <= set(cookie.split("; "))
        assert browser.get("/desk").status_code == 200
        # It has no role, and this door asks for one as the other does.
        assert browser.get("/desk/applications").status_code == 403
        page = browser.get("/account").text
        assert "certificate" in page
        assert 'href="/p"' not in page
        assert browser.post_form("/leave", page="/account").status_code == 303
        assert browser.get("/desk").status_code == 303
    assert ("enter", "done", "certificate") in acts_in(site.cabinet)


def test_what_the_entry_rested_on_is_kept(site: Site, authority: Authority) -> None:
    with visitor(site, authority, issued(authority, OFFICER, "kept")) as browser:
        browser.post_form("/enter")
    with site.cabinet.engine.connect() as db:
        row = db.execute(
            sa.text(
                "SELECT way, certificates, crls, (SELECT count(*) FROM act_evidence "
                "WHERE digest = ANY(certificates || crls)) AS kept "
                "FROM entry_proofs ORDER BY id DESC LIMIT 1"
            )
        ).one()
    assert (row.way, len(row.certificates), len(row.crls), row.kept) == ("certificate", 2, 1, 3)


def test_nobody_comes_in_without_a_certificate_of_an_authority_of_ours(
    site: Site, authority: Authority, tmp_path: Path
) -> None:
    other = make_authority(tmp_path, SystemClock())
    past = Authority(authority.folder, ManualClock(SystemClock().now_us() - 11 * YEAR_US))
    for holder in (
        None,
        issued(other, OFFICER, "other"),
        issued(past, OFFICER, "expired"),
    ):
        with (
            visitor(site, authority, holder) as browser,
            pytest.raises((httpx.ReadError, httpx.RemoteProtocolError, httpx.ConnectError)),
        ):
            browser.get("/enter")


def test_a_servers_certificate_is_nobodys(site: Site, authority: Authority) -> None:
    certificate, key = authority.certify_door()
    context = ssl.create_default_context(cafile=str(authority.folder / "root.pem"))
    context.load_cert_chain(certificate, key)
    with (
        httpx.Client(verify=context, base_url=site.url) as browser,
        pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)),
    ):
        browser.get("/enter")


def test_who_is_no_officer_in_service_or_revoked_is_told_and_kept_out(
    site: Site, authority: Authority, module_database: str
) -> None:
    revoked = issued(authority, SECOND, "revoked")
    pem_of(revoked)
    authority.revoke("revoked")
    site.lists._files.due_s = 0.0
    owner = open_engine(module_database, application_name="test owner")
    with owner.begin() as db:
        end_officer(db, GONE, SystemClock().now_us())
    owner.dispose()
    for holder, why, outcome in (
        (issued(authority, PARTICIPANT, "participant"), "Only officers", "not_officer"),
        (issued(authority, GONE, "gone"), "Only officers", "not_officer"),
        (revoked, "is revoked", "revoked"),
    ):
        with visitor(site, authority, holder) as browser:
            came = browser.post_form("/enter")
            assert came.status_code == 403
            assert why in came.text
            assert browser.get("/desk").status_code == 303
        assert acts_in(site.cabinet)[-1] == ("enter", outcome, "certificate")


def test_a_login_is_worth_nothing_with_another_certificate_or_at_the_other_door(
    site: Site, authority: Authority
) -> None:
    with visitor(site, authority, issued(authority, OFFICER, "first")) as browser:
        browser.post_form("/enter")
        assert browser.get("/desk").status_code == 200
        cookies = dict(browser.cookies)
    for swapped in (issued(authority, SECOND, "swapped"), issued(authority, OFFICER, "renewed")):
        with visitor(site, authority, swapped) as other:
            other.cookies.update(cookies)
            assert other.get("/desk").status_code == 303
    plain = httpx.Client(base_url=site.settings.cabinet_origin)
    with plain:
        plain.cookies.set("kench", cookies["__Host-kench"])
        assert plain.get("/account").status_code == 303


def test_an_officers_service_that_ends_ends_the_login_at_once(
    site: Site, authority: Authority, module_database: str
) -> None:
    pin = "21212198000033"
    owner = open_engine(module_database, application_name="test owner")
    with owner.begin() as db:
        add_officer(db, pin, "Officer", "duty", SystemClock().now_us())
    with visitor(site, authority, issued(authority, pin, "leaving")) as browser:
        browser.post_form("/enter")
        assert browser.get("/desk").status_code == 200
        with owner.begin() as db:
            end_officer(db, pin, SystemClock().now_us())
        assert browser.get("/desk").status_code == 303
    owner.dispose()


def test_forms_of_elsewhere_and_other_names_are_refused_here_too(
    site: Site, authority: Authority
) -> None:
    with visitor(site, authority, issued(authority, OFFICER, "forms")) as browser:
        browser.get("/enter")
        origin = {"Origin": site.settings.cabinet_origin}
        assert browser.post("/enter", data={"csrf": "x"}, headers=origin).status_code == 403
        own = {"Origin": site.url}
        assert browser.post("/enter", data={"csrf": "x"}, headers=own).status_code == 403
        assert browser.get("/desk", headers={"Host": "elsewhere.example"}).status_code == 307


def test_the_authorities_between_come_with_the_connection() -> None:
    root = PkiAuthority("Root", key=key_of("door root"))
    between = PkiAuthority("Between", root, key_of("door between"))
    person = between.person(days=(-3650, 3650))
    shown = chain_of(_Shaken(root, person))
    assert shown == (der(person.certificate), der(between.certificate))


class _Shaken:
    """A transport whose handshake is done, in memory: `person` came with the whole chain."""

    def __init__(self, root: PkiAuthority, person: Person) -> None:
        server = root.build(
            subject_of(OFFICER), key_of("door").public_key(),
            [(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)],
            days=(-3650, 3650),
        )  # fmt: skip
        with tempfile.TemporaryDirectory() as name:
            mine, theirs = Path(name, "server.pem"), Path(name, "person.pem")
            mine.touch(0o600)
            mine.write_bytes(key_pem(key_of("door")) + pem(server))
            theirs.write_bytes(
                key_pem(person.key) + pem(person.certificate) + b"".join(map(pem, person.chain))
            )
            inside = context_of(mine, mine, [der(root.certificate)])
            outside = ssl.create_default_context(cadata=der(root.certificate))
            outside.load_cert_chain(theirs)
        left, right = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._door = inside.wrap_bio(left, right, server_side=True)
        browser = outside.wrap_bio(right, left, server_hostname="localhost")
        for _ in range(3):
            for end in (browser, self._door):
                with contextlib.suppress(ssl.SSLWantReadError):
                    end.do_handshake()

    def get_extra_info(self, name: str) -> ssl.SSLObject:
        assert name == "ssl_object"
        return self._door


def test_the_other_door_knows_no_entry_by_certificate(site: Site) -> None:
    with httpx.Client(base_url=site.settings.cabinet_origin) as plain:
        assert "Enter by this certificate" not in plain.get("/enter").text


def test_the_whole_desk_is_at_the_officers_door_and_no_room_of_participants(site: Site) -> None:
    people = make_app(site.cabinet)
    officers = make_officers_app(people, site.url, None)  # type: ignore[arg-type]
    here, there = set(routes_of(officers)), set(routes_of(people))
    assert {route for route in there if route[1].startswith("/desk")} <= here
    allowed = r"/|/(enter|leave|account|sign|language|desk)(/.*)?"
    assert all(re.fullmatch(allowed, path) for _, path in here)


def test_roots_of_algorithms_that_tls_does_not_know_keep_nobody_out(authority: Authority) -> None:
    engine()
    files = authority.certify_door()
    assert context_of(*files, [GostAuthority().certificate, der(authority.certificate)])


def test_files_that_are_no_certificate_are_told(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("x")
    for certificate in (wrong, tmp_path / "absent.pem"):
        with pytest.raises(DoorError, match="KENCH_CABINET_OFFICERS_CERTIFICATE"):
            context_of(certificate, wrong, ())
