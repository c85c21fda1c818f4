"""The compiled code equals the twin: on every input, and through every sequence of operations."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from .builders import ANY_HASH, NAME, NO_HASH, NOW_S, NOW_US, a_job, outcome
from .conftest import implementation

Twins = tuple[SimpleNamespace, SimpleNamespace]
NOT_BYTES = st.sampled_from([None, "text", 5, bytearray(32), memoryview(bytes(32))])
ANY_BYTES = st.binary(max_size=200) | NOT_BYTES
SIZED = st.sampled_from([0, 4, 8, 31, 32, 33, 64, 76, 96]).flatmap(
    lambda size: st.binary(min_size=size, max_size=size)
)
ANY_INT = (
    st.integers(-2, 9)
    | st.sampled_from([2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 10**5000])
    | st.sampled_from([None, "5", 1.0, True])
)


def agree(twins: Twins, name: str, *args: object) -> None:
    expected = outcome(getattr(twins[0], name), *args)
    assert outcome(getattr(twins[1], name), *args) == expected


@given(ANY_BYTES)
def test_double_hashes_agree(twins: Twins, data: object) -> None:
    agree(twins, "sha256d", data)
    agree(twins, "sha256d_portable", data)


@given(st.integers(0, 300))
def test_double_hashes_agree_at_every_length(twins: Twins, size: int) -> None:
    agree(twins, "sha256d", bytes(range(256)) * 2 + bytes(size))
    agree(twins, "sha256d_portable", bytes(size))


@given(SIZED | NOT_BYTES, SIZED | NOT_BYTES)
def test_merkle_roots_agree(twins: Twins, leaf: object, branches: object) -> None:
    agree(twins, "merkle_root", leaf, branches)


@given(st.integers(0, 70), SIZED | NOT_BYTES)
def test_merkle_branches_agree(twins: Twins, count: int, odd: object) -> None:
    txids = b"".join(bytes([place]) * 32 for place in range(count))
    for name in ("merkle_branches", "merkle_branches_portable"):
        agree(twins, name, txids)
        agree(twins, name, odd)


@given(ANY_BYTES, ANY_INT)
def test_checksums_agree(twins: Twins, data: object, value: object) -> None:
    agree(twins, "crc32", data, value)
    agree(twins, "crc32", data)


@given(SIZED | NOT_BYTES, SIZED | NOT_BYTES, ANY_INT, st.integers(0, 40) | NOT_BYTES)
def test_scans_agree_on_what_they_refuse(
    twins: Twins, header76: object, target: object, start: object, count: object
) -> None:
    agree(twins, "scan_nonces", header76, target, start, count)


@given(
    st.binary(min_size=76, max_size=76),
    st.integers(245, 256),
    st.sampled_from([0, 1, 77, 2**32 - 40]),
    st.integers(0, 40),
)
def test_scans_agree_on_the_nonce_found(
    twins: Twins, header76: bytes, bits: int, start: int, count: int
) -> None:
    target_le = (2**bits - 1).to_bytes(32, "little")
    agree(twins, "scan_nonces", header76, target_le, start, count)
    agree(twins, "scan_nonces_portable", header76, target_le, start, count)


@given(ANY_BYTES, ANY_INT)
def test_replies_agree(twins: Twins, token: object, verdict: object) -> None:
    agree(twins, "reply", token, verdict)


def refusal_of(*call: object) -> object:
    """What a constructor raised; None where it made something."""
    result = outcome(*call)  # type: ignore[arg-type]  # the first is the constructor
    return result if isinstance(result, tuple) else None


JOB_FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "job_key": ANY_INT,
        "coinb1": ANY_BYTES,
        "coinb2": ANY_BYTES,
        "branches": SIZED | NOT_BYTES | st.just(bytes(32 * 33)),
        "prevhash_le": SIZED | NOT_BYTES,
        "version": ANY_INT,
        "nbits": ANY_INT,
        "ntime": ANY_INT,
        "mintime": ANY_INT,
        "block_target_le": SIZED | NOT_BYTES,
        "extranonce2_size": ANY_INT,
    },
)


@given(JOB_FIELDS, SIZED | NOT_BYTES, ANY_INT, ANY_INT, ANY_INT)
def test_jobs_agree(  # noqa: PLR0917 - what was drawn
    twins: Twins, fields: dict[str, object], extranonce2: object, a: object, b: object, c: object
) -> None:
    made = [outcome(a_job, native, **fields) for native in twins]
    if isinstance(made[0], tuple):
        assert made[1] == made[0]
    else:
        first, second = made
        args = (b"\x01\x02\x03\x04", extranonce2, a, b, c)
        assert outcome(second.header, *args) == outcome(first.header, *args)  # type: ignore[attr-defined]  # both are a Job here


@given(st.integers(0, 200), st.integers(0, 200), st.integers(0, 12), st.integers(1, 8))
def test_headers_agree_at_every_length_of_coinbase(
    twins: Twins, head: int, tail: int, branches: int, size: int
) -> None:
    fields: dict[str, object] = {
        "coinb1": bytes(range(256))[:head],
        "coinb2": bytes(range(255, -1, -1))[:tail],
        "branches": bytes(range(32)) * branches,
        "extranonce2_size": size,
    }
    headers = [
        a_job(native, **fields).header(b"\x09\x08\x07\x06", bytes(range(size)), 1, 2, 3)
        for native in twins
    ]
    assert headers[1] == headers[0]


@pytest.mark.parametrize(
    ("kind", "args"),
    [
        ("RecordBuffer", (0, 0)),
        ("RecordBuffer", (1, -1)),
        ("RecordBuffer", ("1", 1)),
        ("RecordBuffer", (1, 2**63)),
        ("JobTable", (0,)),
        ("JobTable", (5000,)),
        ("JobTable", (1, 0)),
        ("JobTable", (1, 1 << 40)),
        ("Gate", (1, 2, b"")),
    ],
)
def test_constructors_refuse_alike(twins: Twins, kind: str, args: tuple[object, ...]) -> None:
    refusals = [outcome(getattr(native, kind), *args) for native in twins]
    assert isinstance(refusals[0], tuple)
    assert refusals[1] == refusals[0]


@given(ANY_BYTES, ANY_INT, ANY_INT, st.floats() | ANY_INT, SIZED | NOT_BYTES)
def test_gates_refuse_arguments_alike(  # noqa: PLR0917 - what was drawn
    twins: Twins, data: object, a: object, b: object, difficulty: object, target: object
) -> None:
    results = []
    for native in twins:
        table, records = native.JobTable(4), native.RecordBuffer(4, 0)
        gate = native.Gate(table, records, b"abcd")
        results.append(
            [
                refusal_of(native.Gate, table, 5, b"abcd"),
                refusal_of(native.Gate, table, records, data),
                refusal_of(native.Gate, table, records, b"abcd", a),
                outcome(gate.allow, data, a, b),
                outcome(gate.forget, data),
                outcome(gate.set_mask, a, b),
                outcome(gate.set_difficulty, difficulty, target, a),
                outcome(gate.submit, data, b"1", b"", b"", b"", None, NOW_US),
                outcome(gate.submit, b"n", data, b"", b"", b"", data, NOW_US),
                outcome(gate.submit, b"n", b"1", b"", b"", b"", b"", a),
                outcome(gate.plain, data, a, b),
                outcome(table.add, data),
                outcome(table.new_tip, a),
                outcome(table.refuse, a, b, difficulty),
                outcome(table.take_tally),
            ]
        )
    assert results[1] == results[0]


TARGETS = st.sampled_from(
    [NO_HASH, (2**254).to_bytes(32, "little"), (2**255).to_bytes(32, "little"), ANY_HASH]
)
NAMES = st.sampled_from([NAME, b"17.two", b"18.one", b"x" * 300, b"unknown"])
WORDS = st.text("0123456789abcdefABCDEF xg+_", max_size=18).map(str.encode)
SPACE = st.sampled_from([b"", b"", b" ", b"\t", b"  ", b"\r"])


@st.composite
def plain_like_lines(draw: st.DrawFn, params: list[bytes]) -> bytes:
    """Submit lines, plain ones for the most part, with any order and white space."""
    space = lambda: draw(SPACE)  # noqa: E731 - a name for one draw
    words = b",".join(space() + b'"' + word + b'"' + space() for word in params)
    token = draw(st.sampled_from([b"0", b"4", b"999999999999999999", b"04", b"1" * 19, b'"a"']))
    members = [
        b'"id"' + space() + b":" + space() + token,
        b'"method"' + space() + b":" + space() + b'"mining.submit"',
        b'"params"' + space() + b":" + space() + b"[" + words + b"]",
    ]
    if draw(st.integers(0, 9)) == 0:
        members[0] = draw(st.sampled_from([b'"jsonrpc":"2.0"', members[1], b'"id":4,"id":4']))
    order = draw(st.permutations(members))
    body = b",".join(space() + member + space() for member in order)
    return space() + b"{" + body + b"}" + space() + draw(st.sampled_from([b"\n", b"\r\n"]))


class TwinMachine(RuleBasedStateMachine):
    """Both implementations are told the same and must answer, record and remember the same."""

    def __init__(self) -> None:
        super().__init__()
        self.now_us = NOW_US
        self.last_key = 0
        self.natives = (implementation("python"), implementation("cython"))
        self.tables = [native.JobTable(4, 5) for native in self.natives]
        self.records = [native.RecordBuffer(8, 40) for native in self.natives]
        self.gates = [
            native.Gate(table, records, b"\xaa\xbb\xcc\xdd", 3)
            for native, table, records in zip(self.natives, self.tables, self.records, strict=True)
        ]

        # Most runs begin with a miner at work; `forget` and `set_difficulty` undo that.
        self.both(self.gates, "allow", NAME, 17, 5)
        self.both(self.gates, "set_difficulty", 1.0, ANY_HASH, 1)
        self.add(1, {})

    def both(self, parts: list[Any], method: str, *args: object) -> None:
        expected, got = (outcome(getattr(part, method), *args) for part in parts)
        assert got == expected

    def add(self, key: int, fields: dict[str, object]) -> None:
        results = [
            outcome(lambda native, table: table.add(a_job(native, key, **fields)), *pair)
            for pair in zip(self.natives, self.tables, strict=True)
        ]
        assert results[1] == results[0]
        if results[0] is None:
            self.last_key = key

    @rule(
        step=st.integers(0, 3),
        fields=st.fixed_dictionaries(
            {
                "block_target_le": TARGETS,
                "version": st.sampled_from([0x20000000, 0x20002000]),
                "ntime": st.sampled_from([NOW_S - 8000, NOW_S, NOW_S + 7100]),
                "branches": st.integers(0, 3).map(lambda count: bytes(32 * count)),
                "extranonce2_size": st.sampled_from([4, 8, 8, 8]),
            }
        ),
    )
    def add_job(self, step: int, fields: dict[str, object]) -> None:
        self.add(self.last_key + step, fields)

    @rule(grace_s=st.sampled_from([0, 0, 3]))
    def new_tip(self, grace_s: int) -> None:
        self.both(self.tables, "new_tip", self.now_us + grace_s * 1_000_000)

    @rule(seconds=st.integers(0, 4))
    def time_passes(self, seconds: int) -> None:
        self.now_us += seconds * 1_000_000 + 1

    @rule(behind=st.integers(0, 3), hash_le=st.sampled_from([bytes(32), b"\x01" * 32, b"short"]))
    def remember(self, behind: int, hash_le: bytes) -> None:
        self.both(self.tables, "remember", max(self.last_key - behind, 0), hash_le)

    @rule(ahead_us=st.integers(-2, 2))
    def advance(self, ahead_us: int) -> None:
        self.both(self.records, "advance", self.now_us + ahead_us)

    @rule(name=NAMES, worker=st.integers(0, 3))
    def allow(self, name: bytes, worker: int) -> None:
        self.both(self.gates, "allow", name, 17, worker)

    @precondition(lambda self: self.gates[0].accepted > 8)
    @rule(name=NAMES)
    def forget(self, name: bytes) -> None:
        self.both(self.gates, "forget", name)

    @rule(mask=st.sampled_from([0, 0x1FFFE000, 0x6000]), full=st.booleans())
    def set_mask(self, mask: int, full: bool) -> None:
        self.both(self.gates, "set_mask", mask, full)

    @rule(difficulty=st.sampled_from([1.0, 0.5, 8]), target_le=TARGETS, ahead=st.integers(-1, 2))
    def set_difficulty(self, difficulty: float, target_le: bytes, ahead: int) -> None:
        from_key = max(self.last_key + ahead, 0)
        self.both(self.gates, "set_difficulty", difficulty, target_le, from_key)

    def a_share(self, data: st.DataObject) -> list[bytes]:
        """Parameters from a small world, so that shares repeat and are sometimes wrong."""
        key = max(self.last_key - data.draw(st.integers(0, 5)), 0)
        ntime = NOW_S + data.draw(st.sampled_from([0, 0, 0, -601, 7000, 7001, 7201]))
        params = [
            data.draw(NAMES),
            b"%x" % key,
            data.draw(st.sampled_from([b"0" * 16, b"A" * 16, b"a" * 16, b"0" * 8])),
            b"%x" % ntime,
            data.draw(st.sampled_from([b"0", b"1", b"00000001", b"FFFFFFFF"])),
        ]
        bits = data.draw(st.sampled_from([None, b"0", b"2000", b"20002000", b"80000000"]))
        params += [bits] if bits is not None else []
        if data.draw(st.integers(0, 5)) == 0:
            params[data.draw(st.integers(0, len(params) - 1))] = data.draw(WORDS)
        return params

    @rule(nonces=st.lists(st.integers(0, 99), max_size=8), back=st.sampled_from([0, 0, 0, 1, 2]))
    def submit_well(self, nonces: list[int], back: int) -> None:
        for nonce in nonces:
            key = b"%x" % max(self.last_key - back, 1)
            share = (NAME, key, b"0" * 16, b"%x" % NOW_S, b"%x" % nonce, None, self.now_us)
            self.both(self.gates, "submit", *share)

    @rule(data=st.data())
    def submit(self, data: st.DataObject) -> None:
        params = self.a_share(data)
        bits = params[5] if len(params) == 6 else None
        self.both(self.gates, "submit", *params[:5], bits, self.now_us)

    @rule(data=st.data(), offset=st.integers(0, 2))
    def plain(self, data: st.DataObject, offset: int) -> None:
        lines = b"".join(
            data.draw(plain_like_lines(self.a_share(data)))
            for _ in range(data.draw(st.integers(1, 4)))
        )
        self.both(self.gates, "plain", b" " * offset + lines, offset, self.now_us)

    @rule(data=st.data())
    def plain_with_a_byte_changed(self, data: st.DataObject) -> None:
        line = bytearray(data.draw(plain_like_lines(self.a_share(data))))
        line[data.draw(st.integers(0, len(line) - 1))] = data.draw(st.integers(0, 255))
        self.both(self.gates, "plain", bytes(line), 0, self.now_us)

    @precondition(lambda self: self.records[0].full)
    @rule()
    def take_records(self) -> None:
        self.both(self.records, "take")

    @rule()
    def take_candidates(self) -> None:
        self.both(self.tables, "take_candidates")

    @rule(agent=st.sampled_from([0, 1, 2**16 - 1, 2**16, -1]))
    def set_agent(self, agent: int) -> None:
        self.both(self.gates, "set_agent", agent)

    @rule()
    def take_tally(self) -> None:
        self.both(self.tables, "take_tally")

    @invariant()
    def both_look_the_same(self) -> None:
        looks = [
            (
                *(gate.owners(), gate.names, gate.accepted, gate.refused),
                *(gate.wrong, gate.late),
                *(len(records), records.next_sequence, records.full, len(table)),
                *(table.candidates, table.tally),
            )
            for gate, records, table in zip(self.gates, self.records, self.tables, strict=True)
        ]
        assert looks[1] == looks[0]

    def teardown(self) -> None:
        self.both(self.records, "take")


TestTwinMachine = TwinMachine.TestCase
TestTwinMachine.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
