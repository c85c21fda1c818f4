"""What befalls one machine: its disk is full, its clock steps, its power goes."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.chaos.hosts import COMMAND_S, Host, HostsError, Network
from tests.chaos.services import Service

CLOCK = Path(__file__).with_name("stepped_clock.c")
FILLER = "filler"


def mount_small_disk(place: Path, tag: str, size_mb: int) -> None:
    """Have a folder be a file system of its own, of so many MiB, in memory.

    The tag lets the next run take it away where this one is killed.
    """
    place.mkdir(parents=True, exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", f"size={size_mb}m,mode=755", tag, str(place)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=COMMAND_S)
    if done.returncode:
        raise HostsError(f"{' '.join(words)}: {done.stderr.strip()}")


def unmount_all(folder: Path) -> None:
    """Take away every file system that was mounted within a folder."""
    for line in Path("/proc/mounts").read_text().splitlines():
        place = Path(line.split()[1])
        if place.is_relative_to(folder):
            words = ["umount", "-l", str(place)]
            subprocess.run(words, check=False, timeout=COMMAND_S)


def take_down(network: Network, services: Iterable[Service], folder: Path) -> None:
    """End everything on all hosts at once: nothing of it is kept."""
    for service in services:
        service.leave()
    for host in network.hosts.values():
        power_off(host)
    unmount_all(folder)


@contextlib.contextmanager
def full(disk: Path) -> Iterator[None]:
    """Fill a disk to its last byte, and make room again."""
    filler = disk / FILLER
    try:
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1):
                with contextlib.suppress(OSError):
                    while file.write(bytes(size)):
                        pass
        yield
    finally:
        filler.unlink(missing_ok=True)


class Clock:
    """The wall clock of the programs that are started with its settings."""

    def __init__(self, folder: Path) -> None:
        self._file, self._library = folder / "clock", folder / "clock.so"
        words = ["-O2", "-shared", "-fPIC", "-o", str(self._library), str(CLOCK)]
        subprocess.run([os.environ.get("CC", "cc"), *words], check=True, timeout=COMMAND_S)
        self._file.write_bytes(bytes(8))

    @property
    def settings(self) -> dict[str, str]:
        """What a program's environment needs."""
        return {"LD_PRELOAD": str(self._library), "CHAOS_CLOCK": str(self._file)}

    def set(self, seconds: float) -> None:
        """Have it be so far from the machine's own from now on."""
        offset_ns = round(seconds * 1_000_000_000)
        with self._file.open("r+b", buffering=0) as file:  # in place: it is mapped
            file.write(offset_ns.to_bytes(8, "little", signed=True))

    @contextlib.contextmanager
    def stepped(self, seconds: float) -> Iterator[None]:
        """Step it, and back."""
        self.set(seconds)
        try:
            yield
        finally:
            self.set(0)


def power_off(host: Host) -> None:
    """End all that runs on a host at one moment."""
    pids = host.pids()
    # Nobody is to notice the end of another and do something about it first.
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
    for pid in host.pids():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
