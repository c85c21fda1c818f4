"""The compiled jobs, job table and share records; twin_table.py is their specification."""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memmove

from kench.native import twin_table
from kench.native.checks import I63_MAX as _I63_MAX
from kench.native.checks import U32_MAX as _U32_MAX
from kench.native.verdicts import Verdict

from kench.native._c cimport (
    KENCH_RECORD_SIZE,
    kench_crc32_prepare,
    kench_hash_set,
    kench_hash_set_add,
    kench_hash_set_clear,
    kench_hash_set_has,
    kench_hash_set_reserve,
    kench_job_header,
    kench_job_new,
    kench_record_write,
    kench_sha256_choose,
    kench_share,
)
from kench.native._checks cimport check_bytes, check_hashes, check_int, check_u64, data_of

# The bounds have one home, the twin.
cdef long long I63_MAX = _I63_MAX
cdef long long U32_MAX = _U32_MAX
cdef Py_ssize_t COINBASE_BYTES_MAX = twin_table.COINBASE_BYTES_MAX
cdef Py_ssize_t BRANCHES_MAX = twin_table.BRANCHES_MAX
cdef Py_ssize_t JOBS_MAX = twin_table.JOBS_MAX
cdef Py_ssize_t AGENT_MAX = twin_table.AGENT_MAX
cdef Py_ssize_t RECORDS_MAX = twin_table.RECORDS_MAX
cdef Py_ssize_t DUPLICATES_MAX = twin_table.DUPLICATES_MAX
cdef size_t CANDIDATES_PER_TIP_MAX = twin_table.CANDIDATES_PER_TIP_MAX
cdef tuple VERDICTS = tuple(Verdict)

kench_sha256_choose()
kench_crc32_prepare()


cdef class Job:
    """One Stratum job, prepared once and hashed many times."""

    def __cinit__(
        self, job_key, coinb1, coinb2, branches, prevhash_le, version, nbits, ntime, mintime,
        block_target_le, extranonce2_size=8,
    ):
        cdef uint64_t key = 0
        check_u64("job_key", job_key, &key, 1)
        cdef Py_ssize_t coinb1_size = check_bytes("coinb1", coinb1)
        cdef Py_ssize_t coinb2_size = check_bytes("coinb2", coinb2)
        if coinb1_size + coinb2_size > COINBASE_BYTES_MAX:
            raise ValueError(
                f"coinb1 and coinb2 must be at most {COINBASE_BYTES_MAX} bytes together")
        cdef Py_ssize_t branch_count = check_hashes("branches", branches)
        if branch_count > BRANCHES_MAX:
            raise ValueError(f"branches must be at most {BRANCHES_MAX}")
        check_bytes("prevhash_le", prevhash_le, 32)
        cdef uint32_t version_ = <uint32_t> check_int("version", version, U32_MAX)
        cdef uint32_t nbits_ = <uint32_t> check_int("nbits", nbits, U32_MAX)
        cdef uint32_t ntime_ = <uint32_t> check_int("ntime", ntime, U32_MAX)
        cdef uint32_t mintime_ = <uint32_t> check_int("mintime", mintime, U32_MAX)
        check_bytes("block_target_le", block_target_le, 32)
        cdef size_t size = <size_t> check_int("extranonce2_size", extranonce2_size, 8, 1)
        self.job = kench_job_new(
            data_of(coinb1), coinb1_size, data_of(coinb2), coinb2_size, size,
            data_of(branches), branch_count)
        if self.job == NULL:
            raise MemoryError
        self.job.key = key
        self.job.version = version_
        self.job.nbits = nbits_
        self.job.ntime = ntime_
        self.job.mintime = mintime_
        memcpy(self.job.prevhash_le, data_of(prevhash_le), 32)
        memcpy(self.job.block_target_le, data_of(block_target_le), 32)

    def __dealloc__(self):
        free(self.job)

    @property
    def job_key(self):
        """The job's number in this process and in the journal; its id on the wire is ``%x``."""
        return self.job.key

    def header(self, extranonce1, extranonce2, ntime, nonce, version):
        """Return the 80-byte block header that a share of this job stands for."""
        cdef uint8_t header[80]
        check_bytes("extranonce1", extranonce1, 4)
        check_bytes("extranonce2", extranonce2, self.job.extranonce2_size)
        cdef uint32_t ntime_ = <uint32_t> check_int("ntime", ntime, U32_MAX)
        cdef uint32_t nonce_ = <uint32_t> check_int("nonce", nonce, U32_MAX)
        cdef uint32_t version_ = <uint32_t> check_int("version", version, U32_MAX)
        kench_job_header(
            self.job, data_of(extranonce1), data_of(extranonce2), ntime_, nonce_, version_, header)
        return PyBytes_FromStringAndSize(<const char *> header, 80)


cdef class RecordBuffer:
    """Share records on their way to the journal, at most ``capacity`` of them."""

    def __cinit__(self, capacity, next_sequence):
        self.capacity = <Py_ssize_t> check_int("capacity", capacity, RECORDS_MAX, 1)
        self.sequence = check_int("next_sequence", next_sequence, I63_MAX)
        # Pages are taken from the system when they are first written to.
        self.records = <uint8_t *> malloc(self.capacity * KENCH_RECORD_SIZE)
        if self.records == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.records)

    def __len__(self):
        return self.count

    @property
    def next_sequence(self):
        """The sequence number that the next record will get."""
        return self.sequence

    @property
    def full(self):
        """Whether no record can be appended until the journal takes what is here."""
        return not self.has_room()

    def take(self):
        """Hand out all records as one string of bytes, with their number, and forget them."""
        cdef Py_ssize_t count = self.count
        records = PyBytes_FromStringAndSize(
            <const char *> self.records, count * KENCH_RECORD_SIZE)
        self.count = 0
        return records, count

    def advance(self, now_us):
        """Return a time that every record so far is before and that none to come is before."""
        cdef int64_t now = check_int("now_us", now_us, I63_MAX)
        self.last_us = max(now, self.last_us + (self.last_us < I63_MAX))
        return self.last_us

    cdef bint has_room(self) noexcept:
        return self.count < self.capacity

    cdef int64_t append(
        self, const kench_share *share, uint16_t flags, int64_t time_us, uint64_t job_key
    ) noexcept:
        """Write one record where has_room() has just said yes; return its sequence number."""
        cdef int64_t sequence = self.sequence
        self.last_us = max(self.last_us, time_us)
        kench_record_write(
            self.records + self.count * KENCH_RECORD_SIZE, share, flags, sequence, self.last_us,
            job_key)
        self.count += 1
        self.sequence = sequence + 1
        return sequence


