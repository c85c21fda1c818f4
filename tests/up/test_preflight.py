"""What is found before anything starts, and with what words."""

import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from kench.pool.clock import ManualClock
from kench.pool.errors import KenchError
from kench.pool.running import Running, write_running
from kench.pool.settings_file import read_settings
from kench.up.preflight import (
    PORT_PATIENCE_S,
    AlreadyRunningError,
    FolderUnusableError,
    NoNodeError,
    Patience,
    PortTakenError,
    check_nodes,
    claim_cabinet_port,
    claim_doors,
    claim_port,
    free_port,
    lock_folder,
    port_patience_s,
    prepare_folder,
)


def _patience(clock: ManualClock) -> Patience:
    return Patience(PORT_PATIENCE_S, clock, clock.advance)


def test_a_folder_below_a_file_is_refused_with_the_flag(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FolderUnusableError, match=r"cannot write in .*--data"):
        prepare_folder(read_settings(data_dir=tmp_path / "file" / "data"))


def test_a_folder_has_one_kench_up_at_a_time(tmp_path: Path) -> None:
    settings = read_settings(data_dir=tmp_path / "data")
    prepare_folder(settings)
    lock = lock_folder(settings)
    with pytest.raises(AlreadyRunningError, match=str(os.getpid())):
        lock_folder(settings)
    os.close(lock)
    os.close(lock_folder(settings))


def test_the_cabinet_takes_another_port_unless_one_was_chosen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        usual = read_settings().model_copy(update={"cabinet_port": port})
        usual.model_fields_set.discard("cabinet_port")
        assert claim_cabinet_port(usual, Patience(0, ManualClock(), id)) not in {0, port}
        chosen = read_settings(cabinet_port=port)
        with pytest.raises(PortTakenError, match=r"--cabinet-port \(KENCH_CABINET_PORT\)"):
            claim_cabinet_port(chosen, Patience(0, ManualClock(), id))


def test_a_taken_port_is_waited_for_a_while_and_then_named() -> None:
    clock = ManualClock()
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(
            PortTakenError, match=rf"127.0.0.1:{port}.*--stratum-port.*KENCH_STRATUM_PO"
        ):
            claim_port("127.0.0.1", port, "--stratum-port", _patience(clock))
    assert clock.monotonic() >= PORT_PATIENCE_S


def test_only_after_a_killed_run_is_a_port_waited_for(tmp_path: Path) -> None:
    settings = read_settings(data_dir=tmp_path)
    prepare_folder(settings)
    assert port_patience_s(settings) == 0
    write_running(settings.run_directory, Running(1, None, None, "", ""))
    assert port_patience_s(settings) == PORT_PATIENCE_S


def test_a_port_that_is_left_meanwhile_is_taken() -> None:
    clock = ManualClock()
    other = socket.create_server(("127.0.0.1", 0))
    port = other.getsockname()[1]

    def leave(seconds: float) -> None:
        clock.advance(seconds)
        other.close()

    assert claim_port("127.0.0.1", port, "", Patience(PORT_PATIENCE_S, clock, leave)) == port


def test_port_0_becomes_a_free_port_that_no_connection_is_given_meanwhile() -> None:
    given = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    assert 1023 < free_port("127.0.0.1") < int(given[0])


def test_an_address_of_another_machine_is_refused_at_once() -> None:
    clock = ManualClock()
    with pytest.raises(PortTakenError, match=r"192\.0\.2\.1:0"):
        claim_port("192.0.2.1", 0, "--stratum-port", _patience(clock))
    assert clock.monotonic() == 0


class NodeThatRefusesThePassword(BaseHTTPRequestHandler):
    """Answers 401 to everybody."""

    def do_POST(self) -> None:
        self.send_response(401)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        pass


def test_a_node_that_refuses_the_password_is_named_without_the_password() -> None:
    server = HTTPServer(("127.0.0.1", 0), NodeThatRefusesThePassword)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://u:hidden@127.0.0.1:{server.server_port}"
        with pytest.raises(KenchError, match="refuses the password") as caught:
            check_nodes(read_settings(node_urls=url))
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert "hidden" not in str(caught.value)


def test_when_no_node_answers_the_first_one_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(NoNodeError, match=rf"127.0.0.1:{port}.*--node-url"):
        check_nodes(read_settings(node_urls=f"http://u:p@127.0.0.1:{port}"))


def test_every_door_gets_a_port_and_one_that_is_taken_is_named() -> None:
    doors = [{"name": "high", "port": 0}, {"name": "v6", "port": 0, "host": "::1 127.0.0.1"}]
    settings = read_settings(stratum_port=0, doors=doors)
    clock = ManualClock()
    claimed = claim_doors(settings, _patience(clock)).all_doors
    assert len({plan.port for plan in claimed}) == 3
    assert all(plan.port for plan in claimed)
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        taken = [{"name": "high", "port": stranger.getsockname()[1]}]
        with pytest.raises(PortTakenError, match=r"with doors \(KENCH_DOORS\)"):
            claim_doors(read_settings(stratum_port=0, doors=taken), _patience(clock))
