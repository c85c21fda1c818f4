"""The compiled gate: the share side of one connection; twin_gate.py is its specification."""

from cpython.bytes cimport PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.math cimport isfinite
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcmp, memcpy, memmove, memset

from kench.native import twin_gate, twin_table
from kench.native.checks import I63_MAX as _I63_MAX
from kench.native.checks import U32_MAX as _U32_MAX
from kench.native.verdicts import Verdict

from kench.native._c cimport (
    KENCH_FLAG_BLOCK,
    KENCH_FLAG_UNCREDITED,
    kench_compare_le256,
    kench_hash_set,
    kench_hash_set_add,
    kench_hash_set_has,
    kench_hex_bytes,
    kench_hex_u32,
    kench_job,
    kench_job_header,
    kench_job_key,
    kench_name,
    kench_names_add,
    kench_names_clear,
    kench_names_find,
    kench_names_remove,
    kench_sha256_choose,
    kench_sha256_chosen,
    kench_sha256d,
    kench_share,
    kench_submit,
    kench_submit_line,
    kench_text,
)
from kench.native._checks cimport check_bytes, check_int, check_u64, data_of
from kench.native._table cimport JobTable, RecordBuffer, table_entry

# The bounds have one home, the twin.
cdef long long I63_MAX = _I63_MAX
cdef long long U32_MAX = _U32_MAX
cdef Py_ssize_t NAME_BYTES_MAX = twin_gate.NAME_BYTES_MAX
cdef Py_ssize_t NAMES_MAX = twin_gate.NAMES_MAX
cdef Py_ssize_t HISTORY_MAX = twin_gate.HISTORY_MAX
cdef Py_ssize_t AGENT_MAX = twin_table.AGENT_MAX
cdef size_t CANDIDATES_PER_TIP_MAX = twin_table.CANDIDATES_PER_TIP_MAX
cdef int64_t NTIME_AHEAD_S = twin_gate.NTIME_AHEAD_S
cdef int64_t NTIME_FUTURE_S = twin_gate.NTIME_FUTURE_S

cdef enum:
    ACCEPTED = 0
    UNAUTHORISED = 3
    JOB_NOT_FOUND = 4
    INVALID_EXTRANONCE2 = 5
    INVALID_HEX = 6
    INVALID_VERSION_MASK = 7
    STALE = 8
    NTIME_OUT_OF_RANGE = 9
    LOW_DIFFICULTY = 10
    DUPLICATE = 11
    OVERLOADED = 12

cdef tuple VERDICTS = tuple(Verdict)
# A reply is a beginning, the id as sent, and one of these.
cdef bytes REPLY_START = b'{"id":'
cdef tuple REPLY_ENDS = tuple(
    twin_gate.reply(b"", verdict)[len(REPLY_START):] for verdict in Verdict)

# The longest reply has 6 + 18 digits + about 65 bytes.
cdef enum:
    REPLY_SIZE_MAX = 128

kench_sha256_choose()


def reply(id_token, verdict):
    """Return the answer line to a submit, its id exactly as the miner wrote it."""
    check_bytes("id_token", id_token)
    cdef Py_ssize_t number = check_int("verdict", verdict, len(VERDICTS) - 1)
    return REPLY_START + <bytes> id_token + <bytes> REPLY_ENDS[number]


cdef inline kench_text text_of(object value) noexcept:
    return kench_text(data_of(value), <size_t> PyBytes_GET_SIZE(value))


