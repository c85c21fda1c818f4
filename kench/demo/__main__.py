"""Root of `kench demo`: shows parts of the pool at work."""

import tempfile
from pathlib import Path

from kench.demo.month import PERIOD, make_month
from kench.demo.tax import show
from kench.pki.authority import ROOT_FILE, make_authority
from kench.pool.clock import SystemClock
from kench.pool.database import open_engine
from kench.pool.postgres import database_url
from kench.pool.roots import announce, command, end_tidily, run_root, settings_of, start_logging
from kench.pool.secret_sources import tell_secret
from kench.pool.settings import Settings

ROLE = "demo"


def main() -> int:
    """Show what is asked for."""
    parser = command(
        ROLE,
        "Show how the tax service pulls income: kench tax, the twin of a security server, and the "
        "sample\nconsumer, which checks digests, sums and both officers' signatures. Of a made-up "
        "month in a folder\nthat is thrown away; with --period of a closed month of this pool's, "
        "checked by its own authorities.",
        example="kench demo tax\n  kench demo tax --data ./data --period 2026-10",
    )
    parser.add_argument("what", choices=("tax",), help="what to show")
    parser.add_argument("--period", metavar="MONTH", help="a closed month of this pool")
    arguments = parser.parse_args()
    settings = settings_of(arguments)
    start_logging(ROLE)
    end_tidily()
    if arguments.period:
        return _show(arguments.period, settings)
    with tempfile.TemporaryDirectory(prefix="kench-demo-") as name:
        # Never in a database of somebody's.
        made_up = Settings(data_dir=Path(name), database_url=None)
        return _show(None, made_up)


def _show(period: str | None, settings: Settings) -> int:
    clock = SystemClock()
    variables: dict[str, str] = {}
    with database_url(settings, make=period is None) as url:
        if period is None:
            authority = make_authority(settings.demo_pki_directory, clock)
            engine = open_engine(url, application_name="kench demo")
            with engine.begin() as db:
                records = make_month(db, authority, clock)
            engine.dispose()
            announce(ROLE, f"made up {records} records of {PERIOD}, closed by two officers")
            variables["KENCH_SIGNATURE_ROOTS"] = str(authority.folder / ROOT_FILE)
        variables |= {"KENCH_DATA": str(settings.data_dir)}
        variables = tell_secret(variables, settings.secrets_directory, "database_url", url)
        settings.log_directory.mkdir(parents=True, exist_ok=True)
        log = settings.log_directory / "demo.log"
        return show(period or PERIOD, variables, log, made_up=period is None)


if __name__ == "__main__":
    run_root(ROLE, main)
