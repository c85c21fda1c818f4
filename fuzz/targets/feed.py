"""Any bytes on the feed, in any pieces, are the same frames, and each is read or broken by name.

The first byte of an input says how the rest is cut; where it is 255 the rest is facts of sessions.
"""

from fuzz.targets.session import pieces
from kench.stratum.feed import (
    VALUES_FROM_FRONT,
    FeedBrokenError,
    Frames,
    Kind,
    content_of,
    job_of,
)
from kench.stratum.maker.lending import Lending
from kench.stratum.statistics import sessions

EXECUTIONS = 17
LENGTH_MAX = 2048
SIZES = ([1], [2, 5], [7], [300])
FRONTS = 3
_JSON = {Kind.HELLO, Kind.STATE, Kind.NO_JOB, Kind.PROPOSAL}


def check(data: bytes) -> None:
    """Hold the bytes to the invariant."""
    head, stream = data[:1] or b"\0", data[1:]
    if head == b"\xff":
        _facts(stream)
        return
    whole = _frames([stream])
    assert _frames(pieces(stream, SIZES[head[0] % len(SIZES)])) == whole
    lending = Lending(lambda _number, _kind, _body: True, lambda: 1.0)
    for number in range(FRONTS):
        lending.introduced(number, 100 + number)
    for turn, (kind, body) in enumerate(whole):
        try:
            if kind == Kind.JOB:
                job, _ = job_of(body)
                assert job.notify_clean.endswith(b"\n")
            elif kind in _JSON:
                assert isinstance(content_of(body), dict)
            elif kind in VALUES_FROM_FRONT:
                lending.take(turn % FRONTS, kind, body)
        except FeedBrokenError:
            pass


def _frames(arriving: list[bytes]) -> list[tuple[int, bytes]]:
    """Return the frames in these pieces, up to where the feed broke."""
    frames, taken = Frames(), []
    try:
        for piece in arriving:
            for one in frames.take(piece):
                taken.append(one)  # noqa: PERF402 - those before a break count
    except FeedBrokenError:
        taken.append((-1, b""))
    return taken


def _facts(body: bytes) -> None:
    """Hold facts of sessions to the same: read, or refused; what was read is written alike."""
    try:
        facts = list(sessions.decode(body))
    except ValueError:
        return
    book = sessions.SessionBook()
    book.take(0, facts)
    assert len(book) <= len(facts)
    again = list(sessions.decode(sessions.encode(facts)))
    assert repr(again) == repr(facts)
