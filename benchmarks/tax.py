"""A month of many participants, pulled through the API by the sample consumer, all of it checked.

    python -m benchmarks.tax [--participants 10000] [--days 31]

Real processes: PostgreSQL in a temporary folder, `kench tax`, and `kench consumer pull`, which
checks the digest of each record, adds up what its parts say, and compares with the closing. Seconds
by the wall, CPU seconds and the peak of memory of each. Exit status 1: more than 60 s, or more
memory, or something differs but the officers' signatures, of which there are none here.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa
from rich.console import Console
from rich.table import Table

from benchmarks.ending import end
from benchmarks.income import NOW_US
from benchmarks.load.client import BUILD
from benchmarks.load.database import running_database
from benchmarks.load.income_data import PERIOD, fill_month
from benchmarks.load.process_memory import peak_bytes
from benchmarks.load.server_cpu import ServerCpu
from kench.payouts.income.generate import generate
from kench.pki.authority import make_authority
from kench.pool.clock import SystemClock
from kench.pool.database import Role, open_engine

PARTICIPANTS, DAYS = 10_000, 31
HELD_S, HELD_MIB, MIB = 60.0, 256, 1 << 20
CLIENT = "KG/GOV/10000001/taxes"
EXPECTED = "  DIFFERS officers who signed: said 2, found 0"
SUMS = ("accrued_sat", "sold_sat", "gross_tyiyn", "venue_fee_tyiyn", "pool_fee_tyiyn",
        "net_tyiyn", "paid_tyiyn")  # fmt: skip
# What closing does, but for what two officers sign.
CLOSE = f"""
    SET LOCAL session_replication_role = replica;
    INSERT INTO income_closings (period, version, kind, digest, records, participants,
        {", ".join(SUMS)}, content, act_1, act_2, at)
    SELECT '{PERIOD}', 1, 'closed', sha256(string_agg(sha256, ''::bytea ORDER BY sequence)),
        count(*), count(DISTINCT participant_id),
        {", ".join(f"sum({name})" for name in SUMS)}, '', 1, 2, now()
    FROM income_records WHERE period = '{PERIOD}';
    INSERT INTO income_releases
        (period, version, after_sequence, last_sequence, records, corrections, at)
    SELECT '{PERIOD}', 1, 0, max(sequence), count(*), 0, now()
    FROM income_records WHERE period = '{PERIOD}';
"""


class Pulled(NamedTuple):
    """What a pull took."""

    wall_s: float
    consumer_cpu_s: float
    consumer_mib: int
    provider_cpu_s: float
    provider_mib: int
    said: str


def pull(url: str, folder: Path) -> Pulled:
    """Serve it and pull the period."""
    variables = os.environ | {
        "KENCH_DATABASE_URL": url, "KENCH_DATA": str(folder), "KENCH_TAX_PORT": "0",
        "KENCH_TAX_METRICS_PORT": "0", "KENCH_TAX_REQUESTS_PER_S": "10000",
        "KENCH_TAX_CLIENTS": f'[{{"client": "{CLIENT}", "may": ["periods", "income-reports"]}}]',
    }  # fmt: skip
    with subprocess.Popen(
        [sys.executable, "-m", "kench.tax"], env=variables, stdout=subprocess.PIPE, text=True
    ) as provider:
        if provider.stdout is None:
            raise AssertionError("its output is a pipe")
        address = provider.stdout.readline().split()[-1]
        while provider.stdout.readline().split()[-1] != "ready":
            pass
        command = [sys.executable, "-m", "kench.consumer", "pull", "--period", PERIOD]
        command += ["--url", address, "--client", CLIENT]
        known = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.perf_counter()
        with subprocess.Popen(command, env=variables, stdout=subprocess.PIPE) as consumer:
            consumer_mib = 0
            while consumer.poll() is None:
                consumer_mib = max(consumer_mib, peak_bytes(consumer.pid) // MIB)
                time.sleep(0.02)
            wall_s = time.perf_counter() - began
            said = consumer.stdout.read().decode() if consumer.stdout else ""
        provider_mib = peak_bytes(provider.pid) // MIB
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        provider.terminate()
    both = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Pulled(
        wall_s, used.ru_utime + used.ru_stime - known.ru_utime - known.ru_stime, consumer_mib,
        both.ru_utime + both.ru_stime - used.ru_utime - used.ru_stime, provider_mib, said,
    )  # fmt: skip


def main(words: list[str] | None = None) -> int:
    """Measure, print, and say whether it is as fast as it is held to be."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.tax",
        description="Measure what it takes to pull a month of income through the API.",
        epilog="example: python -m benchmarks.tax --participants 1000 --days 5",
    )
    parser.add_argument("--participants", type=int, default=PARTICIPANTS, help="(10000)")
    parser.add_argument("--days", type=int, default=DAYS, help="days with a block (31)")
    parser.add_argument("--folder", type=Path, default=BUILD, help="a disk (build/benchmarks)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    given = parser.parse_args(words)
    given.folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="tax-", dir=given.folder) as name,
        running_database(Path(name)) as url,
    ):
        owner = open_engine(url, application_name="benchmark", statement_timeout_s=0)
        # The consumer trusts somebody, or it would not begin.
        make_authority(Path(name) / "run" / "pki", SystemClock())
        fill_month(owner, given.participants, given.days)
        engine = open_engine(url, Role.SETTLE, application_name="benchmark")
        with engine.begin() as db:
            records = generate(db, PERIOD, NOW_US).records
        engine.dispose()
        with owner.begin() as db:
            db.execute(sa.text(CLOSE))
            kept = sa.text("SELECT sum(octet_length(content)) FROM income_records")
            size_mb = int(db.scalar(kept) or 0) / 1e6
        server = ServerCpu(owner)
        before = server.seconds()
        took = pull(url, Path(name))
        server_s = server.seconds() - before
        owner.dispose()
    return _tell(given, records, size_mb, took, server_s)


def _tell(
    given: argparse.Namespace, records: int, size_mb: float, took: Pulled, server_s: float
) -> int:
    shown = Table(title=f"{records:,} records, {size_mb:,.0f} MB, pulled in {took.wall_s:.1f} s")
    for heading in ("process", "CPU s", "peak MiB"):
        shown.add_column(heading, justify="left" if heading == "process" else "right")
    shown.add_row("kench tax", f"{took.provider_cpu_s:.1f}", str(took.provider_mib))
    shown.add_row("kench consumer", f"{took.consumer_cpu_s:.1f}", str(took.consumer_mib))
    shown.add_row("PostgreSQL", f"{server_s:.1f}", "")
    console = Console()
    console.print(shown)
    faults = []
    differs = [line for line in took.said.splitlines() if "DIFFERS" in line]
    if differs != [EXPECTED] or f"records {records}," not in took.said:
        faults.append(f"what was pulled differs: {took.said}")
    if took.wall_s > HELD_S:
        faults.append(f"{took.wall_s:.1f} s, and {HELD_S:.0f} s are enough")
    if max(took.provider_mib, took.consumer_mib) > HELD_MIB:
        faults.append(f"more than {HELD_MIB} MiB of memory")
    return end(console, faults, took._asdict(), given.json)


if __name__ == "__main__":
    sys.exit(main())
