"""Hosts of the stand: they hear each other, lines are cut and slowed, and nothing is left."""

import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos import hosts
from tests.chaos.hosts import NAMESPACES, Host, Network
from tests.chaos.slow_line import slowed

PORT = 7000
MANY = 300_000


@pytest.fixture
def network() -> Iterator[Network]:
    reason = hosts.why_not()
    if reason is not None:
        pytest.skip(reason)
    with Network("one", "two", "three") as made:
        yield made


@pytest.fixture
def echo(network: Network) -> Iterator[Host]:
    """A host that sends back what it gets."""
    host = network["two"]
    listener = host.within(lambda: socket.create_server((host.address, PORT)))

    def serve() -> None:
        while True:
            try:
                opened, _ = listener.accept()
            except OSError:
                return
            with opened:
                while words := opened.recv(65_536):
                    opened.sendall(words)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield host
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


def asked(network: Network, words: bytes = b"?", timeout_s: float = 1.0) -> float:
    """Seconds that `two` took to send all back to `one`."""

    def ask() -> float:
        address = (network["two"].address, PORT)
        with socket.create_connection(address, timeout=timeout_s) as opened:
            began = time.monotonic()
            sender = threading.Thread(target=opened.sendall, args=(words,))
            sender.start()
            left = len(words)
            while left:
                left -= len(opened.recv(65_536))
            sender.join()
            return time.monotonic() - began

    return network["one"].within(ask)


@pytest.mark.usefixtures("echo")
def test_a_line_that_is_cut_loses_all_and_is_whole_again(network: Network) -> None:
    assert asked(network) < 0.5
    with network.without("one", "two"), pytest.raises(TimeoutError):
        asked(network, timeout_s=0.3)
    network.pull("two")
    with pytest.raises(OSError, match=r"timed out|unreachable|No route"):
        asked(network, timeout_s=0.3)
    network.plug("two")
    assert asked(network, timeout_s=5.0) < 0.5


@pytest.mark.usefixtures("echo")
def test_a_slow_line_delays_what_passes_and_breaks_nothing(network: Network) -> None:
    with slowed(network, "two", random.Random(1), delay_s=0.05, loss=0.0):
        assert 0.09 < asked(network) < 1.0
        asked(network, bytes(MANY), timeout_s=20.0)
    assert asked(network, bytes(MANY), timeout_s=5.0) < 1.0


def test_what_a_killed_run_left_is_taken_away() -> None:
    reason = hosts.why_not()
    if reason is not None:
        pytest.skip(reason)
    code = (
        "import sys, time; from tests.chaos.hosts import Network\n"
        "with Network('left') as network:\n"
        "    child = network['left'].spawn(['sleep', '600'])\n"
        "    print(network.tag, child.pid, flush=True); time.sleep(600)"
    )
    run = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    tag, child = run.stdout.readline().split()
    run.send_signal(signal.SIGKILL)
    run.wait(5)
    run.stdout.close()
    assert list(NAMESPACES.glob(f"{tag}-*"))
    hosts.sweep()
    assert not list(NAMESPACES.glob(f"{tag}-*"))
    deadline = time.monotonic() + 5
    while _runs(int(child)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not _runs(int(child))


def _runs(pid: int) -> bool:
    """Return whether a process is there; one that ended and waits for its parent is not."""
    try:
        words = Path("/proc", str(pid), "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return words.rpartition(")")[2].split()[0] not in {"Z", "X"}
