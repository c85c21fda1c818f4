"""Writes the first inputs of each target from real clients' handshakes and templates.

python -m fuzz.seeds
"""

import json
from collections.abc import Iterator

from fuzz.conversation import begin
from fuzz.json_lines import TOKEN
from fuzz.places import CORPUS, ROOT
from kench.stratum.claims import HELD
from kench.stratum.feed import Kind, frame, frame_of, job_frame
from kench.stratum.statistics.sessions import SessionFacts, encode

# A session that begins anew and one that is logged in, each cut into pieces of three sizes.
_NEW, _LOGGED_IN = bytes((0, 40, 3, 90)), bytes((1, 7, 200, 30))
_VECTORS = ROOT / "tests" / "vectors"
_JOB = begin(logged_in=False).pool.job
_SHARE = {
    "<user>": "1.w1",
    "<token>": TOKEN,
    "<sid>": "5e550001",
    "<job>": f"{_JOB.key:x}",
    "<xn2>": "0000000000000001",
    "<ntime>": f"{_JOB.archived.ntime:08x}",
    "<nonce>": "00002d52",
    "<bits>": "00c00000",
    "<short nonce>": "2d52",
}
_FOREIGN = (
    b"GET / HTTP/1.1\r\nHost: pool\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"SSH-2.0-Go\r\n",
    bytes(range(7, 71)),
)
_MESSAGES = (
    b'{"id":1e400}',
    b'{"id":NaN,"method":"a"}',
    b"[" * 40 + b"]" * 40,
    b'{"id":"\\ud800","method":"mining.ping","params":null}',
    b'{"id":%d,"method":"x"}' % 10**60,
    b'{"id":-0.0,"method":5}',
    b'{"result":true,"id":7,"error":null}',
    b'"text"',
    b"\xff\xfe",
)
_SUBMIT = (
    b'{"params":["17.rig","1","0000000000000001","66aabbcc","%b"%b],"id":%b,'
    b'"method":"mining.submit"}'
)


def main() -> None:
    """Write the files; a file is named after what is in it."""
    for target, inputs in (
        ("session", _sessions()),
        ("message", _messages()),
        ("plain", _plain()),
        ("login", _logins()),
        ("proxy", _proxies()),
        ("answer", _answers()),
        ("feed", _feeds()),
    ):
        folder = CORPUS / target
        folder.mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(inputs):
            (folder / f"seed-{number:02d}").write_bytes(data)


def _handshakes() -> list[list[str]]:
    """Return each client's lines, as they would be on the wire of the fuzzed pool."""
    lines_of = [one["lines"] for one in json.loads((_VECTORS / "handshakes.json").read_text())]
    for lines in lines_of:
        for place, line in enumerate(lines):
            for word, text in _SHARE.items():
                lines[place] = lines[place].replace(word, text)
            assert "<" not in lines[place], line
    return lines_of


def _sessions() -> Iterator[bytes]:
    for lines in _handshakes()[::3]:
        yield _NEW + "\n".join([*lines, ""]).encode()
    yield _LOGGED_IN + "\r\n".join([*_handshakes()[0], ""]).encode()
    for foreign in _FOREIGN:
        yield _NEW + foreign


def _messages() -> Iterator[bytes]:
    yield from _MESSAGES
    for lines in _handshakes()[::5]:
        yield lines[-1].encode()


def _plain() -> Iterator[bytes]:
    first = _SUBMIT % (b"00002d52", b"", b"4")
    rolled = _SUBMIT % (b"00002d53", b',"00c00000"', b"999999999999999999")
    yield b"\0" + first + b"\n" + first + b"\r\n" + rolled + b"\n"
    yield b"\1" + rolled.replace(b",", b" , ") + b"\n{}\n" + first + b"\n"
    yield b"\3" + rolled + b"\n" + _SUBMIT % (b"0x1", b"", b'"4"') + b"\n"


def _logins() -> Iterator[bytes]:
    for text in (
        f"{TOKEN}, d=1024 ,md=5e3",
        "1.w1",
        "4294967296.γ-rig",
        "d=1e400,diff=nan,x",
        "0.1",
    ):
        yield b"\0" + text.encode()


def _proxies() -> Iterator[bytes]:
    signature = b"\r\n\r\n\0\r\nQUIT\n"
    ports = b"\x30\x39\x0d\x05"
    addition = b"\x04\0\x01x"
    yield b"PROXY TCP4 203.0.113.7 10.0.0.1 40000 3333\r\n" + b'{"id":1}\n'
    yield b"PROXY TCP6 2001:db8::7 ::ffff:10.0.0.1 40000 3333\r\n"
    yield b"PROXY UNKNOWN\r\n"
    yield signature + b"\x21\x11\0\x10" + bytes((203, 0, 113, 7, 10, 0, 0, 1)) + ports + addition
    yield signature + b"\x21\x21\0\x24" + bytes(range(32)) + ports
    yield signature + b"\x20\0\0\0"


def _answers() -> Iterator[bytes]:
    template = json.loads((_VECTORS / "getblocktemplate-testnet4-empty.json").read_bytes())
    entry = {"data": "00", "txid": "11" * 32, "depends": [], "fee": 1}
    template["transactions"] = [entry, entry, {"a": "}, {"}]
    yield json.dumps({"result": template, "error": None, "id": 1}).encode()
    yield b'{"id":1,"result":{"transactions":[ {} , {"x":[{},{}]} ],"coinbasevalue":1.5}}'
    yield b'{"result":{"transactions":["kench: transactions"]}}'
    yield b'{"result":{"transactions":[{}'
    yield b"[1e100,1e101,1e9999999999999999999]"


def _feeds() -> Iterator[bytes]:
    job = job_frame(_JOB, for_all=True)
    hello = frame_of(Kind.HELLO, {"version": 1, "number": 7, "pid": 99})
    yield b"\0" + hello + frame(Kind.RETARGET) + frame_of(Kind.STATE, {"sessions": 1})
    yield b"\1" + frame_of(Kind.PROPOSAL, {"reason": None}) + job
    yield b"\3" + frame_of(Kind.NO_JOB, {"why": "no node"}) + b"\xff\xff\xff\x7f"
    held = HELD.pack(bytes(8), b"\1\0\0\0", 64.0)
    yield b"\0" + frame(Kind.HELD, held) + frame(Kind.GONE, b"\1\0\0\0") + frame(Kind.HELD_ALL)
    claim = frame_of(Kind.CLAIM, {"ask": 1, "session": "00" * 8})
    yielded = frame_of(Kind.YIELDED, {"ask": 1, "value": "01000000", "difficulty": 64.0})
    yield b"\2" + frame(Kind.HELD, held) + claim + claim + yielded
    facts = SessionFacts(7, 1_700_000_000_000_000, 1024.0, "fuzz/γ", ((1, 11), (1, 12)))
    yield b"\xff" + encode([facts, facts._replace(session=8, owners=())])


if __name__ == "__main__":
    main()
