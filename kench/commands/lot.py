"""`kench lot`: where every coin is on its way to sale, and what officers decide about it."""

import argparse
import json
import re
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from rich import box
from rich.table import Table

from kench.commands.files import read_handed, write_new
from kench.commands.showing import action_of, table_text
from kench.pool.clock import SystemClock
from kench.pool.database import Role, one_transaction
from kench.pool.errors import KenchError
from kench.pool.orders.register import load_orders
from kench.pool.orders.verifying import verifier_of
from kench.pool.postgres import database_url
from kench.pool.roots import command, run_root, settings_of, start_logging
from kench.pool.settings import Settings
from kench.sale import tables
from kench.sale.acts import DOCUMENT_BYTES_MAX, Act, carry_out, document_of, read_document
from kench.sale.lots import Lot, LotKey, NoLotError, lot_of, read_lot
from kench.sale.machine import STUCK, WHAT_ENDS, Actor, ways_out
from kench.sale.officers import approvals_of
from kench.sale.waits import WHAT_TO_DO, Waiting, read_waits

ROLE = "lot"
SIGNATURE_BYTES_MAX = 65_536
SHOWN_MAX = 20
"""Moves and fills of a lot shown, the newest; `--json` has all."""
_LOT = re.compile(r"([0-9a-f]{64}):([0-9]{1,9})")
WAYS = """\
Officers decide about a lot in three steps:
  kench lot resume LOT --why "the market is calm again" --draft resume.json
  openssl cms -sign -binary -cades -md sha256 -in resume.json -signer officer.pem \\
      -inkey officer.key -outform DER -out resume.json.1.p7s         (each of the two)
  kench lot resume LOT --document resume.json --signature resume.json.1.p7s \\
      --signature resume.json.2.p7s
LOT is BLOCK:VOUT or TXID:VOUT, as `kench lot list` shows them; docs/sale.md tells the states."""


class LotNameError(KenchError):
    """What was given names no lot."""


def main() -> None:
    """Run one action on the lots of the settings' database."""
    arguments = _parser().parse_args()
    settings = settings_of(arguments)
    start_logging(ROLE)
    is_act = arguments.action in list(Act)
    role = Role.SELL if is_act and arguments.document else Role.READ
    with (
        database_url(settings) as url,
        one_transaction(url, role, application_name="kench lot") as connection,
    ):
        if arguments.action == "list":
            said = _list(connection, stuck=arguments.stuck, as_json=arguments.json)
        elif arguments.action == "show":
            said = _show(connection, arguments.lot, as_json=arguments.json)
        else:
            said = _act(connection, settings, arguments)
    print(said)


