"""Whatever well-formed requests a miner sends, each with an id is answered once, in order, alike.

Inputs are choices: requests of every method with params of every shape, and shares for the job.
"""

import json

from fuzz import json_lines
from fuzz.conversation import answered, begin, play
from fuzz.source import Source
from fuzz.targets.session import pieces
from tests.support.sessions import Miner

EXECUTIONS = 10
LENGTH_MAX = 1024
REQUESTS_MAX = 80


def check(data: bytes) -> None:
    """Hold the conversation to the invariant."""
    source = Source(data)
    logged_in, sizes = bool(source.below(2)), [1 + source.byte() for _ in range(3)]
    whole, cut = begin(logged_in=logged_in), begin(logged_in=logged_in)
    lines, ids = [], []
    while source.more and len(lines) < REQUESTS_MAX:
        message = json_lines.request(source)
        if message["method"] == "mining.submit" and source.below(2):
            message["params"] = _share(source, whole)
        raw = json_lines.encode(source, message)
        lines.append(raw)
        read = json.loads(raw)["id"]
        if read is not None and message["method"] != "pong":
            ids.append((type(read), read))
    stream = b"".join(lines)
    play(whole, [stream])
    play(cut, pieces(stream, sizes), lazily=bool(source.below(2)))
    assert cut.raw == whole.raw
    got = answered(whole)
    if whole.session.closing is None:
        assert got == ids
    else:
        assert got == ids[: len(got)]
        assert max(map(len, lines)) > whole.session.limits.max_line_bytes


def _share(source: Source, miner: Miner) -> list[str]:
    """Make a share for the pool's job: good, but for what the choices spoil."""
    job = miner.pool.job
    ntime = f"{job.archived.ntime:08x}"
    params = ["1.w1", f"{job.key:x}", f"{source.byte():016x}", ntime, f"{source.byte():08x}"]
    if source.once_in(4):
        params.append(source.pick(("00000000", "00c00000", "1fffe000", "ffffffff")))
    if source.once_in(4):
        params[source.below(len(params))] = source.text(18)
    return params