cdef class JobTable:
    """The jobs that shares may name, the hashes seen, the candidates found, the refusals."""

    def __cinit__(self, capacity=64, duplicates_max=1 << 22):
        self.capacity = <Py_ssize_t> check_int("capacity", capacity, JOBS_MAX, 1)
        self.duplicates_max = <size_t> check_int(
            "duplicates_max", duplicates_max, DUPLICATES_MAX, 1)
        self.candidates = []
        self.tally = {}
        self.jobs = []
        self.entries = <table_entry *> calloc(self.capacity, sizeof(table_entry))
        if self.entries == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.entries)
        kench_hash_set_clear(&self.current)
        kench_hash_set_clear(&self.previous)

    def __len__(self):
        return len(self.jobs)

    def add(self, job):
        """Add a job of the current tip; the oldest leaves when the table is full."""
        if not isinstance(job, Job):
            raise TypeError(f"job must be a Job, not {type(job).__name__}")
        cdef Job added = <Job> job
        if added.job.key <= self.last_key:
            raise ValueError("job keys must ascend")
        if len(self.jobs) == self.capacity:
            del self.jobs[0]
            memmove(
                self.entries, self.entries + 1, (self.capacity - 1) * sizeof(table_entry))
        self.entries[len(self.jobs)] = table_entry(added.job, 0, I63_MAX)
        self.jobs.append(added)
        self.last_key = added.job.key

    def new_tip(self, stale_from_us):
        """Begin a new tip: jobs present are judged normally until ``stale_from_us``, then STALE."""
        cdef int64_t stale_from = check_int("stale_from_us", stale_from_us, I63_MAX)
        cdef Py_ssize_t i
        for i in range(len(self.jobs)):
            if self.entries[i].tips_ago == 0:
                self.entries[i].stale_from_us = stale_from
            if self.entries[i].tips_ago < 2:
                self.entries[i].tips_ago += 1
        kench_hash_set_clear(&self.previous)
        cdef kench_hash_set empty = self.previous
        self.previous = self.current
        self.current = empty
        self.listed_previous = self.listed_current
        self.listed_current = 0

    def remember(self, job_key, hash_le):
        """Take the hash of a share as seen that was recorded on a job before this table was made."""
        cdef uint64_t key = 0
        check_u64("job_key", job_key, &key, 0)
        check_bytes("hash_le", hash_le, 32)
        cdef const table_entry *entry = self.find(key)
        if entry == NULL:
            raise ValueError("there is no such job")
        cdef kench_hash_set *seen = self.seen_hashes(entry)
        if not kench_hash_set_has(seen, data_of(hash_le)):
            if not self.reserve(seen, False):
                return False
            kench_hash_set_add(seen, data_of(hash_le))
        return True

    def take_candidates(self):
        """Return the block candidates found since the last call."""
        candidates = self.candidates
        self.candidates = []
        return candidates

    def take_tally(self):
        """Return the refusals counted since the last call."""
        tally = self.tally
        self.tally = {}
        return tally

    def refuse(self, participant, worker, verdict, agent=0):
        """Count one refusal, also those a session decides before it asks a Gate."""
        cdef uint32_t participant_ = <uint32_t> check_int("participant", participant, U32_MAX)
        cdef uint32_t worker_ = <uint32_t> check_int("worker", worker, U32_MAX)
        self.count_refusal(
            participant_, worker_, <int> check_int("verdict", verdict, len(VERDICTS) - 1, 1),
            <uint16_t> check_int("agent", agent, AGENT_MAX))

    cdef int count_refusal(
        self, uint32_t participant, uint32_t worker, int verdict, uint16_t agent
    ) except -1:
        key = (participant, worker, VERDICTS[verdict], agent)
        self.tally[key] = self.tally.get(key, 0) + 1
        return 0

    cdef table_entry *find(self, uint64_t job_key) noexcept:
        """The entry of a job, or NULL; from the newest on, for that is what most shares name."""
        cdef Py_ssize_t i = len(self.jobs) - 1
        while i >= 0 and self.entries[i].job.key > job_key:
            i -= 1
        if i >= 0 and self.entries[i].job.key == job_key:
            return &self.entries[i]
        return NULL

    cdef kench_hash_set *seen_hashes(self, const table_entry *entry) noexcept:
        return &self.current if entry.tips_ago == 0 else &self.previous

    cdef size_t *listed_for(self, const table_entry *entry) noexcept:
        """Where the candidates listed for this job's tip are counted."""
        return &self.listed_current if entry.tips_ago == 0 else &self.listed_previous

    cdef bint reserve(self, kench_hash_set *seen, bint candidate) noexcept:
        """Whether one more hash has room, by the bound and in memory."""
        cdef size_t most = self.duplicates_max
        if candidate:
            most += CANDIDATES_PER_TIP_MAX
        return seen.count < most and kench_hash_set_reserve(seen)