def _parser() -> argparse.ArgumentParser:
    parser = command(
        ROLE,
        f"Lots: the coins of mature blocks on their way to sale.\n\n{WAYS}",
        example="kench lot list --stuck",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = action_of(actions, "list", "show all lots, newest first", "kench lot list --stuck")
    listing.add_argument("--stuck", action="store_true", help="only those that need people")
    listing.add_argument("--json", action="store_true", help="print a JSON array")
    showing = action_of(
        actions, "show", "show a lot, its way, its newest fills and what can be done",
        "kench lot show LOT",
    )  # fmt: skip
    showing.add_argument("lot", metavar="LOT")
    showing.add_argument("--json", action="store_true", help="print one JSON object")
    for act, summary in (
        (Act.RELEASE, "let a held or refused lot be sold; two officers sign"),
        (Act.RESUME, "let a halted sale go on; two officers sign"),
        (Act.WRITE_OFF, "give up what is unsold of a lot; two officers sign"),
    ):
        acting = action_of(
            actions, act.value, summary, f'kench lot {act} LOT --why "..." --draft {act}.json'
        )
        acting.add_argument("lot", metavar="LOT")
        acting.add_argument("--why", metavar="TEXT", help="reason, for the document")
        which = acting.add_mutually_exclusive_group(required=True)
        which.add_argument("--draft", type=Path, metavar="FILE", help="write what is to be signed")
        which.add_argument("--document", type=Path, metavar="FILE", help="what was signed")
        acting.add_argument(
            "--signature", type=Path, metavar="FILE", action="append", default=[],
            help="detached CMS in DER; once for each officer",
        )  # fmt: skip
    return parser


def _act(connection: sa.Connection, settings: Settings, arguments: argparse.Namespace) -> str:
    lot = _find(connection, arguments.lot)
    act = Act(arguments.action)
    if arguments.draft is not None:
        document = document_of(lot, act, arguments.why or "")
        write_new(arguments.draft, document)
        return f"written to {arguments.draft}: two officers sign these very bytes\n{WAYS}"
    document = read_handed(arguments.document, DOCUMENT_BYTES_MAX)
    resolution = read_document(document)
    if resolution.lot != lot.key or resolution.act is not act:
        raise LotNameError(
            f"{arguments.document} is about {resolution.act} of lot {resolution.lot.block_hash}:"
            f"{resolution.lot.vout}, not what was asked for"
        )
    signatures = [read_handed(path, SIGNATURE_BYTES_MAX) for path in arguments.signature]
    book = load_orders(connection, verifier_of(settings))
    now_us = SystemClock().now_us()
    # A resolution names a lot and no network: its coins are those of the orders.
    verifier = verifier_of(settings, lambda _document: book.network)
    first, second = approvals_of(connection, verifier, document, signatures, now_us)
    after = carry_out(connection, document, first, second, now_us)
    return f"lot {after.block_hash}:{after.vout} went from {lot.state} to {after.state}"


def _find(connection: sa.Connection, name: str) -> Lot:
    match = _LOT.fullmatch(name)
    if match is None:
        raise LotNameError(f"{name} names no lot: give BLOCK:VOUT as `kench lot list` shows it")
    first, vout = match[1], int(match[2])
    columns = tables.lots.c
    row = connection.execute(
        sa.select(columns.block_hash).where(
            columns.vout == vout,
            sa.or_(columns.block_hash == first, columns.coinbase_txid == first),
        )
    ).one_or_none()
    if row is None:
        raise NoLotError(f"there is no lot {name}: see `kench lot list`")
    return read_lot(connection, LotKey(row.block_hash, vout))


def _list(connection: sa.Connection, *, stuck: bool, as_json: bool) -> str:
    query = sa.select(tables.lots).order_by(
        tables.lots.c.height.desc(), tables.lots.c.block_hash, tables.lots.c.vout
    )
    if stuck:
        query = query.where(tables.lots.c.state.in_([state.value for state in STUCK]))
    lots = [lot_of(row) for row in connection.execute(query)]
    waits = read_waits(connection)
    if as_json:
        return json.dumps([_record(lot, waits.get(lot.key)) for lot in lots])
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("height", justify="right")
    table.add_column("lot", overflow="fold")
    for heading in ("venue", "state"):
        table.add_column(heading)
    for heading in ("sat", "sold sat"):
        table.add_column(heading, justify="right")
    table.add_column("why")
    for lot in lots:
        table.add_row(str(lot.height), f"{lot.block_hash}:{lot.vout}", lot.venue, lot.state.value,
                      str(lot.amount_sat), str(lot.sold_sat),
                      waits[lot.key].line if lot.key in waits else lot.reason)  # fmt: skip
    return table_text(table)


def _show(connection: sa.Connection, name: str, *, as_json: bool) -> str:
    lot = _find(connection, name)
    waiting = read_waits(connection).get(lot.key)
    record = _record(lot, waiting) | {
        "events": _rows(connection, tables.lot_events, lot, "version"),
        "orders": _rows(connection, tables.venue_orders, lot, "slice"),
        "fills": _rows(connection, tables.fills, lot, "at"),
        "screenings": _rows(connection, tables.screenings, lot, "attempt"),
        "resolutions": _rows(connection, tables.lot_resolutions, lot, "version"),
        "shares": _rows(connection, tables.lot_shares, lot, "participant_id"),
        "officers_may": [
            f"{way.needs} -> {way.goes_to}" for way in ways_out(lot.state, Actor.OFFICERS)
        ],
    }
    if as_json:
        return json.dumps(record, default=_plain, ensure_ascii=False)
    facts = {name: value for name, value in _record(lot, None).items() if name != "waits"}
    facts["ended by"] = WHAT_ENDS[lot.state]
    if waiting is not None:
        facts |= {"waits": waiting.line, "to do": WHAT_TO_DO[waiting.why]}
    if lot.open_sat:
        facts["on offer"] = f"{lot.open_sat} sat, of which the venue has not told the end yet"
    lines = [f"{key:14} {value}" for key, value in facts.items()]
    lines += ["", "way:"]
    lines += _newest([f"  {event['at']}  {event['goes_to']:16} {event['who']}: {event['why']}"
                      for event in record["events"]])  # fmt: skip
    lines += ["", f"fills: {len(record['fills'])}, orders: {len(record['orders'])}"]
    lines += _newest([f"  {fill['at']}  {fill['amount_sat']} sat at {fill['price']} KGS, "
                      f"trade {fill['trade_id']}" for fill in record["fills"]])  # fmt: skip
    lines += ["", "officers may:", *(f"  {words}" for words in record["officers_may"])]
    return "\n".join(lines)


def _newest(lines: list[str]) -> list[str]:
    """Return the last lines, after one that says how many came before."""
    unsaid = len(lines) - SHOWN_MAX
    return lines if unsaid <= 0 else [f"  {unsaid} more before: --json", *lines[-SHOWN_MAX:]]


def _rows(
    connection: sa.Connection, table: sa.Table, lot: Lot, order_by: str
) -> list[dict[str, Any]]:
    columns = [column for column in table.columns if column.name not in {"block_hash", "vout"}]
    rows = connection.execute(
        sa.select(*columns)
        .where(table.c.block_hash == lot.block_hash, table.c.vout == lot.vout)
        .order_by(table.c[order_by])
    )
    return [row._asdict() for row in rows]


def _record(lot: Lot, waiting: Waiting | None) -> dict[str, Any]:
    names = ("height", "venue", "output_sat", "carried_sat", "amount_sat", "sold_sat", "open_sat",
             "left_sat", "reason", "who", "order_number", "version")  # fmt: skip
    return {
        "lot": f"{lot.block_hash}:{lot.vout}",
        "reference": lot.reference,
        "state": lot.state.value,
        **{name: getattr(lot, name) for name in names},
        "changed_at": lot.changed_at.isoformat(),
        "waits": waiting and waiting._asdict() | {"since": waiting.since.isoformat()},
    }


def _plain(value: object) -> str:
    return bytes(value).hex() if isinstance(value, (bytes, memoryview)) else str(value)


if __name__ == "__main__":
    run_root(ROLE, main)
