"""Run the benchmarks by name, all of them without one; each prints its own table.

python -m benchmarks [share_path ...]
"""

import argparse
import subprocess
import sys

BENCHMARKS = (
    "native_check",
    "template_to_job",
    "found_block",
    "share_path",
    "processes",
    "reload",
    "fan_out",
    "login_storm",
    "hostile",
    "steady",
    "revocation",
    "statistics",
    "first_share",
    "split",
    "cabinet",
    "books",
    "income",
    "tax",
    "proofs",
    "totals",
    "settling",
    "fence",
    "standby",
    "memory",
    "journal_nats",
    "share_stream",
    "job_feed",
    "big_block",
    "jetstream",
)


def main() -> int:
    """Run each, all of them even where one fails; return 1 if one did."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Run benchmarks. For the flags of one: python -m benchmarks.NAME --help",
        epilog="example: python -m benchmarks native_check",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    names = parser.parse_args().names or BENCHMARKS
    unknown = sorted(set(names) - set(BENCHMARKS))
    if unknown:
        parser.error(f"no benchmark is called {unknown[0]}: there are {', '.join(BENCHMARKS)}")
    failed = False
    for name in names:
        # Each in a process of its own: what one took of memory is not in the next one's figures.
        command = [sys.executable, "-m", f"benchmarks.{name}"]
        failed |= subprocess.run(command, check=False).returncode != 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
