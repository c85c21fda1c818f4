"""A statement as a page of HTML, from which the PDF is made; every text in it is escaped."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from html import escape

from kench.payouts.statements.statement import LotLine, Statement, totals, turnover
from kench.payouts.statements.texts import Language, btc, som, text_of

STYLE = """
@page { size: A4 landscape; margin: 14mm 12mm 16mm; font-family: "DejaVu Sans";
  @bottom-left { content: string(title) ". " string(who); font-size: 7pt; color: #555 }
  @bottom-right { content: counter(page) " / " counter(pages); font-size: 7pt; color: #555 } }
body { font-family: "DejaVu Sans"; font-size: 7.5pt; color: #111 }
h1 { font-size: 13pt; margin: 0 0 2mm; string-set: title content() }
.who { string-set: who content() }
h2 { font-size: 9.5pt; margin: 5mm 0 1.5mm }
p { margin: 0 0 1mm } .note { color: #555 }
table { border-collapse: collapse; width: 100% }
thead { display: table-header-group } tr { page-break-inside: avoid }
th { text-align: left; border-bottom: 0.6pt solid #111; font-weight: bold }
th, td { padding: 0.8mm 1.4mm 0.8mm 0; vertical-align: top }
td { border-bottom: 0.2pt solid #bbb } .n { text-align: right }
td.n, td.at, td.lot { white-space: nowrap }
.total td { border-top: 0.6pt solid #111; font-weight: bold }
td.id, td.lot { font-family: "DejaVu Sans Mono"; font-size: 6.2pt }
"""
LOT_COLUMNS = (
    "at", "height", "lot", "venue", "amount", "price", "gross", "venue_fee", "pool_fee", "net",
    "order",
)  # fmt: skip
NUMBERS = frozenset(
    ["height", "amount", "price", "gross", "venue_fee", "pool_fee", "net", "order", "som",
     "pending", "mature", "due", "leaving"]
)  # fmt: skip
STYLED = frozenset(["at", "id", "lot"])
Row = Sequence[str]


def html_of(statement: Statement, language: Language) -> str:
    """Return the whole page."""
    title = f"{text_of('title', language)}, {statement.month}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        _head(statement, language),
        _section("balances", _balances(statement, language), language),
        _section("lots", _lots(statement, language), language),
        _section("payouts", _payouts(statement, language), language),
        _section("coins", _coins(statement, language), language),
    ]
    return (
        f'<!DOCTYPE html><html lang="{language}"><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f"<body>{''.join(parts)}</body></html>"
    )


def _head(statement: Statement, language: Language) -> str:
    lines = [
        (
            f"{text_of('participant', language)}: {statement.participant_id}, "
            f"{statement.participant_name}"
        ),
        (
            f"{text_of('period', language)}: {_day(statement.begins)} \N{EN DASH} "
            f"{_day(statement.ends)}"
        ),
    ]
    if not statement.is_whole:
        lines.append(text_of("incomplete", language))
    notes = [
        text_of("units", language),
        f"{text_of('digest', language)}: {statement.sha256.hex()}",
    ]
    whose, *others = lines
    styled = [("who", whose), *(("", line) for line in others), *(("note", one) for one in notes)]
    return "".join(f'<p class="{style}">{escape(line)}</p>' for style, line in styled)


def _section(name: str, table: str, language: Language) -> str:
    return f"<h2>{escape(text_of(name, language))}</h2>{table}"


def _balances(statement: Statement, language: Language) -> str:
    """Opening, what each kind of movement changed, and closing."""
    opening, closing = (
        (
            text_of(name, language), btc(coins.pending_sat, language),
            btc(coins.mature_sat, language), som(money.due_tyiyn, language),
            som(money.leaving_tyiyn, language),
        )
        for name, coins, money in (
            ("opening", statement.coins_opening, statement.money_opening),
            ("closing", statement.coins_closing, statement.money_closing),
        )
    )  # fmt: skip
    rows: list[Row] = [opening]
    for kind, changes in turnover(statement):
        shown = (
            f"{'+' * (change > 0)}{write(change, language)}" if change else ""
            for write, change in zip((btc, btc, som, som), changes, strict=True)
        )
        rows.append((text_of(kind, language), *shown))
    return _table(("", "pending", "mature", "due", "leaving"), rows, language, closing)


def _lots(statement: Statement, language: Language) -> str:
    rows = [
        (
            _minute(lot.at), str(lot.height), _lot_name(lot), lot.venue,
            btc(lot.amount_sat, language),
            som(round(Decimal(lot.price_kgs) * 100), language), som(lot.gross_tyiyn, language),
            som(lot.venue_fee_tyiyn, language), som(lot.pool_fee_tyiyn, language),
            som(lot.net_tyiyn, language),
            str(lot.fee_order),
        )
        for lot in statement.lots
    ]  # fmt: skip
    sums = totals(statement.lots)
    total = (
        text_of("total", language), "", "", "", btc(sums["amount_sat"], language), "",
        *(
            som(sums[name], language)
            for name in ("gross_tyiyn", "venue_fee_tyiyn", "pool_fee_tyiyn", "net_tyiyn")
        ),
        "",
    )  # fmt: skip
    return _table(LOT_COLUMNS, rows, language, total if rows else None)


def _lot_name(lot: LotLine) -> str:
    return f"{lot.coinbase_txid[:16]}\N{HORIZONTAL ELLIPSIS}:{lot.vout}"


def _payouts(statement: Statement, language: Language) -> str:
    rows = [
        (
            _minute(line.at), text_of(line.kind, language), line.end_to_end_id, line.account,
            som(line.amount_tyiyn, language), line.reason,
        )
        for line in statement.payouts
    ]  # fmt: skip
    return _table(("at", "kind", "id", "account", "som", "reason"), rows, language)


def _coins(statement: Statement, language: Language) -> str:
    rows = [
        (
            _minute(line.at), text_of(line.kind, language), str(line.height), line.block_hash,
            btc(line.amount_sat, language),
        )
        for line in statement.coins
    ]  # fmt: skip
    return _table(("at", "kind", "height", "id", "amount"), rows, language)


def _table(
    columns: Sequence[str], rows: Iterable[Row], language: Language, total: Row | None = None
) -> str:
    body = "".join(_row(columns, row) for row in rows)
    if not body:
        return f"<p>{escape(text_of('nothing', language))}</p>"
    if total is not None:
        body += _row(columns, total, "total")
    heads = "".join(
        f"<th{_class(name)}>{escape(text_of(name, language)) if name else ''}</th>"
        for name in columns
    )
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"


def _row(columns: Sequence[str], row: Row, style: str = "") -> str:
    cells = "".join(
        f"<td{_class(name)}>{escape(cell)}</td>" for name, cell in zip(columns, row, strict=True)
    )
    return f'<tr class="{style}">{cells}</tr>' if style else f"<tr>{cells}</tr>"


def _class(name: str) -> str:
    if name in NUMBERS:
        return ' class="n"'
    return f' class="{name}"' if name in STYLED else ""


def _day(moment: str) -> str:
    return moment[:10] if moment[11:19] == "00:00:00" else moment[:16].replace("T", " ")


def _minute(moment: str) -> str:
    return moment[:16].replace("T", " ")
