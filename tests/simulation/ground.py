"""What stories stand on: one database that each leaves empty, connections, and a folder."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2

from kench.payouts.bank.account import BankAccount
from kench.payouts.bank.directory import OPERATOR, set_account
from kench.pool.database import Role, open_engine
from kench.pool.database_url import libpq_url
from kench.pool.register import add_participant
from tests.payouts.bank.purse import AT
from tests.simulation.checks import Watch
from tests.simulation.database import Park, faulty_engine

PARTICIPANTS = 4
STORIES_BETWEEN_VACUUMS = 300
WRITTEN = (
    "journal_positions", "totals", "open_round", "open_day", "repeats", "resumed_jobs", "blocks",
    "block_outputs", "block_spans", "block_credits", "transfers", "accounts", "lots", "lot_events",
    "lot_shares", "lot_deposits", "lot_waits", "lot_remainders", "lot_carries", "lot_resolutions",
    "lot_settlements", "lot_settlement_lines", "screenings", "venue_orders", "fills", "sale_halts",
    "reconciliations", "licence_warnings", "payout_batches", "payouts", "bank_files",
    "bank_entries", "bank_statements",
)  # fmt: skip
"""Every table that a story writes rows into; the test of seeds sees that there is no other."""


class Ground:
    """A database at the newest schema, made ready for stories, one after another."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder
        self.park = Park()
        self.owner = open_engine(url, application_name="story", pool_size=2)
        self.plain = psycopg2.connect(libpq_url(url))
        self.plain.autocommit = True
        self._stories = 0
        self._begin()
        self.watch = Watch(self.plain)
        roles = {
            "settle 1": Role.SETTLE, "settle 2": Role.SETTLE, "sell 1": Role.SELL,
            "sell 2": Role.SELL, "payout": Role.SELL, "send": Role.READ,
        }  # fmt: skip
        self.engines = {
            name: faulty_engine(url, role, self.park, name=name, pool_size=3)
            for name, role in roles.items()
        }

    def _begin(self) -> None:
        with self.owner.begin() as connection:
            for number in range(1, PARTICIPANTS + 1):
                add_participant(connection, f"Участник {number}")
            for number in range(PARTICIPANTS + 1):
                name = f"Holder {number}" if number != OPERATOR else "Оператор"
                account = BankAccount(name, f"{number:016}", "DEMIKG22")
                set_account(connection, number, account, None, AT)
        with self.plain.cursor() as cursor:
            cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            known = {name for (name,) in cursor.fetchall()}
            cursor.execute(
                "CREATE TEMP TABLE accounts_at_first AS SELECT code, class FROM accounts"
            )
        self._written = [name for name in WRITTEN if name in known]
        self._empty = (
            "SET session_replication_role = replica; "
            + "; ".join(f"DELETE FROM {name}" for name in self._written if name != "accounts")
            + "; DELETE FROM accounts WHERE code NOT IN (SELECT code FROM accounts_at_first)"
            "; UPDATE accounts SET debits_pending = 0, debits_posted = 0, credits_pending = 0,"
            " credits_posted = 0, transfers = 0"
            + "; UPDATE leases SET epoch = 0, beat = 0, holder = NULL, taken_at = NULL,"
            " renewed_at = NULL; UPDATE settlement SET waits_for = NULL, since = NULL, day = NULL"
            "; SELECT setval(pg_get_serial_sequence('reconciliations', 'id'), 1, false)"
            "; SET session_replication_role = origin"
        )

    @contextmanager
    def story(self) -> Iterator[None]:
        """Hold one story; whatever it wrote is gone after it."""
        try:
            yield
        finally:
            self.park.end_story()
            for engine in self.engines.values():
                engine.dispose()
            shutil.rmtree(self.folder, ignore_errors=True)
            self._stories += 1
            with self.plain.cursor() as cursor:
                cursor.execute(self._empty)
                if self._stories % STORIES_BETWEEN_VACUUMS == 0:
                    cursor.execute(f"VACUUM {', '.join(self._written)}")

    def close(self) -> None:
        """Let go of the connections."""
        self.park.close()
        self.plain.close()
        self.owner.dispose()
