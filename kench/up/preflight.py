"""What is checked before anything starts: each fault is one line that says how to mend it."""

import errno
import fcntl
import os
import random
import socket
import tempfile
from collections.abc import Callable
from typing import NamedTuple

from kench.pool.clock import Clock
from kench.pool.errors import KenchError
from kench.pool.rpc import Node, NodeFaultError, NodeUnreachableError, NodeWarmingUpError
from kench.pool.running import RECORD_NAME
from kench.pool.settings import Settings

PORT_PATIENCE_S = 5.0
"""Parts of a `kench up` that was killed notice and end within this time."""
NODE_ANSWER_S = 10.0
RETRY_S = 0.1
PORTS = range(10_000, 30_000)
PORTS_TRIED = 100


class FolderUnusableError(KenchError):
    """The data folder cannot be written."""


class AlreadyRunningError(KenchError):
    """Another `kench up` works in this folder."""


class PortTakenError(KenchError):
    """Something else listens where we want to."""


class NoNodeError(KenchError):
    """None of the nodes given answers."""


def prepare_folder(settings: Settings) -> None:
    """Make the data folder's own folders and see that a file can be written there."""
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        settings.log_directory.mkdir(exist_ok=True)
        settings.run_directory.mkdir(mode=0o700, exist_ok=True)
        with tempfile.TemporaryFile(dir=settings.data_dir) as trial:
            trial.write(b"\0")
            trial.flush()
            os.fsync(trial.fileno())
    except OSError as error:
        raise FolderUnusableError(
            f"cannot write in {settings.data_dir}: {error.strerror}; "
            "make it writable or choose another with --data"
        ) from error


def lock_folder(settings: Settings) -> int:
    """Be the only `kench up` of this folder until the returned descriptor is closed."""
    path = settings.run_directory / "lock"
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        other = os.read(lock, 32).decode().strip()
        os.close(lock)
        raise AlreadyRunningError(
            f"another `kench up` (process {other}) works in {settings.data_dir}; "
            "stop it or choose another folder with --data"
        ) from None
    os.ftruncate(lock, 0)
    os.write(lock, f"{os.getpid()}\n".encode())
    return lock


class Patience(NamedTuple):
    """How long to wait for a port that is taken, by which clock, and how to pause meanwhile."""

    seconds: float
    clock: Clock
    pause: Callable[[float], object]


def port_patience_s(settings: Settings) -> float:
    """Return how long a taken port is worth waiting for: only a killed run left its record."""
    return PORT_PATIENCE_S if (settings.run_directory / RECORD_NAME).exists() else 0.0


def claim_port(host: str, port: int, flag: str, patience: Patience) -> int:
    """Return the port to listen on: `port` if it is free, any free one for 0.

    It is closed again, for a part to open; in between somebody else may take it, and then the part
    says so. Raises PortTakenError.
    """
    deadline = patience.clock.monotonic() + patience.seconds
    while True:
        try:
            return free_port(host, port)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and patience.clock.monotonic() < deadline:
                patience.pause(RETRY_S)
                continue
            variable = "KENCH_" + flag.removeprefix("--").replace("-", "_").upper()
            raise PortTakenError(
                f"cannot listen on {host}:{port}: {error.strerror}; "
                f"stop what listens there or choose another port with {flag} ({variable})"
            ) from error


def claim_cabinet_port(settings: Settings, patience: Patience) -> int:
    """Return the cabinet's port; where nobody chose one and the usual one is taken, any other.

    Raises PortTakenError.
    """
    host, port = settings.cabinet_host, settings.cabinet_port
    try:
        return claim_port(host, port, "--cabinet-port", patience)
    except PortTakenError:
        if "cabinet_port" in settings.model_fields_set or settings.cabinet_url is not None:
            raise
        return free_port(host)


def claim_doors(settings: Settings, patience: Patience) -> Settings:
    """Return the settings with a port for every door, chosen where none was named.

    Raises PortTakenError.
    """
    ports: list[int] = []
    for plan in settings.all_doors:
        port = plan.port
        for host in plan.hosts:
            port = claim_port(host, port, "doors" if ports else "--stratum-port", patience)
        ports.append(port)
    doors = tuple(
        door.model_copy(update={"port": port})
        for door, port in zip(settings.doors, ports[1:], strict=True)
    )
    return settings.model_copy(update={"stratum_port": ports[0], "doors": doors})


def free_port(host: str, port: int = 0) -> int:
    """Return `port`, or any for 0, if one can listen there now; OSError if not.

    Any is below those that the kernel gives to connections: one of these would take it meanwhile.
    """
    if port:
        _listen_once(host, port)
        return port
    for one in random.SystemRandom().sample(PORTS, PORTS_TRIED):
        try:
            _listen_once(host, one)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            continue
        return one
    raise OSError(errno.EADDRINUSE, f"of {PORTS_TRIED} ports none is free")


def _listen_once(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1)


def check_nodes(settings: Settings) -> str | None:
    """Ask the nodes of others for their network; None while all of them are still starting.

    Raises NodeRefusedPasswordError for any that does, NoNodeError when none answers.
    """
    network, faults, warming_up = None, [], False
    for url in settings.node_urls:
        node = Node(url.get_secret_value())
        try:
            chain = node.call("getblockchaininfo", timeout_s=NODE_ANSWER_S)["chain"]
        except NodeWarmingUpError:
            warming_up = True
        except NodeUnreachableError as error:
            faults.append(str(error))
        except NodeFaultError:
            raise
        else:
            network = network or str(chain)
    if network is None and not warming_up:
        raise NoNodeError(f"{faults[0]}; start it, or correct --node-url (KENCH_NODE_URLS)")
    return network
