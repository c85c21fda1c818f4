"""The sale on the screen of `kench up`: lots by state, coins sold, what they brought in KGS."""

from typing import Any

from rich.table import Table
from rich.text import Text

SATOSHI_PER_BITCOIN = 100_000_000
WAY = ("awaiting_deposit", "screening", "cleared", "selling", "sold", "settled")
"""States of a lot that all goes well with; all others are people's business."""
STYLES = {"sold": "green", "settled": "green"}


def bitcoin_text(amount_sat: int) -> str:
    """Write satoshi as bitcoins with all eight digits."""
    sign = "-" if amount_sat < 0 else ""
    whole, rest = divmod(abs(amount_sat), SATOSHI_PER_BITCOIN)
    return f"{sign}{whole}.{rest:08d}"


def kgs_text(tyiyn: int) -> str:
    """Write tyiyn as som, in groups of three digits."""
    sign = "-" if tyiyn < 0 else ""
    whole, rest = divmod(abs(tyiyn), 100)
    return f"{sign}{whole:,}.{rest:02d}".replace(",", " ")


def lots_table(status: dict[str, Any]) -> Table:
    """Return lots by state; those that wait for people stand out."""
    lots: dict[str, int] = (status.get("sale") or {}).get("lots", {})
    table = Table(title="Lots", title_justify="left")
    table.add_column("state")
    table.add_column("lots", justify="right")
    for state in (*WAY, *sorted(lots.keys() - set(WAY))):
        if lots.get(state):
            style = STYLES.get(state, "cyan" if state in WAY else "bold red")
            table.add_row(Text(state.replace("_", " ")), str(lots[state]), style=style)
    return table


def proceeds_table(status: dict[str, Any]) -> Table:
    """Return what was sold and what it brought."""
    sale = status.get("sale") or {}
    table = Table(title="First sale", title_justify="left")
    table.add_column("what")
    table.add_column("amount", justify="right")
    for name, text in (
        ("in lots, BTC", bitcoin_text(sale.get("lots_sat", 0))),
        ("sold, BTC", bitcoin_text(sale.get("sold_sat", 0))),
        ("sold today, BTC", bitcoin_text(sale.get("sold_today_sat", 0))),
        ("proceeds, KGS", kgs_text(sale.get("gross_tyiyn", 0))),
        ("owed to participants, KGS", kgs_text(sale.get("net_tyiyn", 0))),
    ):
        table.add_row(name, text)
    return table


def sale_words(status: dict[str, Any]) -> str:
    """Return the sale for a line of a log; empty where there are no lots."""
    sale = status.get("sale") or {}
    if not sale.get("lots"):
        return ""
    stuck = f", {sale['stuck']} lots wait for people" if sale.get("stuck") else ""
    return (
        f", sold {bitcoin_text(sale['sold_sat'])} BTC for {kgs_text(sale['gross_tyiyn'])} KGS"
        f" of {sum(sale['lots'].values())} lots{stuck}"
    )
