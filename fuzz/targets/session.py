"""Any bytes in any pieces: never an exception, each id answered once, bounded, cuts change nothing.

The first four bytes of an input say how the session begins and how the rest is cut into pieces.
"""

import itertools

from fuzz.conversation import answered, begin, expected, play

EXECUTIONS = 30
LENGTH_MAX = 2048


def check(data: bytes) -> None:
    """Hold the stream to the invariant."""
    head, stream = data[:4].ljust(4, b"\0"), data[4:]
    logged_in = bool(head[0] & 1)
    whole = begin(logged_in=logged_in)
    play(whole, [stream])
    wanted, got = expected(stream), answered(whole)
    assert got == (wanted if whole.session.closing is None else wanted[: len(got)])
    cut = begin(logged_in=logged_in)
    play(cut, pieces(stream, [1 + size for size in head[1:]]), lazily=bool(head[0] & 2))
    assert cut.raw == whole.raw
    assert cut.session.closing == whole.session.closing
    assert cut.session.state == whole.session.state


def pieces(stream: bytes, sizes: list[int]) -> list[bytes]:
    """Cut a stream into pieces of these sizes, in turn."""
    out, at = [], 0
    for size in itertools.cycle(sizes):
        if at >= len(stream):
            return out
        out.append(stream[at : at + size])
        at += size
    return out
