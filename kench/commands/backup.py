"""`kench backup`: all that a pool is made of, in one file that owners of certificates can open."""

import argparse
import os
import sys
from pathlib import Path

from kench.backup.checking import check_backup, passing_key
from kench.backup.dumping import Source
from kench.backup.making import Made, Plan, Progress, make_backup
from kench.backup.priority import give_way
from kench.backup.restoring import Order
from kench.backup.sealing import recipient_flags
from kench.payouts.proofs.evidence import EvidenceKey
from kench.pool.clock import Clock, SystemClock
from kench.pool.postgres import database_url
from kench.pool.roots import command, end_tidily, run_root, settings_of, start_logging
from kench.pool.running import node_urls_of
from kench.pool.settings import Settings

ROLE = "backup"
TOLD_EACH_S = 5.0


def main() -> None:
    """Write a backup, and verify it where that is asked for."""
    given = _parse()
    settings = settings_of(given)
    start_logging(ROLE)
    end_tidily()
    give_way()
    clock = SystemClock()
    if not given.verify:
        _tell(_make(settings, given, given.certificates, clock))
        return
    with passing_key(settings.backup_openssl) as (certificate, key):
        _tell(_make(settings, given, [*given.certificates, certificate], clock))
        order = Order(given.to, key, settings.data_dir, settings.backup_openssl,
                      postgres_bin=settings.backup_postgres_bin)  # fmt: skip
        nodes = " ".join(node_urls_of(settings)) or None
        checked = check_backup(order, given.scratch, nodes, _say)
    for words in checked.said:
        print(f"  {words}")
    left = "" if nodes else "; no node was known, so the chain was not compared"
    print(f"kench backup: verified by restoring it{left}")


def _parse() -> argparse.Namespace:
    parser = command(
        ROLE,
        "Write database, journals, found blocks, public certificates and settings without secrets\n"
        "into one file, sealed to certificates (CMS, AES-256-GCM). The pool may run.",
        example="kench backup --to /mnt/kench-2026-11-23.backup --for authority.pem --verify",
    )
    parser.add_argument("--to", type=Path, required=True, metavar="FILE", help="file to write")
    parser.add_argument(
        "--for", dest="certificates", type=Path, required=True, action="append", metavar="CERT.pem",
        help="certificate whose owner can open it; may be said several times",
    )  # fmt: skip
    parser.add_argument(
        "--with-evidence-key", action="store_true", help="put evidence.pem into it as well"
    )
    parser.add_argument(
        "--verify", action="store_true",
        help="then restore it into a scratch folder and audit that; for this it is sealed to a key "
        "too that is thrown away afterwards",
    )  # fmt: skip
    parser.add_argument(
        "--scratch", type=Path, metavar="DIR", help="where scratch folders are made (TMPDIR)"
    )
    return parser.parse_args()


def _make(
    settings: Settings, given: argparse.Namespace, certificates: list[Path], clock: Clock
) -> Made:
    key = settings.evidence_key or settings.own_evidence_key
    signer = EvidenceKey.read(key) if key.exists() else None
    if signer is None:
        _say(f"there is no evidence key {key}, so the backup will not be signed")
    with database_url(settings) as url:
        plan = Plan(
            settings,
            Source(url, settings.database_url is None, settings.backup_postgres_bin),
            recipient_flags(certificates, clock.now_us()),
            signer,
            key if given.with_evidence_key else None,
            os.environ.get("KENCH_CONFIG"),
        )
        return make_backup(plan, given.to, clock, _progress(clock))


def _progress(clock: Clock) -> Progress:
    """Say each few seconds how far it is."""
    said_at = clock.monotonic()

    def tell(what: str, done: int) -> None:
        nonlocal said_at
        if clock.monotonic() - said_at >= TOLD_EACH_S:
            said_at = clock.monotonic()
            _say(f"{what}, {done / 1e6:.0f} MB so far")

    return tell


def _say(words: str) -> None:
    sys.stderr.write(f"kench backup: {words}\n")
    sys.stderr.flush()


def _tell(made: Made) -> None:
    print(f"{made.path}: {made.size} bytes, {made.parts} parts, backup {made.backup_id}")


if __name__ == "__main__":
    run_root(ROLE, main)
