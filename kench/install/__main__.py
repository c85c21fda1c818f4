"""Root of `kench install`: lays Kench out on a machine, and says what remains for a person."""

import compileall
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import kench
from kench.install.laying import Outcome, Step, lay, steps
from kench.install.plan import SHARE, InstallError, items, shipped_files
from kench.payouts.proofs.evidence import EvidenceKey
from kench.pool.roots import command, run_root

ROLE = "install"
EVIDENCE = Path("etc/credstore/kench.settle.evidence_key")
BOOTED = Path("/run/systemd/system")
STEP_S = 120
ACTIVATE = (
    ("systemd-sysusers", "kench.conf"),
    ("systemd-tmpfiles", "--create", "kench.conf"),
    ("sysctl", "--quiet", "--load", "/usr/lib/sysctl.d/60-kench.conf"),
    ("systemctl", "daemon-reload"),
)
REMAINS = f"""\
What remains for a person (deploy/README.md has each at length):
  1. /etc/kench/kench.toml: the network, addresses, the cabinet's name; authorities of signatures into
     /etc/kench/authorities.
  2. Secrets into /etc/credstore, mode 600, named kench.SERVICE.SETTING: node_urls for stratum, settle and cabinet.
     A copy of {EVIDENCE} where nobody else reads it: it signs what blocks paid.
  3. PostgreSQL: /{SHARE}/postgresql/pg_hba.conf in the place of its own, a certificate, a restart;
     as postgres `psql -v ON_ERROR_STOP=1 -f /{SHARE}/postgresql/roles.sql`.
  4. `sudo -u kench kench migrate`, then officers and the first order (docs/operations.md).
  5. nginx: your name and certificate in sites-available/kench-cabinet, a link to it in sites-enabled.
  6. `kench doctor`, and mend what it says.
  7. systemctl enable --now kench-stratum kench-settle kench-sell kench-tax kench-cabinet@8080 kench-cabinet@8081
"""  # noqa: E501 - lines for a terminal


def main() -> int:
    """Lay everything out, or say what would be done."""
    parser = command(
        ROLE,
        "Lay Kench out on this machine: units, accounts, folders, settings to fill in, the files\n"
        "of nginx, PostgreSQL and Prometheus where they are. Again after each update. What was\n"
        "edited is never lost: settings stay and new ones are put beside them (.kench-new); a\n"
        "unit that was changed is kept (.kept). It starts nothing.",
        example="kench install --dry-run",
        data=False,
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, do nothing")
    parser.add_argument(
        "--root", type=Path, default=Path("/"), metavar="DIR",
        help="lay it out below DIR, as for a package, and run nothing (default: /)",
    )  # fmt: skip
    parser.add_argument(
        "--program", type=Path, default=Path(sys.executable).parent / "kench", metavar="PATH",
        help="the command that services run (default: this one)",
    )  # fmt: skip
    given = parser.parse_args()
    root: Path = given.root.absolute()
    if not given.dry_run and root == Path("/") and os.geteuid() != 0:
        raise InstallError("run it as root, or name a --root; --dry-run says what it would do")
    planned = steps(items(shipped_files(), root, given.program), root)
    for step in planned if given.dry_run else lay(planned, root):
        _tell(step)
    if given.dry_run:
        print(f"kench install: would write {_changes(planned)} files, and run nothing yet")
        return 0
    _make_evidence_key(root)
    if root == Path("/"):
        # Services cannot write beside the program: without this each start compiles it anew.
        compileall.compile_dir(str(Path(kench.__file__).parent), quiet=2)
        _activate(ACTIVATE)
    print(f"kench install: {_changes(planned)} files written below {root}\n\n{REMAINS}", end="")
    return 0


def _changes(planned: Sequence[Step]) -> int:
    return sum(step.outcome is not Outcome.SAME for step in planned)


def _tell(step: Step) -> None:
    """Print what becomes of one file; of one that stays as it is, nothing."""
    words = {
        Outcome.NEW: "",
        Outcome.UPDATED: "",
        Outcome.REPLACED: "  (it had been edited: that is kept as .kept)",
        Outcome.BESIDE: "  (edited, so it stays; the new one is .kench-new beside it)",
    }
    if step.outcome in words:
        print(f"{step.outcome:<9}/{step.item.target}{words[step.outcome]}")


def _make_evidence_key(root: Path) -> None:
    """Make the key that signs what blocks paid, once: settlement itself writes to no folder."""
    place = root / EVIDENCE
    if place.exists():
        return
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = EvidenceKey.make(place)
    print(f"new      /{EVIDENCE}  (public key {key.public.hex()})")


def _activate(commands: Sequence[Sequence[str]]) -> None:
    """Make accounts and folders, and have systemd read its units."""
    for program, *words in commands:
        if shutil.which(program) is None or (program == "systemctl" and not BOOTED.is_dir()):
            print(f"skipped  {program} {' '.join(words)}: it is not here")
            continue
        done = subprocess.run([program, *words], timeout=STEP_S, check=False)  # noqa: S603 - our own words, no shell
        if done.returncode:
            raise InstallError(f"`{program} {' '.join(words)}` failed: see what it says above")


if __name__ == "__main__":
    run_root(ROLE, main)
