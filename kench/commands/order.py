"""`kench order`: draft, propose, sign and show orders of the authorised body (D13).

Signing itself happens elsewhere, with each officer's own key and program: this command takes the
signature, checks it, and puts the order in force when the second officer's is good.
"""

import argparse
import json
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
from kench.pool.moments import moment_text
from kench.pool.nodes.chain import ChainView
from kench.pool.orders.changes import changes, warnings
from kench.pool.orders.document import (
    DOCUMENT_BYTES_MAX,
    Document,
    InvalidOrderError,
    canonical,
    parse_json,
    read_document,
)
from kench.pool.orders.register import (
    SIGNATURES_NEEDED,
    Entry,
    list_orders,
    load_orders,
    propose,
    sign,
    waiting,
)
from kench.pool.orders.verifying import verifier_of
from kench.pool.postgres import database_url
from kench.pool.roots import command, run_root, settings_of, start_logging
from kench.pool.rpc import Node
from kench.pool.running import node_urls_of
from kench.pool.settings import Settings
from kench.pool.signature.cms import SIGNATURE_BYTES_MAX

ROLE = "order"
SIGN_LINE = (
    "openssl cms -sign -binary -cades -md sha256 -in {file} -signer officer.pem "
    "-inkey officer.key -outform DER -out {file}.p7s"
)
WAYS = f"""\
An order goes this way:
  kench order draft order.json              check it, see what it changes, get the bytes to sign
  kench order propose order-3.json          enter it; officers may sign these very bytes
  {SIGN_LINE.format(file="order-3.json")}
  kench order sign 3 --signature order-3.json.p7s
The second officer's good signature accepts it. A proposal with a mistake is replaced by proposing
another one under the same number. docs/orders.md says what an order may hold.
"""


class OrderUnknownError(KenchError):
    """There is no order of that number."""


def main() -> None:
    """Run one action on the orders of the settings' database."""
    arguments = _parser().parse_args()
    settings = settings_of(arguments)
    start_logging(ROLE)
    writing = arguments.action in {"propose", "sign"}
    with (
        database_url(settings) as url,
        one_transaction(
            url, None if writing else Role.READ, application_name="kench order"
        ) as connection,
    ):
        match arguments.action:
            case "draft":
                said = _draft(connection, settings, arguments.file, arguments.out)
            case "propose":
                said = _propose(connection, settings, arguments.file)
            case "sign":
                said = _sign(connection, settings, arguments.number, arguments.signature)
            case "show":
                said = _show(connection, arguments.number, arguments.out, as_json=arguments.json)
            case _:
                said = _list(list_orders(connection), as_json=arguments.json)
    # Only now is it committed, and may be told.
    print(said)


