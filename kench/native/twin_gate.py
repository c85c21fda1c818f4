"""The twin's gate: the share side of one connection, from mining.submit to verdict and record.

The decision is made in this order, and the first that applies is the answer (A8):

    1  UNAUTHORISED          no name at all is allowed on this connection (nothing is hashed)
    2  JOB_NOT_FOUND         job id not the canonical ``%x`` of a known job; no difficulty set yet
    3  INVALID_EXTRANONCE2   not exactly 2 * extranonce2_size hex digits (A8.3)
    4  INVALID_HEX           ntime, nonce or version bits not 1 to 8 hex digits (A8.4)
    5  INVALID_VERSION_MASK  a version bit outside the mask (A8.6); absent bits count as 0
       -- the header is hashed here and compared with the block target (A8.13) --
    6  UNAUTHORISED          this name was not allowed
    7  STALE                 the job is of the previous tip and its grace is over, or older (A8.9)
    8  NTIME_OUT_OF_RANGE    outside mintime .. max(job's, now) + 7000 s or above now + 7200 (A8.10)
    9  LOW_DIFFICULTY        hash above the target in force when the job was sent (A6.5, A8.11)
    10 DUPLICATE             the hash was recorded before, under this tip or the previous (A8.5)
    11 OVERLOADED            no room for a record, or in the set of hashes seen
    12 ACCEPTED

A hash that meets the block target is a candidate: whatever the answer, it is listed in the job
table and recorded (as UNCREDITED when refused), once for a hash and a few times for a tip
(CANDIDATES_PER_TIP_MAX).

A line is plain, and `Gate.plain` handles it without the general JSON parser, when it is

    line    = ws "{" ws member ws "," ws member ws "," ws member ws "}" ws "\\n"
    member  = '"id"' ws ":" ws id | '"method"' ws ":" ws '"mining.submit"'
            | '"params"' ws ":" ws "[" ws string 4*5(ws "," ws string) ws "]"
    id      = "0" | a digit 1 to 9 and up to 17 digits
    string  = '"' any of 0x20 to 0x7E but '"' and "\\" '"'
    ws      = any number of space, tab, carriage return

with each member once, in any order, and at most LINE_BYTES_MAX bytes before the line feed.
"""

import math
import re
from typing import NamedTuple

from kench.native.checks import I63_MAX, U32_MAX, U64_MAX, check_bytes, check_int, check_kind
from kench.native.twin import sha256d
from kench.native.twin_table import (
    AGENT_MAX,
    FLAG_BLOCK,
    FLAG_UNCREDITED,
    Job,
    JobTable,
    RecordBuffer,
    TableEntry,
)
from kench.native.verdicts import Verdict

LINE_BYTES_MAX = 1024
NAME_BYTES_MAX = 512
NAMES_MAX = 1 << 16
HISTORY_MAX = 16  # difficulty changes remembered; jobs older than these take the oldest one
NTIME_AHEAD_S = 7000  # past max(job's, now): chips roll ntime (A8.10)
NTIME_FUTURE_S = 7200  # past now: consensus refuses a block beyond

_HEX = re.compile(rb"[0-9A-Fa-f]*")
_HEX_U32 = re.compile(rb"[0-9A-Fa-f]{1,8}")

_WS = rb"[ \t\r]*"
_STRING = rb'"[ !#-\[\]-~]*"'
_COMMA = _WS + rb"," + _WS
_MEMBER = re.compile(
    _WS
    + rb'(?:"id"' + _WS + rb":" + _WS + rb"(?P<id>0|[1-9][0-9]{0,17})"
    + rb'|"method"' + _WS + rb":" + _WS + rb'"(?P<method>mining\.submit)"'
    + rb'|"params"' + _WS + rb":" + _WS + rb"\[" + _WS
    + rb"(?P<params>" + _STRING + rb"(?:" + _COMMA + _STRING + rb"){4,5})" + _WS + rb"\]"
    + rb")" + _WS
)  # fmt: skip
_OPENING = re.compile(_WS + rb"\{")


class _Owner(NamedTuple):
    participant: int
    worker: int


class _Difficulty(NamedTuple):
    from_key: int
    difficulty: float
    target: int


class _Solution(NamedTuple):
    """A share in numbers, with the header it stands for and that header's hash."""

    extranonce2: bytes
    ntime: int
    nonce: int
    version: int
    header: bytes
    hash_le: bytes


class _PlainSubmit(NamedTuple):
    id_token: bytes
    params: list[bytes]


