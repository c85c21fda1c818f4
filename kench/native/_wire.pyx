"""The compiled plain way of a connection; twin_wire.py is its specification."""

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy

from kench.native.checks import I63_MAX as _I63_MAX

from kench.native._checks cimport check_bytes, check_int, data_of
from kench.native._gate cimport Gate, gathered, make_room


cdef extern from "<sys/socket.h>" nogil:
    ssize_t send(int descriptor, const void *data, size_t size, int flags)
    int MSG_DONTWAIT, MSG_NOSIGNAL

# The bound has one home, the twin's checks.
cdef long long I63_MAX = _I63_MAX


ctypedef struct waiting:
    PyObject *wire  # a reference of its own
    size_t offset, size
    Py_ssize_t following, last  # pieces of the same wire, -1 for none; `last` in the first alone
    bint is_first


ctypedef struct sending:
    int descriptor
    const uint8_t *data
    size_t size
    ssize_t taken
    Py_ssize_t place


cdef class Replies:
    """What one batch owes to its wires, each piece in the order it was queued."""

    cdef gathered text
    cdef waiting *pieces
    cdef Py_ssize_t count, room
    cdef uint64_t number

    def __dealloc__(self):
        self.forget()
        free(self.pieces)
        free(self.text.data)

    def __len__(self):
        return self.count

    cdef int forget(self) except -1:
        cdef Py_ssize_t i, count = self.count
        self.count = 0
        for i in range(count):
            Py_DECREF(<object> self.pieces[i].wire)
        return 0

    cdef int add(self, Wire wire, size_t offset) except -1:
        """Owe a wire all text from ``offset`` on."""
        cdef waiting *pieces = self.pieces
        cdef waiting *first
        cdef Py_ssize_t place = self.count
        cdef bint is_first = wire.batch != self.number
        if not is_first:
            first = &pieces[wire.piece]
            if first.last == place - 1:
                pieces[first.last].size = self.text.used - pieces[first.last].offset
                return 0
        if place == self.room:
            pieces = <waiting *> realloc(pieces, (2 * place + 16) * sizeof(waiting))
            if pieces == NULL:
                raise MemoryError
            self.pieces = pieces
            self.room = 2 * place + 16
        pieces[place] = waiting(
            <PyObject *> wire, offset, self.text.used - offset, -1, place, is_first)
        if is_first:
            wire.batch = self.number
            wire.piece = place
            wire.awaiting += 1
        else:
            first = &pieces[wire.piece]
            pieces[first.last].following = place
            first.last = place
        Py_INCREF(wire)
        self.count += 1
        return 0

    cdef bytes joined(self, Py_ssize_t place):
        """All that one wire is owed."""
        cdef const waiting *piece = &self.pieces[place]
        if piece.following < 0:
            return PyBytes_FromStringAndSize(
                <const char *> self.text.data + piece.offset, piece.size)
        cdef list parts = []
        while place >= 0:
            piece = &self.pieces[place]
            parts.append(PyBytes_FromStringAndSize(
                <const char *> self.text.data + piece.offset, piece.size))
            place = piece.following
        return b"".join(parts)

    def send(self):
        """Send what is owed, once: straight to the sockets that are clear for it."""
        cdef Py_ssize_t i, count = 0
        cdef list kept = []
        cdef bytes reply
        cdef Wire wire
        cdef sending *each = <sending *> malloc((self.count + 1) * sizeof(sending))
        if each == NULL:
            raise MemoryError
        try:
            for i in range(self.count):
                if not self.pieces[i].is_first:
                    continue
                wire = <Wire> <object> self.pieces[i].wire
                wire.awaiting -= 1
                if wire.descriptor < 0 or (wire.occupied and not wire.is_clear()):
                    wire.deliver(self.joined(i))
                    continue
                each[count].descriptor = wire.descriptor
                each[count].place = i
                if self.pieces[i].following < 0:
                    each[count].data = self.text.data + self.pieces[i].offset
                    each[count].size = self.pieces[i].size
                else:
                    reply = self.joined(i)
                    kept.append(reply)
                    each[count].data = data_of(reply)
                    each[count].size = len(reply)
                count += 1
            with nogil:
                for i in range(count):
                    each[i].taken = send(
                        each[i].descriptor, each[i].data, each[i].size,
                        MSG_DONTWAIT | MSG_NOSIGNAL)
            for i in range(count):
                if each[i].taken != <ssize_t> each[i].size:
                    wire = <Wire> <object> self.pieces[each[i].place].wire
                    wire.deliver(self.joined(each[i].place)[max(each[i].taken, 0):])
        finally:
            free(each)
            self.forget()


