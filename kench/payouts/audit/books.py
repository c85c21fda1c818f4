"""The books compared with what the journal makes them: blocks, credits, ledger, totals, rounds."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa

from kench.payouts import tables
from kench.payouts.accounts import ALWAYS_OPEN
from kench.payouts.audit.report import Report
from kench.payouts.booking import UNKNOWN_FINDER
from kench.payouts.open_work import Gathered, OpenWork, Span
from kench.payouts.rounds import FoundBlock, Stretch, pay_day
from kench.payouts.totals import Totals, grow
from kench.payouts.transfers import BlockState, Kind, Transfer, expected_transfers
from kench.pool.moments import moment_of

BLOCKS_AT_ONCE = 500
"""Blocks whose credits and transfers are read in one question."""
# What lines about anything but blocks have moved: these are compared elsewhere, balances here.
_OTHER_MOVES = sa.text("""
    WITH sides AS (
        SELECT debit_account AS code, kind, pending_id, amount AS debit, 0 AS credit
        FROM transfers WHERE subject <> 'block'
        UNION ALL
        SELECT credit_account, kind, pending_id, 0, amount
        FROM transfers WHERE subject <> 'block'
    )
    SELECT code,
        sum(CASE WHEN kind = 'pend' THEN debit WHEN pending_id IS NULL THEN 0 ELSE -debit END)
            ::bigint,
        sum(CASE WHEN kind = 'post' THEN debit ELSE 0 END)::bigint,
        sum(CASE WHEN kind = 'pend' THEN credit WHEN pending_id IS NULL THEN 0 ELSE -credit END)
            ::bigint,
        sum(CASE WHEN kind = 'post' THEN credit ELSE 0 END)::bigint,
        count(*)
    FROM sides GROUP BY code
