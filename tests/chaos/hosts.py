"""Hosts on one switch, each a network namespace: cables that are pulled, lines that are cut.

    with Network("alpha", "beta") as network:
        network["alpha"].spawn(["kench", "stratum"], ...)
        network.cut("alpha", "beta")

The switch is a bridge in a namespace of its own, so nothing of it is in the machine's own network.
What a killed run left behind is taken away by the next one: namespaces are named by the process
that made them.
"""

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

NAMESPACES = Path("/run/netns")
PREFIX, SWITCH = "kench-chaos", "switch"
NETWORK = "10.77.0"
# Nobody has this address, so the switch floods what is sent there and nobody takes it.
NOBODY = "02:00:00:00:00:ff"
COMMAND_S, LEAVE_S, REACHED_S = 20.0, 5.0, 10.0
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)

Result = TypeVar("Result")


class HostsError(Exception):
    """A namespace or a link could not be made."""


def why_not() -> str | None:
    """Say why hosts cannot be made here; None where they can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "network namespaces need the ip command: apt-get install iproute2"
    sweep()
    try:
        with Network("probe"):
            return None
    except (HostsError, OSError) as error:
        return f"network namespaces are not allowed here: {error}"


def owner(pid: int | str = "self") -> str | None:
    """Name a process by its id and when it began, since ids come again; None for one that is gone.

    The id alone could belong to a stranger by the time that somebody looks.
    """
    try:
        stat = Path("/proc", str(pid), "stat").read_text()
    except OSError:
        return None
    return f"{stat.split(' ', 1)[0]}.{stat.rpartition(')')[2].split()[19]}"


def sweep() -> None:
    """End and remove what runs that are dead left behind: processes, namespaces, mounts."""
    left = {path.name for path in NAMESPACES.glob(f"{PREFIX}-*")}
    for name in sorted(left):
        if _is_orphan(name):
            _remove(name)
    for line in Path("/proc/mounts").read_text().splitlines():
        source, place = line.split()[:2]
        if source.startswith(f"{PREFIX}-") and _is_orphan(source):
            subprocess.run(["umount", "-l", place], check=False, timeout=COMMAND_S)


def _is_orphan(name: str) -> bool:
    maker = name.removeprefix(f"{PREFIX}-").partition("-")[0]
    return owner(maker.partition(".")[0]) != maker


def _remove(namespace: str) -> None:
    """End what runs in a namespace, then take its name away; the kernel does the rest."""
    for _ in range(10):
        pids = ip("netns", "pids", namespace, check=False).split()
        if not pids:
            break
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        threading.Event().wait(0.05)
    ip("netns", "del", namespace, check=False)


def ip(*words: str, check: bool = True) -> str:
    """Run iproute2's `ip`. Raises HostsError."""
    done = subprocess.run(
        ["ip", *words], capture_output=True, text=True, check=False, timeout=COMMAND_S
    )
    if check and done.returncode:
        raise HostsError(f"ip {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


@dataclass(frozen=True)
class Host:
    """One machine of the stand."""

    name: str
    namespace: str
    address: str

    @property
    def port(self) -> str:
        """Name of its port at the switch."""
        return f"p-{self.name}"

    def spawn(self, words: list[str], **how: Any) -> "subprocess.Popen[str]":
        """Start a program there; its process id is that of the program itself."""
        return subprocess.Popen(["ip", "netns", "exec", self.namespace, *words], text=True, **how)

    def await_reached(self, other: "Host", port: int) -> None:
        """Wait until a port of another host answers from here; raises OSError.

        A host that was asked for in vain while its cable was out is given up once more after that.
        """

        def reach() -> None:
            deadline = time.monotonic() + REACHED_S
            while True:
                try:
                    socket.create_connection((other.address, port), timeout=1.0).close()
                except OSError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(REACHED_S / 100)
                else:
                    return

        self.within(reach)

    def within(self, work: Callable[[], Result]) -> Result:
        """Do something as from this host: connections, and processes that it starts."""
        results: list[Result] = []
        faults: list[BaseException] = []

        def there() -> None:
            try:
                self.enter()
                results.append(work())
            except BaseException as error:  # noqa: BLE001 - it goes on in the caller's thread
                faults.append(error)

        thread = threading.Thread(target=there, daemon=True)
        thread.start()
        thread.join()
        if faults:
            raise faults[0]
        return results[0]

    def enter(self) -> None:
        """Move the calling thread to this host, for good."""
        descriptor = os.open(NAMESPACES / self.namespace, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if _libc.setns(descriptor, _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
        finally:
            os.close(descriptor)

    def pids(self) -> list[int]:
        """Ids of the processes that run there."""
        return [int(pid) for pid in ip("netns", "pids", self.namespace, check=False).split()]


class Network:
    """Hosts on one switch. A context: inside it they are there, after it they are gone."""

    def __init__(self, *names: str) -> None:
        self.tag = f"{PREFIX}-{owner()}"
        self._switch = f"{self.tag}-{SWITCH}"
        self.hosts = {
            name: Host(name, f"{self.tag}-{name}", f"{NETWORK}.{number}")
            for number, name in enumerate(names, start=1)
        }

    def __getitem__(self, name: str) -> Host:
        return self.hosts[name]

    def __enter__(self) -> Self:
        sweep()
        try:
            self._make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for host in self.hosts.values():
            _remove(host.namespace)
        _remove(self._switch)

    def _make(self) -> None:
        ip("netns", "add", self._switch)
        self.at_switch("link", "add", "br0", "type", "bridge")
        # An address that moved is learnt at once, and nothing waits for a spanning tree.
        self.at_switch("link", "set", "br0", "type", "bridge", "forward_delay", "0")
        self.at_switch("link", "set", "br0", "up")
        for host in self.hosts.values():
            ip("netns", "add", host.namespace)
            cable = ("type", "veth", "peer", "name", "eth0", "netns", host.namespace)
            self.at_switch("link", "add", host.port, *cable)
            self.at_switch("link", "set", host.port, "master", "br0", "up")
            for words in (
                ("addr", "add", f"{host.address}/24", "dev", "eth0"),
                ("link", "set", "eth0", "up"),
                ("link", "set", "lo", "up"),
            ):
                ip("-n", host.namespace, *words)

    def at_switch(self, *words: str) -> str:
        """Run `ip` in the switch."""
        return ip("-n", self._switch, *words)

    @property
    def switch(self) -> Host:
        """The switch itself, for what sits between two cables."""
        return Host(SWITCH, self._switch, "")

    def pull(self, name: str) -> None:
        """Pull a host's cable: nothing reaches it, and it reaches nothing."""
        self.at_switch("link", "set", self[name].port, "down")

    def plug(self, name: str) -> None:
        """Put the cable back."""
        self.at_switch("link", "set", self[name].port, "up")

    @contextlib.contextmanager
    def pulled(self, name: str) -> Iterator[None]:
        """Pull a cable for as long as the block lasts."""
        self.pull(name)
        try:
            yield
        finally:
            self.plug(name)

    def cut(self, one: str, other: str) -> None:
        """Lose whatever these two send to each other, in silence; both reach all others."""
        for here, there in ((one, other), (other, one)):
            wrong = ("lladdr", NOBODY, "dev", "eth0", "nud", "permanent")
            ip("-n", self[here].namespace, "neigh", "replace", self[there].address, *wrong)

    def heal(self, one: str, other: str) -> None:
        """Undo `cut`."""
        for here, there in ((one, other), (other, one)):
            ip("-n", self[here].namespace, "neigh", "del", self[there].address, "dev", "eth0")

    @contextlib.contextmanager
    def without(self, one: str, other: str) -> Iterator[None]:
        """Cut a line for as long as the block lasts."""
        self.cut(one, other)
        try:
            yield
        finally:
            self.heal(one, other)
