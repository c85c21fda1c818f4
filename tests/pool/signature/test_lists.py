"""Lists stay fresh: sound ones replace older ones, others never, and each ends with its time."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.responses import RedirectResponse, Response, StreamingResponse

from kench.pool.clock import Clock, ManualClock
from kench.pool.signature import lists as module
from kench.pool.signature.cms import CmsVerifier
from kench.pool.signature.lists import AGAIN_S, FILES_EVERY_S, FreshLists
from kench.pool.signature.pin import read_patterns
from kench.pool.signature.trust import Trust, TrustError, read_trust
from kench.pool.signature.verifier import SignatureRefusedError
from tests.support.pki import NOW_US, PATTERNS, PIN, Authority, Person, der, key_of, pem
from tests.support.revocation import Place, RealMonotonic, place

CONTENT = b"I enter\n"
DAY_S = 86_400
FETCH_S = 600.0


@pytest.fixture(scope="module")
def root() -> Authority:
    return Authority("Lists Root")


@pytest.fixture(scope="module")
def person(root: Authority) -> Person:
    return root.person()


@pytest.fixture(scope="module")
def signature(person: Person) -> bytes:
    return person.sign(CONTENT)


@pytest.fixture(scope="module")
def served() -> Iterator[Place]:
    with place() as made:
        yield made


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW_US)


def trusted(root: Authority, folder: Path) -> Trust:
    path = folder / "root.pem"
    path.write_bytes(pem(root.certificate))
    return read_trust([path], [])


def fetched(root: Authority, served: Place, folder: Path, clock: Clock) -> FreshLists:
    roots = trusted(root, folder).roots
    return FreshLists([], [served.url], roots=roots, clock=clock, folder=folder / "lists",
                      fetch_s=FETCH_S)  # fmt: skip


def verifier(root: Authority, folder: Path, lists: FreshLists) -> CmsVerifier:
    return CmsVerifier(trusted(root, folder), read_patterns(PATTERNS), lists=lists.current)


def test_a_list_is_fetched_when_somebody_signs_and_renewed_in_its_turn(  # noqa: PLR0917 - fixtures
    root: Authority, served: Place, tmp_path: Path, clock: ManualClock, person: Person,
    signature: bytes,
) -> None:  # fmt: skip
    served.answer = lambda _: der(root.crl())
    served.asked.clear()
    checks = verifier(root, tmp_path, fetched(root, served, tmp_path, clock))
    for _ in range(3):
        assert checks.verify(CONTENT, signature, NOW_US).pin == PIN
    assert len(served.asked) == 1
    served.answer = lambda _: pem(root.crl(person.certificate))
    clock.advance(FETCH_S)
    with pytest.raises(SignatureRefusedError, match="revoked"):
        checks.verify(CONTENT, signature, clock.now_us())


def bad_answers(root: Authority) -> dict[str, Response | bytes]:
    other = Authority("Lists Root", key=key_of("forger"))
    return {
        "status 404": Response(status_code=404),
        "status 307": RedirectResponse("http://127.0.0.1:1/"),
        "cannot be read": b"no list at all",
        "no PEM": b"-----BEGIN X509 CRL-----\nzzz\n-----END X509 CRL-----\n",
        "stale": der(root.crl(days=(-60, -1))),
        "time to come": der(root.crl(days=(1, 30))),
        "not signed by its authority": der(other.crl()),
        "another authority": der(Authority("Elsewhere", key=key_of("forger")).crl()),
        "older": der(root.crl(days=(-2, 30))),
        "more than": b"\x30" * 200_000,
    }


@pytest.mark.parametrize("said", [
    "status 404", "status 307", "cannot be read", "no PEM", "stale", "time to come",
    "not signed by its authority", "another authority", "older", "more than",
])  # fmt: skip
def test_what_is_no_sound_list_leaves_the_last_one_until_that_is_stale(  # noqa: PLR0917 - fixtures
    said: str, root: Authority, served: Place, tmp_path: Path, clock: ManualClock,
    signature: bytes, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(module, "LIST_BYTES_MAX", 100_000)
    served.answer = lambda _: der(root.crl())
    lists = fetched(root, served, tmp_path, clock)
    checks = verifier(root, tmp_path, lists)
    checks.verify(CONTENT, signature, NOW_US)
    answer = bad_answers(root)[said]
    served.answer = lambda _: answer
    clock.advance(FETCH_S)
    assert checks.verify(CONTENT, signature, clock.now_us()).pin == PIN
    (fault,) = lists.faults
    assert said in fault
    clock.advance(31 * DAY_S)
    with pytest.raises(SignatureRefusedError, match="fresh revocation list"):
        checks.verify(CONTENT, signature, clock.now_us())
    mended = root.crl(days=(30, 60))
    served.answer = lambda _: der(mended)
    clock.advance(AGAIN_S)
    assert checks.verify(CONTENT, signature, clock.now_us()).pin == PIN
    assert lists.faults == ()


def test_a_place_that_drips_is_given_up(
    root: Authority, served: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def drops():  # type: ignore[no-untyped-def]
        import anyio  # noqa: PLC0415 - only this needs it

        while True:
            yield b"\x30"
            await anyio.sleep(0.02)

    monkeypatch.setattr(module, "TIMEOUT_S", 0.3)
    served.answer = lambda _: StreamingResponse(drops())
    lists = fetched(root, served, tmp_path, RealMonotonic())
    lists.look()
    assert "no whole answer" in lists.faults[0]


def test_the_last_list_is_there_after_a_restart_while_its_place_is_away(
    root: Authority, served: Place, tmp_path: Path, clock: ManualClock, signature: bytes
) -> None:
    served.answer = lambda _: der(root.crl())
    fetched(root, served, tmp_path, clock).look()
    served.answer = lambda _: Response(status_code=503)
    again = verifier(root, tmp_path, fetched(root, served, tmp_path, clock))
    assert again.verify(CONTENT, signature, NOW_US).pin == PIN
    for path in (tmp_path / "lists").iterdir():
        path.write_bytes(b"spoiled")
    spoiled = verifier(root, tmp_path, fetched(root, served, tmp_path, clock))
    with pytest.raises(SignatureRefusedError, match="revocation is not known"):
        spoiled.verify(CONTENT, signature, NOW_US)


def test_an_intermediates_lists_are_told_apart_by_the_check(
    root: Authority, served: Place, tmp_path: Path, clock: ManualClock
) -> None:
    """Nobody knows an intermediate's key before it signs, so a forged list must not take over."""
    middle = Authority("Middle of Lists", root, key_of("middle"))
    files = tmp_path / "root.crl"
    files.write_bytes(pem(root.crl()))
    served.answer = lambda _: der(middle.crl())
    lists = FreshLists([files], [served.url], roots=trusted(root, tmp_path).roots, clock=clock,
                       fetch_s=FETCH_S)  # fmt: skip
    checks = verifier(root, tmp_path, lists)
    signature = middle.person().sign(CONTENT)
    assert checks.verify(CONTENT, signature, NOW_US).pin == PIN
    forged = Authority("Middle of Lists", key=key_of("forger")).crl()
    served.answer = lambda _: der(forged)
    clock.advance(FETCH_S)
    assert checks.verify(CONTENT, signature, clock.now_us()).pin == PIN


