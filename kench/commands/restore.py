"""`kench restore`: a backup becomes a data folder again, or is checked by becoming one."""

import argparse
import sys
from datetime import datetime
from pathlib import Path

from kench.backup.checking import check_backup
from kench.backup.errors import RestoreError
from kench.backup.recovery import Recovery
from kench.backup.restoring import Order, Restored, restore
from kench.payouts.proofs.evidence import read_public_key
from kench.pool.moments import us_of
from kench.pool.roots import command, end_tidily, run_root, settings_of, start_logging
from kench.pool.running import node_urls_of

ROLE = "restore"


def main() -> None:
    """Restore or check."""
    parser = _parser()
    given = parser.parse_args()
    if (given.data_dir is None) is not given.check:
        parser.error("name the new folder by --data, or say --check")
    # Of a data folder that is not there yet, the settings are those of the environment.
    settings = settings_of(argparse.Namespace(data_dir=given.data_dir))
    start_logging(ROLE)
    end_tidily()
    order = Order(
        given.file,
        given.key,
        settings.data_dir,
        settings.backup_openssl,
        key_words=given.key_words,
        signer=read_public_key(given.signer) if given.signer else None,
        recovery=_recovery(given),
        journal=given.journal,
        postgres_bin=settings.backup_postgres_bin,
    )
    if given.check:
        nodes = " ".join(node_urls_of(settings)) or None
        checked = check_backup(order, given.scratch, nodes, _say)
        _tell(checked.restored)
        for words in checked.said:
            print(f"  {words}")
        print("kench restore: the backup can be restored, and its books hold")
        return
    _tell(restore(order, _say))
    print(
        f"kench restore: {settings.data_dir} is ready; put its secrets into the settings, then run "
        f"`kench verify --data {settings.data_dir}` and `kench up --data {settings.data_dir}`"
    )


def _parser() -> argparse.ArgumentParser:
    parser = command(
        ROLE,
        "Open a backup with the key it was sealed for, compare every part with its manifest, and\n"
        "make an empty folder a data folder. Nothing is left where anything is wrong.",
        example="kench restore kench.backup --key authority.key --data /var/lib/kench-new\n"
        "  kench restore kench.backup --key authority.key --check\n"
        "  kench restore kench.backup --key authority.key --data ./then \\\n"
        "      --wal /srv/kench-wal --until 2026-11-23T09:00:00+06:00 --journal /srv/kench/journal",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="what `kench backup` wrote")
    parser.add_argument("--key", type=Path, required=True, metavar="KEY.pem", help="key to open it")
    parser.add_argument(
        "--key-words", type=Path, metavar="FILE", help="file with the words that protect that key"
    )
    parser.add_argument(
        "--signer",
        metavar="KEY",
        help="public evidence key that must have signed: hex, or PEM file",
    )
    parser.add_argument(
        "--check", action="store_true", help="restore into a scratch folder, audit, and remove it"
    )
    parser.add_argument(
        "--scratch", type=Path, metavar="DIR", help="where the scratch folder is made (TMPDIR)"
    )
    parser.add_argument(
        "--wal", type=Path, metavar="DIR", help="WAL archive to recover further from"
    )
    parser.add_argument(
        "--until", type=_moment, metavar="MOMENT",
        help="recover up to this moment, such as 2026-11-23T09:00:00+06:00 (needs --wal)",
    )  # fmt: skip
    parser.add_argument(
        "--journal", type=Path, metavar="DIR",
        help="newer journals (DATA/journal of the main machine or a standby) to take instead",
    )  # fmt: skip
    return parser


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text} is no moment: write it such as 2026-11-23T09:00:00+06:00"
        ) from error


def _recovery(given: argparse.Namespace) -> Recovery | None:
    if given.wal is None:
        if given.until is not None:
            raise RestoreError("--until needs --wal: the folder of the WAL archive")
        return None
    if not given.wal.is_dir():
        raise RestoreError(f"{given.wal} is no folder: name the WAL archive by --wal")
    if given.until is not None and given.until.tzinfo is None:
        raise RestoreError("--until needs its offset, such as 2026-11-23T09:00:00+06:00")
    return Recovery(given.wal, given.until and us_of(given.until))


def _say(words: str) -> None:
    sys.stderr.write(f"kench restore: {words}\n")
    sys.stderr.flush()


def _tell(restored: Restored) -> None:
    facts = restored.facts
    print(
        f"backup {facts['id']} of {facts['began']}, by Kench {facts['kench']} on {facts['machine']}"
    )
    signer = restored.signer.hex() if restored.signer else "nobody: anybody may have made it"
    print(f"signed by {signer}")
    shares = sum(restored.journals.values())
    settled = sum(restored.totals.positions.values())
    print(
        f"{shares} shares in {len(restored.journals)} journals, {settled} of them settled; "
        f"{facts['blocks']} found blocks; {restored.totals.transfers} transfers"
    )


if __name__ == "__main__":
    run_root(ROLE, main)