""")


class BooksAudit:
    """Takes what the journals amount to, stretch by stretch, and compares at the end what is left.

    `connection` is one snapshot of the database for as long as the audit lasts.
    """

    def __init__(self, connection: sa.Connection, report: Report) -> None:
        self._connection = connection
        self._report = report
        self._totals: Totals = {}
        self._open_work = OpenWork()
        self._repeats: dict[int, list[int]] = {}
        self._accounts: dict[str, list[int]] = defaultdict(lambda: [0] * 5)
        self._block_transfers = 0
        self._awaiting: list[FoundBlock] = []
        # How many rows of what a block has are of blocks that the journals show.
        self._rows = dict.fromkeys(
            (tables.block_credits, tables.block_outputs, tables.block_spans), 0
        )
        self.blocks = {row.hash: row for row in connection.execute(sa.select(tables.blocks)).all()}
        self._unmet = set(self.blocks)

    def take(self, stretch: Stretch) -> None:
        """Compare the blocks of a stretch and keep its totals."""
        grow(self._totals, stretch.totals)
        for start in range(0, len(stretch.blocks), BLOCKS_AT_ONCE):
            self._compare_found(stretch.blocks[start : start + BLOCKS_AT_ONCE])

    def end_day(self, today: Gathered, ends: Mapping[int, int]) -> None:
        """Compare the blocks that pay a day which is over."""
        for start in range(0, len(self._awaiting), BLOCKS_AT_ONCE):
            found = self._awaiting[start : start + BLOCKS_AT_ONCE]
            self._compare_paid([pay_day(block, today, ends) for block in found])
        self._awaiting = []

    def take_open_work(
        self, open_work: OpenWork, ends: Mapping[int, int], repeats: dict[int, list[int]]
    ) -> None:
        """Keep what the journals leave open, and which of their shares are repeats.

        Blocks of the last day have what they pay only once settlement knows that it is over.
        """
        self._open_work, self._repeats = open_work, repeats
        unpaid = [block for block in self._awaiting if not self.blocks[block.hash].credits]
        self._awaiting = [block for block in self._awaiting if self.blocks[block.hash].credits]
        self.end_day(open_work.today, ends)
        self._compare_paid(unpaid)

    def finish(self) -> None:
        """Compare everything that only the whole of the journals tells."""
        for block_hash in sorted(self._unmet):
            self._report.differ(f"block {block_hash} is in the books and in no journal")
        self._compare_totals()
        self._compare_open_work()
        self._compare_accounts()
        self._compare_counts()

    def _compare_found(self, found: list[FoundBlock]) -> None:
        """Compare the facts of blocks, then what they pay where that is known at once."""
        known = []
        outputs = self._rows_of(tables.block_outputs, [block.hash for block in found])
        for block in found:
            self._report.blocks += 1
            row = self.blocks.get(block.hash)
            if row is None:
                self._report.differ(
                    f"block {block.hash} is in journal {block.instance} and not booked"
                )
                continue
            self._unmet.discard(block.hash)
            self._compare_block(block, row)
            # NULL where it was booked before outputs were kept (migration 0010).
            if row.coinbase_txid is not None:
                self._compare_rows(
                    tables.block_outputs,
                    f"output (script, sat) of block {block.hash}",
                    {one.vout: (bytes(one.script), one.amount_sat) for one in outputs[block.hash]},
                    {
                        vout: (output.script, output.amount_sat)
                        for vout, output in enumerate(block.outputs)
                        if output.amount_sat
                    },
                )
            known.append(block)
        self._awaiting += [block for block in known if block.paid is None]
        self._compare_paid([block for block in known if block.paid is not None])

    def _compare_paid(self, found: list[FoundBlock]) -> None:
        """Compare what blocks pay; one without that yet must have paid nothing."""
        hashes = [block.hash for block in found]
        credited = self._rows_of(tables.block_credits, hashes)
        spans = self._rows_of(tables.block_spans, hashes)
        lines = self._transfers_of(hashes)
        for block in found:
            self._compare_rows(
                tables.block_credits,
                f"credit (work, sat) of block {block.hash} to participant",
                {one.participant_id: (one.work_hashes, one.reward_sat)
                 for one in credited[block.hash]},
                {who: (work, block.amounts_sat[who]) for who, work in block.work_hashes.items()},
            )  # fmt: skip
            row = self.blocks[block.hash]
            if row.coinbase_txid is not None:
                self._compare_spans(block, spans[block.hash])
            self._compare_transfers(block, row, lines[block.hash])

    def _compare_spans(self, block: FoundBlock, rows: list[Any]) -> None:
        found = {row.instance: Span(row.from_sequence, row.to_sequence, row.cut_hashes)
                 for row in rows}  # fmt: skip
        # NULL for a round that was open before spans were kept.
        unknown = {number for number, span in found.items() if span.from_sequence is None}
        expected = {
            number: span._replace(from_sequence=None) if number in unknown else span
            for number, span in (block.paid.spans if block.paid else {}).items()
        }
        self._compare_rows(
            tables.block_spans, f"span of block {block.hash} in journal", found, expected
        )

    def _compare_rows(
        self, table: sa.Table, what: str, found: Mapping[Any, Any], expected: Mapping[Any, Any]
    ) -> None:
        """Compare rows of a block, and count them: what belongs to no block is found by that."""
        self._rows[table] += len(expected)
        _compare_keyed(self._report, what, found, expected)

    def _compare_block(self, block: FoundBlock, row: "sa.Row[tuple[object, ...]]") -> None:
        expected = {
            "height": block.height,
            "instance": block.instance,
            "sequence": block.sequence,
            "job_key": block.job_key,
            "reward_sat": block.reward_sat,
            "found_at": moment_of(block.time_us),
            "credited": block.credited,
            "order_number": block.order,
            "method": block.method,
            "day": block.day,
            "coinbase_txid": row.coinbase_txid and block.coinbase_txid,
        }
        for name, value in expected.items():
            self._report.compare(f"{name} of block {block.hash}", getattr(row, name), value)
        # The worker's name is the register's; whose worker it is, the journal's.
        finder = f"{block.participant}." if block.participant else UNKNOWN_FINDER
        if not str(row.finder).startswith(finder):
            self._report.differ(f"finder of block {block.hash} is {row.finder}, not {finder}…")

    def _compare_transfers(
        self,
        block: FoundBlock,
        row: "sa.Row[tuple[object, ...]]",
        found: dict[bytes, dict[str, object]],
    ) -> None:
        state = BlockState(row.state)
        may_wait = block.day is not None and (block.paid is None or state is BlockState.ORPHANED)
        if row.attempts == 0 and (state is BlockState.MATURE or (block.credited and not may_wait)):
            self._report.differ(f"block {block.hash} is {state}, and nothing was ever pended")
        expected = {
            line.id: line
            for line in expected_transfers(block.hash, state, row.attempts, block.amounts_sat)
        }
        self._report.transfers += len(expected)
        self._block_transfers += len(expected)
        for line in expected.values():
            self._move(line)
        for line_id in sorted(expected.keys() | found.keys()):
            want = expected.get(line_id)
            have, due = found.get(line_id), want.row()._asdict() if want else None
            if have != due:
                known = due or have or {}
                kind = f"{known['kind']} to {known['credit_account']}"
                trouble = (
                    "is missing" if have is None else "is not due" if want is None else "is altered"
                )
                self._report.differ(
                    f"transfer {line_id.hex()} ({kind} of block {block.hash}) {trouble}"
                )

    def _move(self, line: Transfer) -> None:
        """Move the balances that a line must have moved."""
        for account, side in ((line.debit_account, 0), (line.credit_account, 2)):
            columns = self._accounts[account]
            columns[4] += 1
            columns[side] += line.amount_sat if line.kind is Kind.PEND else -line.amount_sat
            columns[side + 1] += line.amount_sat if line.kind is Kind.POST else 0

    def _rows_of(self, table: sa.Table, hashes: Collection[str]) -> dict[str, list[Any]]:
        result: dict[str, list[Any]] = defaultdict(list)
        for row in self._connection.execute(sa.select(table).where(table.c.block_hash.in_(hashes))):
            result[row.block_hash].append(row)
        return result

    def _transfers_of(self, hashes: Collection[str]) -> dict[str, dict[bytes, dict[str, object]]]:
        result: dict[str, dict[bytes, dict[str, object]]] = defaultdict(dict)
        table = tables.transfers
        columns = [column for column in table.c if column.name != "created_at"]
        for row in self._connection.execute(
            sa.select(*columns).where(table.c.block_hash.in_(hashes))
        ):
            fields = row._asdict()
            fields["id"] = bytes(fields["id"])
            if fields["pending_id"] is not None:
                fields["pending_id"] = bytes(fields["pending_id"])
            result[row.block_hash][fields["id"]] = fields
        return result

    def _compare_totals(self) -> None:
        rows = self._connection.execute(sa.select(tables.totals))
        _compare_keyed(
            self._report,
            "total (shares, work) of participant and worker",
            {(row.participant_id, row.worker_id): (row.accepted, row.work_hashes) for row in rows},
            {key: tuple(total) for key, total in self._totals.items()},
        )

    def _compare_open_work(self) -> None:
        for what, table, gathered in (
            ("round", tables.open_round, self._open_work.round),
            ("day", tables.open_day, self._open_work.today),
        ):
            rows = self._connection.execute(sa.select(table))
            _compare_keyed(
                self._report,
                f"work in the open {what} of participant",
                {row.participant_id: row.work_hashes for row in rows},
                gathered.work.work_hashes(),
            )
        day = self._connection.execute(sa.select(tables.settlement.c.day)).scalar_one()
        self._report.compare("day that is open", day, self._open_work.day)
        rows = self._connection.execute(sa.select(tables.repeats))
        _compare_keyed(
            self._report,
            "repeat, by journal and sequence,",
            dict.fromkeys((row.instance, row.sequence) for row in rows),
            dict.fromkeys((number, one) for number, all_ in self._repeats.items() for one in all_),
        )

    def _compare_accounts(self) -> None:
        columns = tables.accounts.c
        rows = self._connection.execute(
            sa.select(
                columns.code,
                columns.debits_pending,
                columns.debits_posted,
                columns.credits_pending,
                columns.credits_posted,
                columns.transfers,
            )
        )
        found = {row.code: list(row[1:]) for row in rows}
        for row in self._connection.execute(_OTHER_MOVES):
            of_blocks = self._accounts[row.code]
            self._accounts[row.code] = [a + b for a, b in zip(of_blocks, row[1:], strict=True)]
        # An account may be open that nothing was due to yet; the pool's own always are.
        idle = {code for code, balances in found.items() if not any(balances)}
        expected = {code: self._accounts[code] for code in {*ALWAYS_OPEN, *self._accounts, *idle}}
        _compare_keyed(
            self._report,
            "debits pending and posted, credits pending and posted, transfers of account",
            found,
            expected,
        )
        check = self._connection.execute(
            sa.text("SELECT balanced, transfers FROM ledger_check")
        ).one()
        self._report.compare("balance of the ledger", check.balanced, expected=True)

    def _compare_counts(self) -> None:
        """Notice rows that belong to no block, which nothing above has asked for."""
        rows = sa.select(sa.func.count())
        of_blocks = rows.where(tables.transfers.c.subject == "block")
        for what, question, expected in (
            ("transfers of blocks", of_blocks, self._block_transfers),
            *((one.name, rows.select_from(one), due) for one, due in self._rows.items()),
        ):
            count = self._connection.execute(question).scalar_one()
            self._report.compare(f"number of rows in {what}", count, expected)


def _compare_keyed(
    report: Report,
    what: str,
    found: Mapping[Any, object],
    expected: Mapping[Any, object],
) -> None:
    """Compare two mappings key by key."""
    for key in sorted(found.keys() | expected.keys()):
        if key not in found:
            report.differ(f"{what} {key} is missing, and should be {expected[key]}")
        elif key not in expected:
            report.differ(f"{what} {key} is {found[key]}, and should not be")
        else:
            report.compare(f"{what} {key}", found[key], expected[key])