_UNKNOWN = _Owner(0, 0)
_LATE = {Verdict.STALE, Verdict.JOB_NOT_FOUND, Verdict.DUPLICATE}


def reply(id_token: bytes, verdict: int) -> bytes:
    """Return the answer line to a submit, its id exactly as the miner wrote it (A1.7, A8.2)."""
    check_bytes("id_token", id_token)
    check_int("verdict", verdict, max(Verdict))
    outcome = Verdict(verdict)
    if outcome is Verdict.ACCEPTED:
        return b'{"id":%b,"result":true,"error":null}\n' % id_token
    return b'{"id":%b,"result":null,"error":[%d,"%b",null]}\n' % (
        id_token,
        outcome.code,
        outcome.text.encode(),
    )


def parse_plain(line: bytes) -> _PlainSubmit | None:
    """Return the parts of a plain submit (its line feed removed), or None if it is not plain."""
    opening = _OPENING.match(line)
    if not opening:
        return None
    position = opening.end()
    members: dict[str, bytes] = {}
    for separator in (b",", b",", b"}"):
        member = _MEMBER.match(line, position)
        if not member or not line.startswith(separator, member.end()):
            return None
        members.update((key, text) for key, text in member.groupdict().items() if text is not None)
        position = member.end() + 1
    if len(members) < 3 or line[position:].strip(b" \t\r"):
        return None
    # No string holds a quote, so what stands between quotes is every second piece.
    return _PlainSubmit(members["id"], members["params"].split(b'"')[1::2])


