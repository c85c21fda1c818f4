"""The machine itself: build, limits, memory, clock, time zone, queues of the kernel."""

import ctypes
import os
import resource
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from kench import native
from kench.doctor.finding import Finding, bad, by_bounds, ok, warn
from kench.pool.clock import Clock

GIB = 1024**3
MEMORY_BYTES_MIN = 2 * GIB
QUEUE_MAX = 4096
"""Longest queue of newcomers that a door asks the kernel for."""
DESCRIPTORS_RESERVED = 256
UNSYNCHRONISED = 0x0040
"""STA_UNSYNC of adjtimex(2)."""
NANOSECONDS = 0x2000
"""STA_NANO: the offset is in nanoseconds, else in microseconds."""
OFFSET_WARN_S, OFFSET_BAD_S = 0.1, 1.0
ZONE = "Asia/Bishkek"
PROC = Path("/proc")


class ClockState(NamedTuple):
    """What the kernel says of its clock."""

    is_synchronised: bool
    offset_s: float


def check_build() -> Iterator[Finding]:
    """Python, and which arithmetic serves."""
    version = ".".join(map(str, sys.version_info[:3]))
    if native.IMPLEMENTATION == "cython":
        yield ok("build", f"native code is compiled ({native.sha256_backend()}), Python {version}")
    else:
        yield bad("build", "native code is not compiled, stratum and settle do not start",
                  "make build")  # fmt: skip


def check_limits(connections_max: int) -> Iterator[Finding]:
    """Open files, and the processors there are."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections_max + DESCRIPTORS_RESERVED
    if hard != resource.RLIM_INFINITY and hard < wanted:
        yield warn(
            "files",
            f"{hard} files may be open, a front wants {wanted} for connections_max",
            f"LimitNOFILE={wanted} in the unit, or `ulimit -n {wanted}`",
        )
    else:
        yield ok("files", f"{hard} files may be open" if hard > 0 else "any number may be open")
    cores = len(os.sched_getaffinity(0))
    if cores < 2:
        yield warn("cores", "one core: the job maker and a front share it", "two cores or more")
    else:
        yield ok("cores", f"{cores} cores")


def check_memory(proc: Path = PROC) -> Iterator[Finding]:
    """Memory of the machine and what is left of it."""
    rows = (line.split() for line in (proc / "meminfo").read_text().splitlines())
    found = {row[0].rstrip(":"): int(row[1]) * 1024 for row in rows if len(row) > 1}
    whole, free = found["MemTotal"], found["MemAvailable"]
    says = f"{free / GIB:.1f} of {whole / GIB:.1f} GiB are available"
    mend = "end what does not belong here, or more memory (docs/capacity.md)"
    if free < whole / 20:
        yield bad("memory", says, mend)
    elif whole < MEMORY_BYTES_MIN or free < whole / 10:
        yield warn("memory", says, mend)
    else:
        yield ok("memory", says)


def check_queue(proc: Path = PROC) -> Iterator[Finding]:
    """How many newcomers may wait at a port."""
    longest = int((proc / "sys/net/core/somaxconn").read_text())
    if longest < QUEUE_MAX:
        yield warn(
            "somaxconn",
            f"{longest} newcomers may wait at a port; in a storm the others come a second later",
            f"`sysctl -w net.core.somaxconn={QUEUE_MAX}`, and into /etc/sysctl.d",
        )
    else:
        yield ok("somaxconn", f"{longest} newcomers may wait at a port")


def read_clock() -> ClockState:
    """Ask the kernel how its clock is held (adjtimex, reading alone)."""
    # struct timex: modes, padding, offset, freq, maxerror, esterror, status ... 208 bytes in all.
    buffer = (ctypes.c_long * 26)()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.adjtimex(ctypes.byref(buffer)) < 0:
        raise OSError(ctypes.get_errno(), "adjtimex")
    status = ctypes.c_int.from_address(ctypes.addressof(buffer) + 5 * 8).value
    scale = 1e-9 if status & NANOSECONDS else 1e-6
    return ClockState(not status & UNSYNCHRONISED, buffer[1] * scale)


def check_clock(read: Callable[[], ClockState] = read_clock) -> Iterator[Finding]:
    """Whether somebody holds the clock, and how far off it is."""
    mend = "`timedatectl set-ntp true`, or chrony with name servers that answer"
    try:
        state = read()
    except OSError as error:
        yield warn("clock", f"the kernel does not say how it is held ({error.strerror})", mend)
        return
    if not state.is_synchronised:
        yield bad("clock", "nothing holds it: venues refuse requests, signatures get wrong times",
                  mend)  # fmt: skip
        return
    yield by_bounds(
        "clock", abs(state.offset_s), f"held by NTP, {abs(state.offset_s) * 1000:.1f} ms off", mend,
        warn_from=OFFSET_WARN_S, bad_from=OFFSET_BAD_S,
    )  # fmt: skip


def check_zone(clock: Clock) -> Iterator[Finding]:
    """Whether days of the Republic can be computed: reports and income are counted by them."""
    now = datetime.fromtimestamp(clock.now_us() / 1e6, UTC)
    try:
        offset = now.astimezone(ZoneInfo(ZONE)).utcoffset()
    except ZoneInfoNotFoundError:
        yield bad("time zone", f"{ZONE} is not known", "apt-get install tzdata")
        return
    if offset != timedelta(hours=6):
        yield bad("time zone", f"{ZONE} is {offset} ahead of UTC, not 6 hours",
                  "apt-get install --only-upgrade tzdata")  # fmt: skip
        return
    own = now.astimezone().strftime("%Z, %z")
    yield ok("time zone", f"days are those of {ZONE}; this machine's zone is {own}")
