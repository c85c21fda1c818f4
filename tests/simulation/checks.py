"""What must hold after each step, and at a story's end: the audit's rules, and the world's word."""

from collections import Counter
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from kench.payouts.audit.invariants import INVARIANTS
from kench.payouts.audit.run import audit
from kench.payouts.totals import work_of_share
from kench.pool.journal.format import Flag
from kench.venue.exchange import FINE_PER_TYIYN

if TYPE_CHECKING:
    import psycopg2.extensions

    from tests.simulation.world import World

_POSITIONS = "SELECT instance, next_sequence FROM journal_positions ORDER BY instance"
_TOTALS = "SELECT participant_id, worker_id, accepted, work_hashes FROM totals WHERE accepted > 0"
CREDITED_LOTS = "SELECT coinbase_txid, vout FROM lots WHERE credited_at IS NOT NULL"


class BrokenError(AssertionError):
    """Something that must hold does not."""


class Watch:
    """Asks a database the questions of `kench audit`, planned once."""

    def __init__(self, connection: "psycopg2.extensions.connection") -> None:
        self._cursor = connection.cursor()
        # One function is one question, whose parts are planned once.
        parts = [
            f"RETURN QUERY SELECT {number}, words::text "
            f"FROM ({rule.replace(chr(92), '')}) AS rule (words);"
            for number, rule in enumerate(INVARIANTS.values())
        ]
        self._cursor.execute(
            "CREATE OR REPLACE FUNCTION differences() RETURNS TABLE (rule int, words text) "
            "LANGUAGE plpgsql AS $rules$ #variable_conflict use_column\n"
            f"BEGIN {' '.join(parts)} END $rules$"
        )

    def ask(self, question: str) -> list[Any]:
        """Return the rows of a question of the story's own."""
        self._cursor.execute(question)
        return self._cursor.fetchall()

    def look(self, world: "World") -> None:
        """Ask everything that must hold after each step. Raises BrokenError."""
        for number, words in self.ask("SELECT rule, words FROM differences() LIMIT 1"):
            raise BrokenError(f"{list(INVARIANTS)[number]}: {words}")
        self._shares(world)
        self._blocks(world)
        if not world.credited().issuperset(self.ask(CREDITED_LOTS)):
            raise BrokenError("a lot counts as credited that its venue did not credit")

    def _shares(self, world: "World") -> None:
        """Acknowledged shares are in the journal, and what is settled of it is in the totals."""
        settled = dict(self.ask(_POSITIONS))
        expected: Counter[tuple[int, int]] = Counter()
        work: Counter[tuple[int, int]] = Counter()
        for front in world.fronts:
            records = front.on_disk()
            lost = Counter(front.acknowledged) - Counter(records["crc32"].tolist())
            if lost:
                raise BrokenError(f"acknowledged shares are not in journal {front.number}")
            for record in records[: settled.get(front.number, 0)]:
                if not record["flags"] & Flag.UNCREDITED:
                    who = int(record["participant"]), int(record["worker"])
                    expected[who] += 1
                    work[who] += work_of_share(float(record["difficulty"]))
        found = {(row[0], row[1]): (row[2], int(row[3])) for row in self.ask(_TOTALS)}
        if found != {who: (count, work[who]) for who, count in expected.items()}:
            raise BrokenError(f"totals are {found}, the settled shares {dict(expected)}")

    def _blocks(self, world: "World") -> None:
        """Only what was deep on the chain is mature."""
        for (block_hash,) in self.ask("SELECT hash FROM blocks WHERE state = 'mature'"):
            if world.deepest.get(block_hash, 0) < world.maturity:
                raise BrokenError(f"block {block_hash} is mature and was never so deep")


def check_end(world: "World") -> None:
    """Everything came to its end, and each world outside agrees with the books."""
    with world.ground.owner.connect() as connection:
        report = audit(
            connection, world.journals, lambda: world.chain, world.maturity, lambda *_: None,
            orders=world.book,
        )  # fmt: skip
        if report.differences:
            raise BrokenError(f"kench verify: {report.differences[0]}")
        if report.waiting_blocks:
            raise BrokenError("blocks are left that settlement still has to do something about")
        for name in world.exchanges:
            _check_venue(world, connection, name)
        _check_bank(world, connection)


def _check_venue(world: "World", connection: sa.Connection, name: str) -> None:
    exchange = world.exchanges[name]
    booked = {
        row.trade_id: (row.client_id, row.amount_sat)
        for row in connection.execute(
            sa.text("SELECT * FROM fills WHERE venue = :venue"), {"venue": name}
        )
    }
    traded = {str(one.trade_id): (one.client_id, one.amount_sat) for one in exchange.trades}
    if booked != traded:
        raise BrokenError(f"trades of {name} are {traded}, our fills {booked}")
    held_sat = _balance(connection, f"venue:{name}:btc")
    if held_sat != exchange.free_sat + exchange.held_sat - world.unlotted_sat(name):
        raise BrokenError(f"venue {name} holds other coins than the books say")
    tyiyn = exchange.kgs_fine // FINE_PER_TYIYN
    if not tyiyn - 2 * len(exchange.deposits) <= _balance(connection, f"venue:{name}:kgs") <= tyiyn:
        raise BrokenError(f"venue {name} holds other money than the books say")


def _check_bank(world: "World", connection: sa.Connection) -> None:
    """Each payment that the bank did is a payout, once; what it has is what the books say."""
    bank = world.bank
    rows = connection.execute(sa.text("SELECT end_to_end_id, state FROM payouts"))
    states = {row.end_to_end_id: row.state for row in rows}
    for id_ in bank.paid:
        wanted = "returned" if id_ in bank.returned else "booked"
        if states.get(id_) != wanted:
            raise BrokenError(f"the bank's payment {id_} is {wanted}, the books say {states}")
    kept = sum(tyiyn for id_, tyiyn in bank.paid.items() if id_ not in bank.returned)
    if _balance(connection, "bank:clients") != sum(world.wired.values()) - kept:
        raise BrokenError("the bank has other money than the books say")


def _balance(connection: sa.Connection, code: str) -> int:
    found = connection.execute(
        sa.text("SELECT posted FROM account_balances WHERE code = :code"), {"code": code}
    ).scalar_one_or_none()
    return int(found or 0)
