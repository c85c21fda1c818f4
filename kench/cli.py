"""The `kench` command: it names the roots and runs the one asked for; it imports none of them.

Little is imported here, so that `kench --help` answers at once and a process's
command line says its role: `python .venv/bin/kench stratum ...`.
"""

import argparse
import ctypes
import os
import runpy
import signal
import sys
from typing import NamedTuple

from kench import __version__

PR_SET_PDEATHSIG = 1


class Root(NamedTuple):
    """A composition root: the module that is run, and what it is for."""

    module: str
    summary: str


ROOTS = {
    "up": Root("kench.up", "start database, node, stratum, settlement and a CPU miner"),
    "stratum": Root("kench.stratum", "serve miners"),
    "reload": Root(
        "kench.commands.reload", "give a running stratum new settings and code, miners mine on"
    ),
    "settle": Root("kench.payouts", "turn shares into totals, rounds and ledger entries"),
    "node": Root("kench.node", "run the development node (regtest only)"),
    "venue": Root("kench.venue", "run the paper venue: an exchange for trials"),
    "mine": Root("kench.miner", "mine on the CPU for a pool"),
    "screening": Root("kench.screening", "run the local AML/KYT provider, for development"),
    "sell": Root("kench.sale", "sell the coins of mature blocks at licensed venues"),
    "cabinet": Root("kench.cabinet", "serve the pages of the personal cabinet"),
    "tax": Root("kench.tax", "hand income over to the tax service, over X-Road"),
    "xroad": Root("kench.xroad", "run the twin of a security server, for development"),
    "consumer": Root("kench.consumer", "pull a period as the tax service would, and check it"),
    "sim": Root("kench.sim", "simulate a pool of a size: what it needs, how it fares"),
    "demo": Root("kench.demo", "show the hand-over of income on made-up data"),
    "lot": Root("kench.commands.lot", "show lots on their way to sale, decide about them"),
    "reconcile": Root("kench.commands.reconcile", "compare chain, lots and fills with the venues"),
    "pki": Root("kench.pki", "certify persons for the demo, and serve its revocation (regtest)"),
    "participant": Root(
        "kench.commands.participant", "add, list, suspend, resume or remove participants"
    ),
    "officer": Root("kench.commands.officer", "say whose signatures make an order"),
    "order": Root("kench.commands.order", "draft, propose, sign and show orders of the rules"),
    "trail": Root("kench.commands.trail", "verify, export and check the trail of the cabinet"),
    "payout": Root("kench.commands.payout", "pay participants by the bank, and take its answers"),
    "income": Root(
        "kench.commands.income", "form, compare and hand over income records for the tax service"
    ),
    "report": Root(
        "kench.commands.report", "list reports of participants: missing, late, to be looked at"
    ),
    "statement": Root("kench.commands.statement", "write a participant's month as evidence"),
    "migrate": Root("kench.commands.migrate", "bring the database's schema to this version"),
    "status": Root("kench.commands.status", "show what the pool holds and does"),
    "top": Root("kench.commands.top", "watch the pool and its workers live"),
    "proof": Root("kench.commands.proof", "prove what a participant has in a block"),
    "check-proof": Root("kench.commands.check_proof", "check such a proof, with nothing else"),
    "audit": Root(
        "kench.commands.audit", "print the trial balance and whose money it is; say what differs"
    ),
    "backup": Root("kench.commands.backup", "write a backup that its certificate's owner can open"),
    "restore": Root("kench.commands.restore", "open a backup, into a folder that is empty"),
    "archive": Root("kench.commands.archive", "stream the database's WAL into a folder"),
    "standby": Root("kench.commands.standby", "make, run, look at and promote a standby"),
    "gather": Root(
        "kench.commands.gather", "take the journals of fronts elsewhere from the stream"
    ),
    "install": Root("kench.install", "lay units, accounts and settings out on a machine"),
    "doctor": Root("kench.doctor", "check this machine and its services, say what to change"),
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
    _die_with_parent()
    sys.argv = [f"kench {role}", *sys.argv[2:]]
    runpy.run_module(ROOTS[role].module, run_name="__main__", alter_sys=True)


def _die_with_parent() -> None:
    """Under `kench up`, have the kernel send SIGTERM when it dies, however it dies.

    Nothing is left running after a `kill -9` of `kench up`. The variable names the parent, so that
    a parent that died before this line is noticed too.
    """
    parent = os.environ.get("KENCH_UP_PID")
    if parent is None:
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != int(parent):
        sys.exit("kench: the `kench up` that started this process is gone")


if __name__ == "__main__":
    main()
