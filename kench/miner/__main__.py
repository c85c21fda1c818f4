"""The root of `kench mine`: flags, signals, and the miner."""

import os
import signal
import sys
import time
from types import FrameType

from kench.miner.address import parse_address
from kench.miner.mining import Mining
from kench.native import require_compiled
from kench.pool.clock import SystemClock
from kench.pool.errors import KenchError
from kench.pool.roots import command, run_root, start_logging

PASSWORD_VARIABLE = "KENCH_MINE_PASSWORD"  # noqa: S105 - the name of a variable, not a password
THREADS_MAX = 1024


class FlagInvalidError(KenchError):
    """A flag's value makes no sense."""


def main() -> None:
    """Mine until told to end."""
    parser = command(
        "mine",
        "Mine on the CPU for a pool that speaks Stratum V1.",
        example="kench mine stratum+tcp://127.0.0.1:3333 1.rig1 0123456789abcdef0123456789abcdef",
        data=False,
    )
    parser.add_argument("url", metavar="URL", help="stratum+tcp://host:port or host:port")
    parser.add_argument("user", metavar="USER", help="login, <participant>.<worker>")
    parser.add_argument(
        "password", metavar="PASS", help=f"password; - reads it from {PASSWORD_VARIABLE}"
    )
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads (default 1)")
    parser.add_argument(
        "--nice", type=int, default=0, metavar="N", help="lower its priority by N, up to 19"
    )
    arguments = parser.parse_args()
    address = parse_address(arguments.url)
    if not 1 <= arguments.threads <= THREADS_MAX:
        raise FlagInvalidError(f"--threads must be from 1 to {THREADS_MAX}")
    password = arguments.password
    if password == "-":  # noqa: S105 - the sign for "from the environment"
        password = os.environ.get(PASSWORD_VARIABLE, "")
    require_compiled()
    os.nice(max(0, min(19, arguments.nice)))
    start_logging("mine")
    signal.signal(signal.SIGTERM, _end)
    Mining(address, arguments.user, password, arguments.threads, SystemClock()).run(time.sleep)


def _end(_number: int, _frame: FrameType | None) -> None:
    """End the main thread where it stands; its `finally` stops the hashing threads."""
    sys.exit(0)


if __name__ == "__main__":
    run_root("mine", main)