cdef class Gate:
    """The share side of one connection: who may submit, at which difficulty, under which mask."""

    def __cinit__(self, table, records, extranonce1, names_max=1024):
        if not isinstance(table, JobTable):
            raise TypeError(f"table must be a JobTable, not {type(table).__name__}")
        if not isinstance(records, RecordBuffer):
            raise TypeError(f"records must be a RecordBuffer, not {type(records).__name__}")
        check_bytes("extranonce1", extranonce1, 4)
        self.tell_at = 1
        self.names_max = <uint32_t> check_int("names_max", names_max, NAMES_MAX, 1)
        self.table = <JobTable> table
        self.records = <RecordBuffer> records
        memcpy(self.extranonce1_bytes, data_of(extranonce1), 4)

    def __dealloc__(self):
        kench_names_clear(&self.allowed)
        free(self.history)

    @property
    def extranonce1(self):
        """The connection's own 4 bytes of every coinbase."""
        return PyBytes_FromStringAndSize(<const char *> self.extranonce1_bytes, 4)

    @property
    def names(self):
        """How many names may submit."""
        return self.allowed.count

    def allow(self, name, participant, worker):
        """Let ``name`` submit for a worker; False when names_max are allowed already (A3.4)."""
        cdef Py_ssize_t size = check_name(name)
        cdef uint32_t participant_ = <uint32_t> check_int("participant", participant, U32_MAX)
        cdef uint32_t worker_ = <uint32_t> check_int("worker", worker, U32_MAX)
        cdef kench_name *owner = kench_names_find(&self.allowed, data_of(name), size)
        if owner != NULL:
            owner.participant = participant_
            owner.worker = worker_
            return True
        if self.allowed.count >= self.names_max:
            return False
        if not kench_names_add(&self.allowed, data_of(name), size, participant_, worker_):
            raise MemoryError
        return True

    def forget(self, name):
        """Take a name's leave to submit away; False when it had none."""
        cdef Py_ssize_t size = check_name(name)
        return kench_names_remove(&self.allowed, data_of(name), size) != 0

    def owners(self):
        """Return participant and worker of each name that may submit."""
        cdef uint32_t i
        return sorted([
            (self.allowed.slots[i].participant, self.allowed.slots[i].worker)
            for i in range(self.allowed.size) if self.allowed.slots[i] != NULL])

    def set_agent(self, agent):
        """Have refusals counted under this number of a user agent from now on."""
        self.agent = <uint16_t> check_int("agent", agent, AGENT_MAX)

    def set_mask(self, mask, full_version=False):
        """Set the version bits the client may roll now; 0 for none."""
        self.mask = <uint32_t> check_int("mask", mask, U32_MAX)
        self.full_version = bool(full_version)

    def set_difficulty(self, difficulty, target_le, from_key):
        """Put a difficulty in force for jobs from ``from_key`` on (A6.5)."""
        if not isinstance(difficulty, (float, int)):
            raise TypeError(f"difficulty must be a float, not {type(difficulty).__name__}")
        cdef in_force new
        new.difficulty = float(difficulty)
        if not (new.difficulty > 0 and isfinite(new.difficulty)):
            raise ValueError("difficulty must be positive and finite")
        check_bytes("target_le", target_le, 32)
        memcpy(new.target_le, data_of(target_le), 32)
        check_u64("from_key", from_key, &new.from_key)
        if self.history_count and new.from_key < self.history[self.history_count - 1].from_key:
            raise ValueError("from_key must not descend")
        self.ease(&new)
        self.remember(&new)

    def submit(self, name, job_id, extranonce2, ntime, nonce, version_bits, now_us):
        """Judge one share, all text as on the wire, and record it."""
        cdef kench_submit submit
        check_bytes("name", name)
        check_bytes("job_id", job_id)
        check_bytes("extranonce2", extranonce2)
        check_bytes("ntime", ntime)
        check_bytes("nonce", nonce)
        submit.version_bits = kench_text(NULL, 0)
        if version_bits is not None:
            check_bytes("version_bits", version_bits)
            submit.version_bits = text_of(version_bits)
        submit.name = text_of(name)
        submit.job_id = text_of(job_id)
        submit.extranonce2 = text_of(extranonce2)
        submit.ntime = text_of(ntime)
        submit.nonce = text_of(nonce)
        return VERDICTS[self.decide(&submit, check_int("now_us", now_us, I63_MAX))]

    def plain(self, data, offset, now_us):
        """Judge the plain submit lines standing at ``offset`` of ``data``, one after the other."""
        cdef Py_ssize_t size = check_bytes("data", data)
        cdef Py_ssize_t at = check_int("offset", offset, size)
        cdef int64_t now = check_int("now_us", now_us, I63_MAX)
        cdef uint64_t before = self.accepted
        cdef gathered replies = gathered(NULL, 0, 0)
        try:
            at += self.judge_lines(data_of(data) + at, size - at, now, &replies)
            return (
                at,
                PyBytes_FromStringAndSize(<const char *> replies.data, replies.used),
                self.accepted - before)
        finally:
            free(replies.data)

    def tell(self, after, most):
        """Have ``count`` say so once it counted this many shares later than ``after``."""
        self.tell_after = after
        self.tell_at = check_int("most", most, U32_MAX, 1)

    def count(self, accepted, now):
        """Count accepted shares until they are taken; True when there are enough to be told."""
        return self.counted(check_int("accepted", accepted, U32_MAX), now)

    def take_counted(self):
        """Return the shares counted since the last call, and how many of them were timely."""
        cdef tuple taken = (self.uncounted, self.timely)
        self.uncounted = self.timely = 0
        return taken

    cdef bint counted(self, uint64_t accepted, double now) noexcept:
        self.uncounted += accepted
        if now > self.tell_after:
            self.timely += accepted
        return self.timely >= self.tell_at

    cdef Py_ssize_t judge_lines(
        self, const uint8_t *lines, Py_ssize_t size, int64_t now_us, gathered *replies
    ) except -1:
        """Judge the plain lines at the beginning, gather replies; return the bytes they take."""
        cdef kench_submit submit
        cdef Py_ssize_t at = 0
        cdef size_t consumed
        cdef uint8_t *to
        cdef bytes end
        while True:
            consumed = kench_submit_line(lines + at, size - at, &submit)
            if not consumed:
                return at
            end = REPLY_ENDS[self.decide(&submit, now_us)]
            at += consumed
            make_room(replies, REPLY_SIZE_MAX)
            to = replies.data + replies.used
            memcpy(to, data_of(REPLY_START), PyBytes_GET_SIZE(REPLY_START))
            to += PyBytes_GET_SIZE(REPLY_START)
            memcpy(to, submit.id.at, submit.id.size)
            to += submit.id.size
            memcpy(to, data_of(end), PyBytes_GET_SIZE(end))
            replies.used = to + PyBytes_GET_SIZE(end) - replies.data

    cdef int ease(self, const in_force *new) noexcept:
        """Let every harder difficulty give way, and drop one set for the same key."""
        cdef in_force *last
        cdef int i
        for i in range(self.history_count):
            if kench_compare_le256(self.history[i].target_le, new.target_le) < 0:
                self.history[i].difficulty = new.difficulty
                memcpy(self.history[i].target_le, new.target_le, 32)
        while self.history_count:
            last = &self.history[self.history_count - 1]
            if last.from_key != new.from_key:
                break
            self.history_count -= 1
        return 0

    cdef int remember(self, const in_force *new) except -1:
        """Append to the history unless the last entry says the same; the oldest may leave."""
        cdef in_force *history = self.history
        if self.history_count:
            if (
                history[self.history_count - 1].difficulty == new.difficulty
                and not memcmp(history[self.history_count - 1].target_le, new.target_le, 32)
            ):
                return 0
        if self.history_count == HISTORY_MAX:
            memmove(history, history + 1, (HISTORY_MAX - 1) * sizeof(in_force))
            self.history_count -= 1
        else:
            # Exactly as long as needed: nearly every connection has one or two entries.
            history = <in_force *> realloc(history, (self.history_count + 1) * sizeof(in_force))
            if history == NULL:
                raise MemoryError
            self.history = history
        history[self.history_count] = new[0]
        self.history_count += 1
        return 0

    cdef int decide(self, const kench_submit *submit, int64_t now_us) except -1:
        """Judge a share and count the answer."""
        cdef kench_name *owner = kench_names_find(
            &self.allowed, submit.name.at, submit.name.size)
        cdef int verdict = self.judge(owner, submit, now_us)
        if verdict == ACCEPTED:
            self.accepted += 1
            return ACCEPTED
        self.refused += 1
        if verdict == STALE or verdict == JOB_NOT_FOUND or verdict == DUPLICATE:
            self.late += 1
        elif verdict != OVERLOADED:
            self.wrong += 1
        if owner == NULL:
            self.table.count_refusal(0, 0, verdict, self.agent)
        else:
            self.table.count_refusal(owner.participant, owner.worker, verdict, self.agent)
        return verdict

    cdef int judge(
        self, const kench_name *owner, const kench_submit *submit, int64_t now_us
    ) except -1:
        cdef kench_share share
        if not self.allowed.count:
            return UNAUTHORISED
        cdef table_entry *entry = self.table.find(kench_job_key(submit.job_id))
        if entry == NULL or not self.history_count:
            return JOB_NOT_FOUND
        cdef int verdict = self.solve(entry.job, submit, &share)
        if verdict != ACCEPTED:
            return verdict
        share.participant = owner.participant if owner != NULL else 0
        share.worker = owner.worker if owner != NULL else 0
        return self.record(entry, owner != NULL, &share, now_us)

    cdef int solve(
        self, kench_job *job, const kench_submit *submit, kench_share *share
    ) noexcept:
        """Read the numbers, check the version, and hash the header: steps 3 to 5."""
        cdef uint32_t bits = 0
        memset(share.extranonce2, 0, 8)
        if not kench_hex_bytes(submit.extranonce2, share.extranonce2, job.extranonce2_size):
            return INVALID_EXTRANONCE2
        if not (
            kench_hex_u32(submit.ntime, &share.ntime)
            and kench_hex_u32(submit.nonce, &share.nonce)
            and (submit.version_bits.at == NULL or kench_hex_u32(submit.version_bits, &bits))
        ):
            return INVALID_HEX
        share.version = job.version
        if submit.version_bits.at != NULL:
            if self.full_version:
                if (bits ^ job.version) & ~self.mask:
                    return INVALID_VERSION_MASK
                share.version = bits
            else:
                if bits & ~self.mask:
                    return INVALID_VERSION_MASK
                share.version = (job.version & ~self.mask) | bits
        memcpy(share.extranonce1, self.extranonce1_bytes, 4)
        kench_job_header(
            job, share.extranonce1, share.extranonce2, share.ntime, share.nonce, share.version,
            share.header)
        kench_sha256d(kench_sha256_chosen(), share.header, 80, share.hash_le)
        return ACCEPTED

    cdef int record(
        self, table_entry *entry, bint named, kench_share *share, int64_t now_us
    ) except -1:
        """Look for a block, judge the rest (steps 6 to 12), and keep what must be kept."""
        cdef kench_job *job = entry.job
        cdef const in_force *force = self.force_for(job.key)
        cdef kench_hash_set *seen = self.table.seen_hashes(entry)
        cdef bint known = kench_hash_set_has(seen, share.hash_le)
        cdef size_t *listed = self.table.listed_for(entry)
        cdef bint candidate = (
            kench_compare_le256(share.hash_le, job.block_target_le) <= 0
            and not known
            and listed[0] < CANDIDATES_PER_TIP_MAX)
        cdef int64_t sequence = -1
        cdef uint16_t flags = 0
        cdef int verdict = refusal(entry, named, share, force, now_us)
        if verdict == ACCEPTED and known:
            verdict = DUPLICATE
        if not known and (verdict == ACCEPTED or candidate):
            if self.records.has_room() and self.table.reserve(seen, candidate):
                if candidate:
                    flags = KENCH_FLAG_BLOCK
                if verdict != ACCEPTED:
                    flags |= KENCH_FLAG_UNCREDITED
                share.difficulty = force.difficulty
                kench_hash_set_add(seen, share.hash_le)
                sequence = self.records.append(share, flags, now_us, job.key)
            elif verdict == ACCEPTED:
                verdict = OVERLOADED
            if candidate:
                listed[0] += 1
                self.list_candidate(entry, share, verdict, sequence)
        return verdict

    cdef int list_candidate(
        self, table_entry *entry, const kench_share *share, int verdict, int64_t sequence
    ) except -1:
        self.table.candidates.append((
            entry.job.key,
            PyBytes_FromStringAndSize(<const char *> share.header, 80),
            PyBytes_FromStringAndSize(<const char *> share.hash_le, 32),
            self.extranonce1,
            PyBytes_FromStringAndSize(
                <const char *> share.extranonce2, entry.job.extranonce2_size),
            share.participant,
            share.worker,
            VERDICTS[verdict],
            sequence,
        ))
        return 0

    cdef const in_force *force_for(self, uint64_t job_key) noexcept:
        """The last difficulty set for this key; the oldest covers all keys before it."""
        cdef int i = self.history_count - 1
        while i > 0 and self.history[i].from_key > job_key:
            i -= 1
        return &self.history[i]


cdef int refusal(
    const table_entry *entry, bint named, const kench_share *share, const in_force *force,
    int64_t now_us,
) noexcept:
    """Steps 6 to 9 of the order, ACCEPTED where none of them refuses."""
    cdef int64_t now_s = now_us // 1000000
    cdef int64_t latest = now_s
    if not named:
        return UNAUTHORISED
    if entry.tips_ago == 2 or (entry.tips_ago == 1 and now_us >= entry.stale_from_us):
        return STALE
    if entry.job.ntime > latest:
        latest = entry.job.ntime
    latest = min(latest + NTIME_AHEAD_S, now_s + NTIME_FUTURE_S)
    if share.ntime < entry.job.mintime or share.ntime > latest:
        return NTIME_OUT_OF_RANGE
    if kench_compare_le256(share.hash_le, force.target_le) > 0:
        return LOW_DIFFICULTY
    return ACCEPTED


cdef Py_ssize_t check_name(object name) except -1:
    cdef Py_ssize_t size = check_bytes("name", name)
    if not 1 <= size <= NAME_BYTES_MAX:
        raise ValueError(f"name must be 1..{NAME_BYTES_MAX} bytes")
    return size
