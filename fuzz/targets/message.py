"""Any line is a request, an answer of a miner, or BadMessageError; an id comes back as it came."""

import json

from kench.native import Verdict
from kench.stratum import messages

EXECUTIONS = 300
LENGTH_MAX = 1024


def check(data: bytes) -> None:
    """Hold the line to the invariant."""
    try:
        request = messages.parse_line(data)
    except messages.BadMessageError:
        return
    if request is None:
        return
    assert isinstance(request.method, str)
    for reply in (
        messages.answer(request.id, result=True),
        messages.refusal(request.id, Verdict.STALE),
    ):
        assert reply.endswith(b"\n")
        assert reply.count(b"\n") == 1
        echoed = json.loads(reply)["id"]
        assert type(echoed) is type(request.id)
        assert echoed == request.id