def test_files_are_read_again_when_they_change(
    root: Authority, tmp_path: Path, clock: ManualClock, person: Person, signature: bytes
) -> None:
    path = tmp_path / "list.pem"
    path.write_bytes(pem(root.crl()))
    lists = FreshLists([path], roots=trusted(root, tmp_path).roots, clock=clock)
    checks = verifier(root, tmp_path, lists)
    assert checks.verify(CONTENT, signature, NOW_US).pin == PIN
    fresh = tmp_path / "fresh"
    fresh.write_bytes(b"half of a list")
    fresh.replace(path)
    clock.advance(FILES_EVERY_S)
    assert checks.verify(CONTENT, signature, clock.now_us()).pin == PIN
    fresh.write_bytes(pem(root.crl(person.certificate)))
    fresh.replace(path)
    clock.advance(FILES_EVERY_S)
    with pytest.raises(SignatureRefusedError, match="revoked"):
        checks.verify(CONTENT, signature, clock.now_us())
    with pytest.raises(TrustError, match="cannot be read"):
        FreshLists([tmp_path / "none"], roots=(), clock=clock)


def test_a_thread_renews_them_and_ends(root: Authority, served: Place, tmp_path: Path) -> None:
    served.answer = lambda _: der(root.crl())
    lists = fetched(root, served, tmp_path, ManualClock(NOW_US))
    lists.start()
    assert len(lists.current()) == 1
    lists.stop()