class Gate:
    """The share side of one connection: who may submit, at which difficulty, under which mask.

    ``accepted``, ``refused``, and its parts ``wrong`` and ``late`` run since the connection began.
    """

    def __init__(
        self, table: JobTable, records: RecordBuffer, extranonce1: bytes, names_max: int = 1024
    ) -> None:
        check_kind("table", table, JobTable)
        check_kind("records", records, RecordBuffer)
        check_bytes("extranonce1", extranonce1, 4)
        check_int("names_max", names_max, NAMES_MAX, 1)
        self._table = table
        self._records = records
        self._extranonce1 = extranonce1
        self._names_max = names_max
        self._names: dict[bytes, _Owner] = {}
        self._history: list[_Difficulty] = []
        self._mask = 0
        self._full_version = False
        self._accepted = 0
        self._refused = 0
        self._wrong = 0
        self._late = 0
        self._agent = 0
        self._uncounted = 0
        self._timely = 0
        self._tell_after = 0.0
        self._tell_at = 1

    @property
    def table(self) -> JobTable:
        """The job table that this gate asks."""
        return self._table

    @property
    def extranonce1(self) -> bytes:
        """The connection's own 4 bytes of every coinbase."""
        return self._extranonce1

    @property
    def names(self) -> int:
        """How many names may submit."""
        return len(self._names)

    @property
    def accepted(self) -> int:
        """Shares accepted on this connection."""
        return self._accepted

    @property
    def refused(self) -> int:
        """Shares refused on this connection by the gate itself."""
        return self._refused

    @property
    def wrong(self) -> int:
        """Of the refused, those that the miner made wrong: all but the late and overloaded."""
        return self._wrong

    @property
    def late(self) -> int:
        """Of the refused, those that an honest burst brings: STALE, JOB_NOT_FOUND, DUPLICATE."""
        return self._late

    def allow(self, name: bytes, participant: int, worker: int) -> bool:
        """Let ``name`` submit for a worker; False when names_max are allowed already (A3.4)."""
        _check_name(name)
        check_int("participant", participant, U32_MAX)
        check_int("worker", worker, U32_MAX)
        if name not in self._names and len(self._names) >= self._names_max:
            return False
        self._names[name] = _Owner(participant, worker)
        return True

    def forget(self, name: bytes) -> bool:
        """Take a name's leave to submit away; False when it had none."""
        _check_name(name)
        return self._names.pop(name, None) is not None

    def owners(self) -> list[tuple[int, int]]:
        """Return participant and worker of each name that may submit, in ascending order."""
        return sorted((owner.participant, owner.worker) for owner in self._names.values())

    def set_agent(self, agent: int) -> None:
        """Have refusals counted under this number of a user agent from now on."""
        check_int("agent", agent, AGENT_MAX)
        self._agent = agent

    def set_mask(self, mask: int, full_version: bool = False) -> None:
        """Set the version bits the client may roll now; 0 for none.

        With ``full_version`` (an old Antminer after mining.multi_version, A8.7) the sixth
        parameter is the whole header version and must equal the job's outside the mask.
        """
        check_int("mask", mask, U32_MAX)
        self._mask = mask
        self._full_version = bool(full_version)

    def set_difficulty(self, difficulty: float, target_le: bytes, from_key: int) -> None:
        """Put a difficulty in force for jobs from ``from_key`` on (A6.5).

        Raised: earlier jobs keep theirs. Lowered: every harder difficulty in force gives way at
        once. ``from_key`` never descends: else ValueError.
        """
        if not isinstance(difficulty, float | int):
            msg = f"difficulty must be a float, not {type(difficulty).__name__}"
            raise TypeError(msg)
        difficulty = float(difficulty)
        if not (difficulty > 0 and math.isfinite(difficulty)):
            msg = "difficulty must be positive and finite"
            raise ValueError(msg)
        check_bytes("target_le", target_le, 32)
        check_int("from_key", from_key, U64_MAX)
        if self._history and from_key < self._history[-1].from_key:
            msg = "from_key must not descend"
            raise ValueError(msg)
        target = int.from_bytes(target_le, "little")
        self._history = [
            _Difficulty(kept.from_key, difficulty, target) if kept.target < target else kept
            for kept in self._history
            if kept.from_key != from_key
        ]
        if not self._history or self._history[-1][1:] != (difficulty, target):
            self._history.append(_Difficulty(from_key, difficulty, target))
        del self._history[:-HISTORY_MAX]

    def submit(  # noqa: PLR0913, PLR0917 - the parameters of mining.submit and the time
        self,
        name: bytes,
        job_id: bytes,
        extranonce2: bytes,
        ntime: bytes,
        nonce: bytes,
        version_bits: bytes | None,
        now_us: int,
    ) -> Verdict:
        """Judge one share, all text as on the wire, and record it; see the module's order."""
        check_bytes("name", name)
        check_bytes("job_id", job_id)
        check_bytes("extranonce2", extranonce2)
        check_bytes("ntime", ntime)
        check_bytes("nonce", nonce)
        if version_bits is not None:
            check_bytes("version_bits", version_bits)
        check_int("now_us", now_us, I63_MAX)
        owner = self._names.get(name)
        verdict = self._judge(owner, job_id, (extranonce2, ntime, nonce, version_bits), now_us)
        if verdict is Verdict.ACCEPTED:
            self._accepted += 1
        else:
            self._refused += 1
            self._late += verdict in _LATE
            self._wrong += verdict not in _LATE and verdict is not Verdict.OVERLOADED
            self._table.refuse(*(owner or _UNKNOWN), verdict, self._agent)
        return verdict

    def plain(self, data: bytes, offset: int, now_us: int) -> tuple[int, bytes, int]:
        """Judge the plain submit lines standing at ``offset`` of ``data``, one after the other.

        Stops before the first line that is not plain or has no line feed yet. Returns the
        offset reached, the answer lines, and how many shares were accepted.
        """
        check_bytes("data", data)
        check_int("offset", offset, len(data))
        check_int("now_us", now_us, I63_MAX)
        replies = []
        accepted = 0
        while (end := data.find(b"\n", offset, offset + LINE_BYTES_MAX + 1)) >= 0:
            line = parse_plain(data[offset:end])
            if line is None:
                break
            name, job_id, extranonce2, ntime, nonce, *rest = line.params
            bits = rest[0] if rest else None
            verdict = self.submit(name, job_id, extranonce2, ntime, nonce, bits, now_us)
            replies.append(reply(line.id_token, verdict))
            accepted += verdict is Verdict.ACCEPTED
            offset = end + 1
        return offset, b"".join(replies), accepted

    def tell(self, after: float, most: int) -> None:
        """Have ``count`` say so once it counted this many shares later than ``after``."""
        check_int("most", most, U32_MAX, 1)
        self._tell_after, self._tell_at = after, most

    def count(self, accepted: int, now: float) -> bool:
        """Count accepted shares until they are taken; True when there are enough to be told."""
        check_int("accepted", accepted, U32_MAX)
        self._uncounted += accepted
        if now > self._tell_after:
            self._timely += accepted
        return self._timely >= self._tell_at

    def take_counted(self) -> tuple[int, int]:
        """Return the shares counted since the last call, and how many of them were timely."""
        taken = (self._uncounted, self._timely)
        self._uncounted = self._timely = 0
        return taken

    def _judge(
        self,
        owner: _Owner | None,
        job_id: bytes,
        fields: tuple[bytes, bytes, bytes, bytes | None],
        now_us: int,
    ) -> Verdict:
        if not self._names:
            return Verdict.UNAUTHORISED
        entry = self._table.find(job_id)
        if entry is None or not self._history:
            return Verdict.JOB_NOT_FOUND
        solution = self._solve(entry.job, *fields)
        if isinstance(solution, Verdict):
            return solution
        return self._record(entry, owner, solution, now_us)

    def _solve(
        self, job: Job, extranonce2: bytes, ntime: bytes, nonce: bytes, bits: bytes | None
    ) -> _Solution | Verdict:
        if len(extranonce2) != 2 * job.extranonce2_size or not _HEX.fullmatch(extranonce2):
            return Verdict.INVALID_EXTRANONCE2
        numbers = []
        for text in (ntime, nonce, bits):
            if text is not None:
                if not _HEX_U32.fullmatch(text):
                    return Verdict.INVALID_HEX
                numbers.append(int(text, 16))
        version = self._rolled_version(job, numbers[2] if bits is not None else None)
        if version is None:
            return Verdict.INVALID_VERSION_MASK
        extranonce2_bytes = bytes.fromhex(extranonce2.decode())
        header = job.header(self._extranonce1, extranonce2_bytes, numbers[0], numbers[1], version)
        return _Solution(
            extranonce2_bytes, numbers[0], numbers[1], version, header, sha256d(header)
        )

    def _rolled_version(self, job: Job, bits: int | None) -> int | None:
        if bits is None:
            return job.version
        if self._full_version:
            return bits if (bits ^ job.version) & ~self._mask == 0 else None
        if bits & ~self._mask:
            return None
        return (job.version & ~self._mask) | bits

    def _record(
        self, entry: TableEntry, owner: _Owner | None, solution: _Solution, now_us: int
    ) -> Verdict:
        job = entry.job
        in_force = self._in_force(job.job_key)
        seen = self._table.seen_hashes(entry)
        known = solution.hash_le[:16] in seen
        candidate = (
            int.from_bytes(solution.hash_le, "little") <= job.block_target
            and not known
            and self._table.takes_candidate(entry)
        )
        room = not self._records.full and self._table.has_room(seen, candidate=candidate)
        verdict = self._refusal(entry, owner, solution, in_force.target, now_us)
        if verdict is Verdict.ACCEPTED and known:
            verdict = Verdict.DUPLICATE
        elif verdict is Verdict.ACCEPTED and not room:
            verdict = Verdict.OVERLOADED
        accepted = verdict is Verdict.ACCEPTED
        participant, worker = owner or _UNKNOWN
        sequence = -1
        if room and not known and (accepted or candidate):
            seen.add(solution.hash_le[:16])
            sequence = self._records.append(
                FLAG_BLOCK * candidate | FLAG_UNCREDITED * (not accepted),
                now_us,
                job.job_key,
                participant,
                worker,
                self._extranonce1,
                solution.extranonce2,
                solution.ntime,
                solution.nonce,
                solution.version,
                in_force.difficulty,
            )
        if candidate:
            self._table.list_candidate(
                entry,
                (
                    job.job_key,
                    solution.header,
                    solution.hash_le,
                    self._extranonce1,
                    solution.extranonce2,
                    participant,
                    worker,
                    verdict,
                    sequence,
                ),
            )
        return verdict

    def _refusal(
        self,
        entry: TableEntry,
        owner: _Owner | None,
        solution: _Solution,
        target: int,
        now_us: int,
    ) -> Verdict:
        """Answer steps 6 to 9 of the order, ACCEPTED where none of them refuses."""
        if owner is None:
            return Verdict.UNAUTHORISED
        if entry.tips_ago == 2 or (entry.tips_ago == 1 and now_us >= entry.stale_from_us):
            return Verdict.STALE
        now_s = now_us // 1_000_000
        latest = min(max(entry.job.ntime, now_s) + NTIME_AHEAD_S, now_s + NTIME_FUTURE_S)
        if not entry.job.mintime <= solution.ntime <= latest:
            return Verdict.NTIME_OUT_OF_RANGE
        if int.from_bytes(solution.hash_le, "little") > target:
            return Verdict.LOW_DIFFICULTY
        return Verdict.ACCEPTED

    def _in_force(self, job_key: int) -> _Difficulty:
        """Return the last difficulty set for this key; the oldest covers all keys before it."""
        for kept in reversed(self._history):
            if kept.from_key <= job_key:
                return kept
        return self._history[0]


def _check_name(name: bytes) -> None:
    check_bytes("name", name)
    if not 1 <= len(name) <= NAME_BYTES_MAX:
        msg = f"name must be 1..{NAME_BYTES_MAX} bytes"
        raise ValueError(msg)
