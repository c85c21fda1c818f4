"""Any bytes: gate and twin take the same lines, answer, record and count alike; a parser agrees.

What native code takes as a plain submit is what the general parser reads there.
"""

from fuzz.twins import NOW_US, SPECIFICATION, Pair
from kench.stratum import messages

EXECUTIONS = 120
LENGTH_MAX = 1400


def check(data: bytes) -> None:
    """Hold the bytes to the invariant."""
    pair = Pair()
    if data and data[0] & 1:
        pair.both(pair.gates, "set_mask", 0x1FFFE000, bool(data[0] & 2))
    start = 1
    while start <= len(data):
        result = pair.both(pair.gates, "plain", data, start, NOW_US)
        end = result[0]
        for line in data[start:end].split(b"\n")[:-1]:
            _agree(line)
        # As a session does: the line that is not plain goes another way.
        start = data.find(b"\n", end) + 1
        if not start:
            break
    pair.end()


def _agree(line: bytes) -> None:
    plain, request = SPECIFICATION.parse_plain(line), messages.parse_line(line.strip())
    assert plain is not None
    assert request is not None
    assert request.method == "mining.submit"
    assert type(request.id) is int
    assert b"%d" % request.id == plain.id_token
    assert [word.encode() for word in request.params] == plain.params
