"""The load client counts what it is told: against the bare server and servers that misbehave."""

import os
import re
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.load.client import Cell, LoadError, Login, Phases, build_program, run_client
from benchmarks.load.servers import running_bare_server

SHORT = Phases(0.05, 0.3)
ID = re.compile(rb'"id":(\d+)')
NOTIFY = (
    b'{"id":null,"method":"mining.notify","params":["1f","00","01","02",["aa","bb"],'
    b'"20000000","207fffff","66aabbcc",true]}\n'
)


@contextmanager
def server_of(handler: type[socketserver.StreamRequestHandler]) -> Iterator[int]:
    """Serve on a free port of this machine; yields the port."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


class _Stratum(socketserver.StreamRequestHandler):
    """Lets everybody in, and gives each line to `answer`."""

    def handle(self) -> None:
        for line in self.rfile:
            found = ID.search(line)
            assert found
            number = int(found[1])
            if b"mining.subscribe" in line:
                self.wfile.write(b'{"id":%d,"result":[[],"00000000",8],"error":null}\n' % number)
            elif b"mining.authorize" in line:
                self.wfile.write(b'{"id":%d,"result":true,"error":null}\n' % number + NOTIFY)
            elif not self.answer(number, line):
                return

    def answer(self, number: int, line: bytes) -> bool:
        raise NotImplementedError


class _RefusesEachThird(_Stratum):
    def answer(self, number: int, line: bytes) -> bool:
        assert b'["1.load","1f",' in line
        assert b',"66aabbcc",' in line
        if number % 3:
            self.wfile.write(b'{"id":%d,"result":true,"error":null}\n' % number)
        else:
            error = b'{"id":%d,"result":null,"error":[23,"Low difficulty share",null]}\n'
            self.wfile.write(error % number)
        return True


class _WritesIdsLast(socketserver.StreamRequestHandler):
    """Answers as ckpool does: the id at the end, the method after its parameters."""

    def handle(self) -> None:
        for line in self.rfile:
            found = ID.search(line)
            assert found
            number = int(found[1])
            if b"mining.subscribe" in line:
                self.wfile.write(
                    b'{"result":[[["mining.notify","1"]],"00",8],"id":1,"error":null}\n'
                )
                params = NOTIFY[NOTIFY.index(b'"params"') : -2]
                self.wfile.write(b'{%b,"id":null,"method":"mining.notify"}\n' % params)
            elif number % 3 or b"mining.authorize" in line:
                self.wfile.write(b'{"result":true,"error":null,"id":%d}\n' % number)
            else:
                error = (
                    b'{"reject-reason":"Above","result":false,"error":[23,"Above",null],"id":%d}\n'
                )
                self.wfile.write(error % number)


class _Leaves(_Stratum):
    def answer(self, number: int, line: bytes) -> bool:
        return False


class _AnswersAnother(_Stratum):
    def answer(self, number: int, line: bytes) -> bool:
        self.wfile.write(b'{"id":%d,"result":true,"error":null}\n' % (number + 1))
        return True


class _RefusesLogins(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        for line in self.rfile:
            found = ID.search(line)
            assert found
            error = b'{"id":%s,"result":null,"error":[24,"Unauthorized worker",null]}\n'
            self.wfile.write(error % found[1])


def test_a_cell_is_read_as_connections_times_in_flight() -> None:
    assert Cell.parse("1000x4") == Cell(1000, 4)
    assert str(Cell(50, 8)) == "50x8"


@pytest.mark.parametrize("text", ["", "5", "x", "0x1", "1x0", "1x-2", "axb"])
def test_a_cell_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Cell.parse(text)


@pytest.mark.parametrize("cell", [Cell(1, 1), Cell(1, 64), Cell(20, 3)], ids=str)
def test_every_answer_of_the_bare_server_is_counted(cell: Cell) -> None:
    with running_bare_server() as (port, pid):
        result = run_client(cell, port, pid, SHORT)
    assert (result.connections, result.in_flight) == (cell.connections, cell.in_flight)
    assert 0 < result.accepted < result.accepted_total
    assert result.refused_total == {}
    assert result.unanswered == 0
    assert 0 <= result.p50_ms <= result.p99_ms <= result.max_ms
    assert SHORT.measure_s <= result.seconds < 10


def test_refusals_are_counted_by_code_and_apart_from_accepted_shares() -> None:
    with server_of(_RefusesEachThird) as port:
        result = run_client(Cell(2, 3), port, os.getpid(), SHORT, Login("1.load", "x"))
    assert list(result.refused_total) == ["23"]
    assert result.jobs == 2
    assert abs(result.accepted_total - 2 * result.refused_total["23"]) <= 4


def test_answers_that_end_with_their_id_are_read_too() -> None:
    with server_of(_WritesIdsLast) as port:
        result = run_client(Cell(2, 3), port, os.getpid(), SHORT, Login("1.load", "x"))
    assert list(result.refused_total) == ["23"]
    assert abs(result.accepted_total - 2 * result.refused_total["23"]) <= 4


@pytest.mark.parametrize(
    ("server", "complaint"),
    [
        (_Leaves, "the server closed a connection|a connection broke"),
        (_AnswersAnother, "answer to 11 where 10 was next"),
        (_RefusesLogins, "the login was refused"),
    ],
)
def test_a_server_that_misbehaves_ends_the_run_with_a_reason(
    server: type[socketserver.StreamRequestHandler], complaint: str
) -> None:
    with server_of(server) as port, pytest.raises(LoadError, match=complaint):
        run_client(Cell(1, 1), port, os.getpid(), SHORT, Login("1.load", "x"))


def test_a_port_where_nobody_listens_ends_the_run_with_a_reason() -> None:
    with server_of(_Leaves) as port:
        pass
    with pytest.raises(LoadError, match="connect to port"):
        run_client(Cell(1, 1), port, os.getpid(), SHORT)


def test_the_client_is_compiled_once(tmp_path: Path) -> None:
    first = build_program("client", tmp_path).stat()
    second = build_program("client", tmp_path).stat()
    assert (first.st_ino, first.st_mtime_ns) == (second.st_ino, second.st_mtime_ns)
    assert [entry.name for entry in tmp_path.iterdir()] == ["client"]


def test_a_missing_compiler_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "/nowhere/cc")
    with pytest.raises(LoadError, match="no C compiler"):
        build_program("client", tmp_path)
