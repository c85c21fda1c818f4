"""Another pool's server beside ours: ckpool in solo mode, where its program is on this machine.

    KENCH_BENCH_CKPOOL=/somewhere/ckpool python -m benchmarks.share_path

It gets its work from the same node and its miners by the same client. It keeps no record of shares,
which is more than fair to it: ours are on disk before they are answered.
"""

import contextlib
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load.client import LoadError, Login
from kench.pool.address import burn_address

VARIABLE = "KENCH_BENCH_CKPOOL"
READY_S, STOP_S, POLL_S = 30.0, 10.0, 0.05
# Easier than the easiest: every hash of the client is a share, as at ours.
DIFFICULTY = 1e-10


@dataclass(frozen=True, slots=True)
class NodeAddress:
    """Where ckpool gets its work."""

    rpc: str
    cookie: Path
    zmq: str


@dataclass(frozen=True, slots=True)
class Ckpool:
    """A running ckpool."""

    port: int
    pid: int
    login: Login


def ckpool_program() -> Path | None:
    """Return the program that the environment names, None where it names none."""
    named = os.environ.get(VARIABLE)
    if not named:
        return None
    if not os.access(named, os.X_OK):
        raise LoadError(f"{VARIABLE} names {named}, which is no program")
    return Path(named)


@contextlib.contextmanager
def running_ckpool(program: Path, folder: Path, node: NodeAddress) -> Iterator[Ckpool]:
    """Run ckpool in a folder of its own until the end of the block. Raises LoadError."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    folder.mkdir()
    configuration = {
        "btcaddress": burn_address("regtest"),
        "btcd": [{"url": node.rpc, "cookie": str(node.cookie), "notify": True}],
        "serverurl": [f"127.0.0.1:{port}"],
        "mindiff": DIFFICULTY,
        "startdiff": DIFFICULTY,
        "maxdiff": 1.5 * DIFFICULTY,
        "highdiff": DIFFICULTY,
        "allow_low_diff": False,
        "zmqblock": node.zmq,
        "logdir": str(folder / "logs"),
    }
    (folder / "ckpool.conf").write_text(json.dumps(configuration))
    # Its sockets' paths must be short.
    words = [program, "-B", "-q", "-l", "3", "-c", "ckpool.conf", "-s", "sockets"]
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            [str(word) for word in words],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_for(port, process, folder)
        yield Ckpool(port, process.pid, Login(f"{burn_address('regtest')}.load", "x"))
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    """Wait until miners can connect."""
    for _ in range(round(READY_S / POLL_S)):
        if process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), POLL_S).close()
        except OSError:
            time.sleep(POLL_S)
        else:
            return
    last = (folder / "output").read_text(errors="replace").strip().splitlines()[-3:]
    raise LoadError(f"ckpool did not get ready: {' / '.join(last)}")