def _parser() -> argparse.ArgumentParser:
    parser = command(
        ROLE,
        f"Orders of the authorised body: numbered, signed by two officers, kept.\n\n{WAYS}",
        example="kench order list",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    draft = action_of(
        actions, "draft", "check an order and write the bytes that officers sign",
        "kench order draft order.json --out order-3.json",
    )  # fmt: skip
    draft.add_argument("file", type=Path, metavar="FILE", help="JSON; its number may be left out")
    draft.add_argument(
        "--out", type=Path, metavar="FILE", help="where to write it (default: order-NUMBER.json)"
    )
    proposing = action_of(
        actions, "propose", "enter an order, so that officers may sign it",
        "kench order propose order-3.json",
    )  # fmt: skip
    proposing.add_argument("file", type=Path, metavar="FILE", help="what `kench order draft` wrote")
    signing = action_of(
        actions, "sign", "take an officer's signature of the order that waits",
        f"{SIGN_LINE.format(file='order-3.json')}\n  kench order sign 3 --signature "
        "order-3.json.p7s",
    )  # fmt: skip
    signing.add_argument("number", type=int, metavar="NUMBER", help="of the order that was signed")
    signing.add_argument(
        "--signature", type=Path, required=True, metavar="FILE", help="detached CMS in DER"
    )
    show = action_of(
        actions, "show", "show an order, who signed it, and since when it is in force",
        "kench order show 3 --out order-3.json",
    )  # fmt: skip
    show.add_argument("number", type=int, metavar="NUMBER")
    show.add_argument("--json", action="store_true", help="print one JSON object")
    show.add_argument("--out", type=Path, metavar="FILE", help="also write its bytes, to be signed")
    listing = action_of(actions, "list", "show all orders ever proposed", "kench order list --json")
    listing.add_argument("--json", action="store_true", help="print a JSON array")
    return parser


def _draft(connection: sa.Connection, settings: Settings, path: Path, out: Path | None) -> str:
    book = load_orders(connection, verifier_of(settings))
    given = parse_json(read_handed(path, DOCUMENT_BYTES_MAX))
    if not isinstance(given, dict):
        raise InvalidOrderError("an order is a JSON object: see docs/orders.md")
    number = given.pop("number", book.newest + 1)
    document = read_document(canonical({"kench_order": 1, "number": number, **given}))
    now_us, tip = SystemClock().now_us(), _tip(settings, document)
    book.accept(document, tip_height=tip, now_us=now_us)
    out = out or Path(f"order-{document.number}.json")
    write_new(out, document.content)
    return "\n".join(
        (
            f"order {document.number}, {document.title!r}, network {document.network}:",
            *(f"  {line}" for line in changes(book, document)),
            *(f"WARNING: {line}" for line in warnings(book, document)),
            f"written to {out}, SHA-256 {document.sha256.hex()}; next:",
            f"  kench order propose {out}",
        )
    )


def _propose(connection: sa.Connection, settings: Settings, path: Path) -> str:
    content = read_handed(path, DOCUMENT_BYTES_MAX)
    document = read_document(content)
    tip_height, now_us = _tip(settings, document), SystemClock().now_us()
    propose(connection, verifier_of(settings), content, tip_height=tip_height, now_us=now_us)
    return (
        f"order {document.number} waits for {SIGNATURES_NEEDED} signatures of officers over the "
        f"bytes of {path} (SHA-256 {document.sha256.hex()}):\n"
        f"  {SIGN_LINE.format(file=path.name)}\n"
        f"  kench order sign {document.number} --signature {path.name}.p7s"
    )


def _sign(connection: sa.Connection, settings: Settings, number: int, path: Path) -> str:
    signature = read_handed(path, SIGNATURE_BYTES_MAX)
    verifier = verifier_of(settings)
    document = waiting(connection, number)
    tip_height, now_us = _tip(settings, document), SystemClock().now_us()
    signed = sign(connection, verifier, number, signature, tip_height=tip_height, now_us=now_us)
    officer = f"{signed.officer.name} ({signed.officer.pin})"
    if signed.missing:
        return f"{officer} has signed order {number}; another officer must"
    return f"{officer} has signed order {number}, which is accepted now: {_effective(document)}"


def _show(connection: sa.Connection, number: int, out: Path | None, *, as_json: bool) -> str:
    entries = [entry for entry in list_orders(connection) if entry.number == number]
    if not entries:
        raise OrderUnknownError(f"there is no order {number}: `kench order list` shows all")
    # An accepted one is shown, else the one that can be signed.
    entry = next((one for one in entries if one.accepted_at), entries[-1])
    if out is not None:
        write_new(out, entry.content)
    if as_json:
        return json.dumps(_record(entry, entries), ensure_ascii=False)
    document = read_document(bytes(entry.content))
    return "\n".join(
        (
            bytes(entry.content).decode().rstrip(),
            "",
            f"SHA-256      {document.sha256.hex()}",
            f"state        {_state(entry, entries)}",
            f"proposed     {entry.proposed_at.isoformat(timespec='seconds')}",
            *(f"signed by    {name} ({pin})" for pin, name in entry.signers),
            f"in force     {_effective(document)}",
        )
    )


def _list(entries: list[Entry], *, as_json: bool) -> str:
    if as_json:
        return json.dumps([_record(one, entries) for one in entries], ensure_ascii=False)
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("no.", "title", "state", "sections", "in force", "signed by"):
        table.add_column(heading, justify="right" if heading == "no." else "left")
    for entry in entries:
        document = read_document(bytes(entry.content))
        table.add_row(
            str(entry.number),
            entry.title,
            _state(entry, entries),
            " ".join(document.rules.held()),
            _effective(document),
            ", ".join(name for _, name in entry.signers),
        )
    return table_text(table)


def _state(entry: Entry, entries: list[Entry]) -> str:
    if entry.accepted_at:
        return f"accepted {entry.accepted_at.isoformat(timespec='seconds')}"
    if any(one.number == entry.number and one.id > entry.id for one in entries):
        return "replaced by another proposal"
    return f"waits, {len(entry.signers)} of {SIGNATURES_NEEDED} signatures"


def _record(entry: Entry, entries: list[Entry]) -> dict[str, Any]:
    document = read_document(bytes(entry.content))
    return {
        "number": entry.number,
        "title": entry.title,
        "state": _state(entry, entries).partition(" ")[0].rstrip(","),
        "sha256": document.sha256.hex(),
        "proposed_at": entry.proposed_at.isoformat(),
        "accepted_at": entry.accepted_at and entry.accepted_at.isoformat(),
        "tip_height": entry.tip_height,
        "signers": [{"pin": pin, "name": name} for pin, name in entry.signers],
        "order": json.loads(document.content),
    }


def _effective(document: Document) -> str:
    points = []
    if document.height is not None:
        points.append(f"from height {document.height}")
    if document.moment_us is not None:
        points.append(f"from {moment_text(document.moment_us)}")
    return ", ".join(points)


def _tip(settings: Settings, document: Document) -> int | None:
    """How high the chain of the order's network is; not asked where the order names no height."""
    if document.height is None:
        return None
    nodes = [Node(url) for url in node_urls_of(settings)]
    if not nodes:
        return None
    return ChainView(nodes, SystemClock(), document.network).tip().height


if __name__ == "__main__":
    run_root(ROLE, main)
