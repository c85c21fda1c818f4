"""The `kench` command: it names the roots and runs the one asked for; it imports none of them.

Little is imported here, so that `kench --help` answers at once and a process's
command line says its role: `python .venv/bin/kench stratum ...`.
"""

import argparse
import runpy
import sys
from typing import NamedTuple

from kench import __version__


class Root(NamedTuple):
    """A composition root: the module that is run, and what it is for."""

    module: str
    summary: str


ROOTS = {
    "up": Root("kench.up", "start database, node, stratum, settlement and a CPU miner"),
    "stratum": Root("kench.stratum", "serve miners"),
    "settle": Root("kench.payouts", "turn shares into totals, rounds and ledger entries"),
    "node": Root("kench.node", "run the development node (regtest only)"),
    "mine": Root("kench.miner", "mine on the CPU for a pool"),
    "participant": Root(
        "kench.commands.participant", "add, list, suspend, resume or remove participants"
    ),
    "status": Root("kench.commands.status", "show what the pool holds and does"),
    "verify": Root("kench.commands.verify", "recompute everything from journal and chain"),
}


def main() -> None:
    """Run `kench ROLE ...`: the root sees its own arguments only."""
    listing = "\n".join(f"  {name:<12} {root.summary}" for name, root in ROOTS.items())
    parser = argparse.ArgumentParser(
        prog="kench",
        usage="kench [--help] [--version] ROLE ...",
        description="The server of the Unified State System of Collective Mining.",
        epilog=f"roles:\n{listing}\n\nEach has --help.\n\nexample:\n  kench up --data ./data",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"kench {__version__}")
    parser.add_argument("role", choices=ROOTS, metavar="ROLE", help="what to run, one of the below")
    role: str = parser.parse_args(sys.argv[1:2]).role
    sys.argv = [f"kench {role}", *sys.argv[2:]]
    runpy.run_module(ROOTS[role].module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
