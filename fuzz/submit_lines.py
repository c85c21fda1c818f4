"""`mining.submit` lines from a small world: shares repeat, and are wrong in every single way."""

from fuzz.source import Source

NAMES = (b"17.rig", b"17.rig", b"17.rig", b"17.two", b"18.one", b"unknown", b"x" * 300, b"")
SPACE = (b"", b"", b"", b" ", b"\t", b"\r", b"  ")
EXTRANONCE2S = (b"0" * 16, b"A" * 16, b"a" * 16, b"0" * 8, b"0" * 15 + b"g", b"")
NTIME_STEPS_S = (0, 0, 0, 1, -600, -601, 7000, 7001, 7200, 7201)
NONCES = (b"0", b"1", b"00000001", b"FFFFFFFF", b"2d52", b"0x1", b"", b"000000000")
BITS = (None, None, b"0", b"2000", b"00c00000", b"20002000", b"80000000", b"zz", b"")
IDS = (b"4", b"0", b"1", b"999999999999999999", b"04", b"1" * 19, b'"a"', b"-1", b"1.0", b"null")


def share(source: Source, newest_key: int, now_s: int) -> list[bytes]:
    """Make the five or six parameters of a submit."""
    params = [
        source.pick(NAMES),
        b"%x" % max(newest_key - source.below(6), 0),
        source.pick(EXTRANONCE2S) if source.below(2) else b"%016x" % source.byte(),
        b"%x" % (now_s + source.pick(NTIME_STEPS_S)),
        source.pick(NONCES) if source.below(2) else b"%08x" % source.byte(),
    ]
    bits = source.pick(BITS)
    if bits is not None:
        params.append(bits)
    if source.once_in(12):
        params[source.below(len(params))] = source.raw(source.below(20))
    return params


def line(source: Source, params: list[bytes]) -> bytes:
    """Write a submit: plain for the most part, in any order, with any white space."""
    words = b",".join(_spaced(source, b'"' + word + b'"') for word in params)
    members = [
        b'"id"%b:%b' % (source.pick(SPACE), _spaced(source, source.pick(IDS))),
        b'"method":"mining.submit"',
        b'"params"%b:%b[%b]' % (source.pick(SPACE), source.pick(SPACE), words),
    ]
    turn = source.below(6)
    members = members[turn % 3 :] + members[: turn % 3]
    if turn >= 3:
        members.reverse()
    if source.once_in(12):
        members[source.below(3)] = source.pick((b'"jsonrpc":"2.0"', b'"id":4', b'"params":[]'))
    body = b",".join(_spaced(source, member) for member in members)
    raw = bytearray(_spaced(source, b"{" + body + b"}") + source.pick((b"\n", b"\n", b"\r\n", b"")))
    if source.once_in(8):
        raw[source.number(2) % len(raw) if raw else 0] = source.byte()
    return bytes(raw)


def _spaced(source: Source, word: bytes) -> bytes:
    """Put white space around a word, now and then."""
    if source.below(4):
        return word
    return source.pick(SPACE) + word + source.pick(SPACE)