cdef class Outbox:
    """The replies that wait for their shares to be on disk, and the time of this turn."""

    cdef Replies replies
    cdef object on_turn
    cdef uint64_t batches
    cdef int64_t now_us
    cdef double now
    cdef bint has_time

    def __cinit__(self, on_turn):
        self.on_turn = on_turn
        self.renew()

    def __len__(self):
        return self.replies.count

    def begin_turn(self, now_us, now):
        """Give the time that holds until the turn ends."""
        self.now_us = check_int("now_us", now_us, I63_MAX)
        self.now = now
        self.has_time = True

    def end_turn(self):
        """Have ``on_turn`` called when lines come again."""
        self.has_time = False

    def take(self):
        """Hand out what waits, and begin anew."""
        replies = self.replies
        self.renew()
        return replies

    cdef int renew(self) except -1:
        self.batches += 1
        self.replies = Replies()
        self.replies.number = self.batches
        return 0


cdef class Wire:
    """One connection's plain submit lines in, and its replies out; its subclass does the rest."""

    cdef public int descriptor
    cdef public bint plain, occupied
    cdef readonly unsigned int awaiting
    cdef Gate gate
    cdef Outbox outbox
    cdef uint64_t batch
    cdef Py_ssize_t piece

    def __cinit__(self, *_, **__):
        self.descriptor = -1

    def attach(self, gate, outbox):
        """Say who judges this wire's lines, and where replies wait."""
        if not isinstance(gate, Gate):
            raise TypeError(f"gate must be a Gate, not {type(gate).__name__}")
        if not isinstance(outbox, Outbox):
            raise TypeError(f"outbox must be an Outbox, not {type(outbox).__name__}")
        self.gate = <Gate> gate
        self.outbox = <Outbox> outbox

    def queue(self, reply):
        """Have a reply sent once everything recorded so far is on disk."""
        cdef Py_ssize_t size = check_bytes("reply", reply)
        if self.outbox is None:
            raise ValueError("the wire is not attached")
        cdef Replies replies = self.outbox.replies
        cdef size_t before = replies.text.used
        make_room(&replies.text, size)
        if size:  # before the first reply there is no room to point to
            memcpy(replies.text.data + before, data_of(reply), size)
        replies.text.used += size
        replies.add(self, before)

    def data_received(self, data):
        """Judge the plain lines that came; give the rest to ``take``."""
        cdef Py_ssize_t size = check_bytes("data", data)
        cdef Py_ssize_t at = 0
        if self.plain and self.gate is not None:
            at = self.judge(data, size)
            if at == size:
                return
        self.take(data[at:] if at else data)

    cdef Py_ssize_t judge(self, bytes data, Py_ssize_t size) except -1:
        cdef Outbox outbox = self.outbox
        cdef Gate gate = self.gate
        if not outbox.has_time:
            outbox.on_turn()
        cdef Replies replies = outbox.replies
        cdef size_t before = replies.text.used
        cdef uint64_t accepted = gate.accepted, refused = gate.refused
        cdef Py_ssize_t at
        cdef bytes answers
        cdef bint notable = False
        try:
            at = gate.judge_lines(data_of(data), size, outbox.now_us, &replies.text)
        except BaseException:
            replies.text.used = before
            raise
        accepted = gate.accepted - accepted
        if accepted:
            notable = gate.counted(accepted, outbox.now)
        if accepted or self.awaiting:
            if at:
                replies.add(self, before)
        elif at:
            answers = PyBytes_FromStringAndSize(
                <const char *> replies.text.data + before, replies.text.used - before)
            replies.text.used = before
            self.write(answers)
        if notable or gate.refused != refused or len(gate.table.candidates):
            self.look()
        return at
