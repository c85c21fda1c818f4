"""At the end: acknowledged shares are in the journals, totals are these, the books agree."""

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from benchmarks.soak.miners import numbers_of
from benchmarks.soak.sampling import SETTLED, journals_of
from kench.pool.journal import Flag, JournalReader

SETTLE_S, STEP_S, AUDIT_S = 300.0, 0.5, 1500.0
RECORDS = 65_536
TOTALS = sa.text("SELECT coalesce(sum(accepted), 0) FROM totals")
REPEATS = sa.text("SELECT count(*) FROM repeats")


@dataclass(frozen=True, slots=True)
class Books:
    """What was told, what the journals hold, what the totals say."""

    acknowledged: int
    lost: int
    """Acknowledged and in no journal."""
    journal: int
    unacknowledged: int
    """In a journal, but their answer was lost on its way."""
    twice: int
    uncredited: int
    totals: int
    audit: str
    """Last line of `kench audit`."""
    is_audit_clean: bool

    def faults(self) -> list[str]:
        """Say what must not be."""
        found = []
        if self.lost:
            found.append(f"{self.lost} acknowledged shares are in no journal")
        if self.totals != self.journal - self.uncredited - self.twice:
            found.append(
                f"the totals have {self.totals} shares, the journals {self.journal} "
                f"({self.uncredited} without credit, {self.twice} twice)"
            )
        if not self.is_audit_clean:
            found.append(f"kench audit: {self.audit}")
        return found


def await_settled(engine: sa.Engine, data: Path) -> bool:
    """Wait until settlement has read all that is durable; False where it does not come to it."""
    deadline = time.monotonic() + SETTLE_S
    while time.monotonic() < deadline:
        try:
            with engine.connect() as connection:
                settled = int(connection.execute(SETTLED).scalar_one())
        except sa.exc.SQLAlchemyError:
            settled = -1
        if settled == sum(JournalReader(one).durable() for one in journals_of(data)):
            return True
        time.sleep(STEP_S)
    return False


def check(engine: sa.Engine, data: Path, told: npt.NDArray[np.uint64], url: str) -> Books:
    """Compare all three."""
    held, uncredited = _journals(data)
    with engine.connect() as connection:
        totals = int(connection.execute(TOTALS).scalar_one())
        repeats = int(connection.execute(REPEATS).scalar_one())
    known = np.unique(held)
    words, is_clean = _audit(data, url)
    told = np.unique(told)
    return Books(
        acknowledged=len(told),
        lost=int((~np.isin(told, known)).sum()),
        journal=len(held),
        unacknowledged=int((~np.isin(known, told)).sum()),
        twice=repeats,
        uncredited=uncredited,
        totals=totals,
        audit=words,
        is_audit_clean=is_clean,
    )


def _journals(data: Path) -> tuple[npt.NDArray[np.uint64], int]:
    parts, uncredited = [np.empty(0, np.uint64)], 0
    for folder in journals_of(data):
        reader = JournalReader(folder)
        at, end = 0, reader.durable()
        while at < end:
            records = reader.read(at, RECORDS)
            at += len(records)
            parts.append(numbers_of(records))
            uncredited += int(((records["flags"] & Flag.UNCREDITED) != 0).sum())
    return np.concatenate(parts), uncredited


def _audit(data: Path, url: str) -> tuple[str, bool]:
    command = [sys.executable, "-m", "kench", "audit", "--data", str(data)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=AUDIT_S, check=False,
            env={"PATH": "/usr/bin:/bin", "KENCH_DATABASE_URL": url},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"not done in {AUDIT_S:.0f} s", False
    last = (done.stdout.strip() or done.stderr.strip()).splitlines()[-1:]
    return (last[0] if last else "it said nothing"), done.returncode == 0
