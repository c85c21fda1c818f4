"""Real nodes for tests: `kench node` always, Bitcoin Core where KENCH_TEST_BITCOIND names it.

with kench_node(folder) as node:
    node.rpc.call("getblockcount")
"""

import base64
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.load.ports import free_ports

START_LIMIT_S = 30.0
STOP_LIMIT_S = 20.0
BITCOIND = os.environ.get("KENCH_TEST_BITCOIND")


class RpcFaultError(Exception):
    """The node answered with an error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class Rpc:
    """JSON-RPC on one connection."""

    def __init__(self, port: int, credentials: str, timeout_s: float = 30.0) -> None:
        self.port = port
        self.credentials = credentials
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)

    def post(self, body: object, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        """Send a body (bytes as they are, else as JSON); return status and parsed answer."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        token = base64.b64encode(self.credentials.encode()).decode()
        if headers is None:
            headers = {"Authorization": f"Basic {token}"}
        try:
            self._connection.request("POST", "/", content, headers)
        except (BrokenPipeError, ConnectionResetError):
            # The node lets go of a connection that nobody used for a while; a new one is made.
            self._connection.close()
            self._connection.request("POST", "/", content, headers)
        response = self._connection.getresponse()
        answer = response.read()
        return response.status, json.loads(answer) if answer else None

    def call(self, method: str, *params: object) -> Any:
        """Result of a call; raises RpcFaultError."""
        _, answer = self.post({"method": method, "params": params, "id": 1})
        if answer["error"] is not None:
            raise RpcFaultError(answer["error"]["code"], answer["error"]["message"])
        return answer["result"]

    def template(self, **more: object) -> dict[str, Any]:
        """Answer of getblocktemplate."""
        answer: dict[str, Any] = self.call("getblocktemplate", {"rules": ["segwit"], **more})
        return answer

    def another(self, timeout_s: float = 30.0) -> "Rpc":
        """Another connection to the same node."""
        return Rpc(self.port, self.credentials, timeout_s)

    def close(self) -> None:
        self._connection.close()


@dataclass
class Node:
    """A node that runs."""

    kind: str
    process: subprocess.Popen[str]
    folder: Path
    rpc: Rpc
    zmq_endpoint: str
    cookie_file: Path
    stopped: bool = field(default=False)

    @property
    def url(self) -> str:
        """URL of its RPC, with the cookie in it."""
        return f"http://{self.rpc.credentials}@127.0.0.1:{self.rpc.port}"

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; returns the exit status."""
        self.stopped = True
        self.rpc.close()
        self.process.send_signal(number)
        try:
            status = self.process.wait(STOP_LIMIT_S)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait(STOP_LIMIT_S)
            for stream in (self.process.stdout, self.process.stderr):
                if stream is not None:
                    stream.close()
        return status

    def kill(self) -> None:
        """kill -9."""
        self.stop(signal.SIGKILL)


def kench_command(*arguments: str) -> list[str]:
    """Command line of `kench`, in this environment."""
    return [sys.executable, "-m", "kench", *arguments]


@contextmanager
def kench_node(folder: Path, *arguments: str, **environment: str) -> Iterator[Node]:
    """Run `kench node` on `folder` and free ports until the block ends."""
    process = subprocess.Popen(
        kench_command(
            "node", "--data", str(folder), "--rpc-port", "0", "--zmq-port", "0", *arguments
        ),
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    assert process.stdout is not None
    # The first line names the ports, the second says that it serves; the pipe ends if it dies.
    where = process.stdout.readline().split()
    ready = process.stdout.readline()
    if ready != "kench node: ready\n":
        process.kill()
        process.wait(STOP_LIMIT_S)
        process.stdout.close()
        raise AssertionError(f"kench node did not start: {where} {ready}")
    cookie_file = folder / "node" / ".cookie"
    user = environment.get("KENCH_NODE_RPC_USER")
    credentials = (
        f"{user}:{environment['KENCH_NODE_RPC_PASSWORD']}" if user else cookie_file.read_text()
    )
    rpc = Rpc(int(where[3].rpartition(":")[2]), credentials)
    node = Node("kench", process, folder, rpc, where[5], cookie_file)
    try:
        yield node
    finally:
        if not node.stopped:
            node.stop()


@contextmanager
def core_node(folder: Path, *arguments: str) -> Iterator[Node]:
    """Run Bitcoin Core on regtest, alone, until the block ends."""
    assert BITCOIND is not None, "KENCH_TEST_BITCOIND must name a bitcoind"
    folder.mkdir(parents=True, exist_ok=True)
    rpc_port, zmq_port, p2p_port = free_ports(3)
    endpoint = f"tcp://127.0.0.1:{zmq_port}"
    process = subprocess.Popen(
        [
            BITCOIND,
            "-regtest",
            "-listen=0",
            "-printtoconsole=0",
            f"-datadir={folder}",
            f"-port={p2p_port}",
            f"-rpcport={rpc_port}",
            f"-zmqpubhashblock={endpoint}",
            *arguments,
        ],
        text=True,
    )
    cookie_file = folder / "regtest" / ".cookie"
    try:
        rpc = _wait_for_core(process, rpc_port, cookie_file)
        node = Node("core", process, folder, rpc, endpoint, cookie_file)
        yield node
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(STOP_LIMIT_S)
    node.rpc.close()


def _wait_for_core(process: subprocess.Popen[str], port: int, cookie_file: Path) -> Rpc:
    """Ask until Core answers: it has no other sign that reaches us on every version."""
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline and process.poll() is None:
        if cookie_file.exists() and cookie_file.read_text():
            rpc = Rpc(port, cookie_file.read_text())
            try:
                rpc.call("getblockcount")
            except (OSError, RpcFaultError):
                rpc.close()
            else:
                return rpc
        time.sleep(0.05)
    raise AssertionError("Bitcoin Core did not start")
