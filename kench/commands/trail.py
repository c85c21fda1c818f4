"""`kench trail`: the cabinet's trail verified, exported, and an export checked by itself."""

import argparse
import json
from datetime import date, timedelta
from pathlib import Path

from kench.commands.files import new_file
from kench.commands.proof import progress
from kench.commands.showing import action_of
from kench.payouts.proofs.evidence import read_public_key
from kench.payouts.trail.chain import Verified
from kench.payouts.trail.export import check_export, write_export
from kench.payouts.trail.lines import FIRST, Head
from kench.payouts.trail.reading import stretch_of_days, verify_all
from kench.payouts.trail.sealing import read_head
from kench.pool.calendar import day_at
from kench.pool.clock import SystemClock
from kench.pool.database import Role, one_transaction
from kench.pool.postgres import database_url
from kench.pool.roots import command, run_root, settings_of, start_logging

ROLE = "trail"


def main() -> int:
    """Run one action; 1 where something differs, else 0."""
    given = _parser().parse_args()
    key = read_public_key(given.key) if getattr(given, "key", None) else None
    if given.action == "check":
        with progress("checking") as show:
            checked = check_export(given.file, key=key, known=given.known, show=show)
        return _told(checked, as_json=given.json)
    settings = settings_of(given)
    start_logging(ROLE)
    with (
        database_url(settings) as url,
        one_transaction(url, Role.READ, application_name="kench trail") as db,
    ):
        # All as of one moment, however long it takes.
        db.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        db.exec_driver_sql("SET LOCAL statement_timeout = 0")
        head = read_head(db)
        if given.action == "verify":
            with progress("verifying", head.number) as show:
                found = verify_all(db, key=key, known=given.known, show=show)
            return _told(found, as_json=given.json)
        today = day_at(SystemClock().now_us())
        begins = given.begins or today - timedelta(days=30)
        stretch = stretch_of_days(db, begins, given.ends or today)
        with progress("exporting", stretch.until) as show, new_file(given.output) as file:
            write_export(db, file, stretch, SystemClock().now_us(), show)
        print(f"{given.output}: lines {stretch.after + 1} to {stretch.until}")
    return 0


def read_known(text: str) -> Head:
    """Read a line that was noted, `12:HASH`; raises ArgumentTypeError."""
    number, _, hash_ = text.partition(":")
    try:
        known = Head(int(number), bytes.fromhex(hash_))
    except ValueError:
        known = Head()
    if known.number < 1 or len(known.hash) != len(FIRST):
        raise argparse.ArgumentTypeError("write it as 12:HASH, as `kench trail verify` says it")
    return known


def _told(found: Verified, *, as_json: bool) -> int:
    """Print what came of it; return the exit status."""
    if as_json:
        print(
            json.dumps(
                {
                    "holds": not found.count,
                    "after": found.begins.number,
                    "until": found.ends.number,
                    "hash": found.ends.hash.hex(),
                    "lines": found.lines,
                    "anchors": found.anchors,
                    "anchored": found.anchored,
                    "keys": sorted(key.hex() for key in found.keys),
                    "findings": found.count,
                    "named": found.findings,
                },
                ensure_ascii=False,
            )
        )
        return 1 if found.count else 0
    for words in found.findings:
        print(f"kench trail: {words}")
    if found.count > len(found.findings):
        print(f"kench trail: and {found.count - len(found.findings)} more")
    print(f"lines        {found.begins.number + 1} to {found.ends.number}, {found.lines} read")
    print(f"ends with    {found.ends.number}:{found.ends.hash.hex()} (note it: --known next time)")
    print(f"anchors      {found.anchors}, the last at line {found.anchored}")
    for key in sorted(found.keys):
        print(f"signed by    {key.hex()} (compare it, or give it by --key)")
    print("kench trail: it holds" if not found.count else f"kench trail: {found.count} DIFFER")
    return 1 if found.count else 0


def _parser() -> argparse.ArgumentParser:
    parser = command(
        ROLE,
        "The trail of who did and opened what: lines sealed in a chain, each day's end signed.\n"
        "Exit status 1 where anything was changed, removed, slipped in or cut off.",
        example="kench trail verify --data ./data",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    verify = action_of(
        actions, "verify", "check the whole trail in the database", "kench trail verify --key p.pem"
    )
    export = action_of(
        actions,
        "export",
        "write whole days of it as a ZIP that is checked without a database",
        "kench trail export --from 2026-11-01 --to 2026-11-30 --output november.zip",
    )
    export.add_argument("--from", dest="begins", type=date.fromisoformat, metavar="DAY",
                        help="first day (default: thirty days ago)")  # fmt: skip
    export.add_argument("--to", dest="ends", type=date.fromisoformat, metavar="DAY",
                        help="last day (default: today)")  # fmt: skip
    export.add_argument("--output", type=Path, required=True, metavar="FILE", help="a new ZIP")
    check = action_of(
        actions, "check", "check an export with nothing but itself", "kench trail check nov.zip"
    )
    check.add_argument("file", type=Path, metavar="FILE", help="what `kench trail export` wrote")
    for one in (verify, check):
        one.add_argument(
            "--key", metavar="KEY", help="the pool's public key as you know it: 64 hex or a PEM"
        )
        one.add_argument(
            "--known", type=read_known, action="append", default=[], metavar="NUMBER:HASH",
            help="a line that you noted before, such as where it ended then: without it an end "
            "that was cut off with its anchors is not found",
        )  # fmt: skip
        one.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


if __name__ == "__main__":
    run_root(ROLE, main)
