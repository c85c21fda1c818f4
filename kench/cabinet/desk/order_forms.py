"""The form of an order: what people type, as an order's content, and the other way. Pure.

Whether the content is an order is for the same code to say that `kench order` asks; here it is
only told whether what was typed is a number at all.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from kench.cabinet.registration.gaps import Gap
from kench.cabinet.words.catalogues import N_
from kench.pool.moments import BISHKEK, moment_of, moment_text, us_of
from kench.pool.orders.book import OrderBook
from kench.pool.orders.changes import FAR
from kench.pool.orders.rules import HEIGHT_BOUND, Section

SPARE_ROWS = 3
"""Empty rows below those of a list."""
ROWS_MAX = 100
"""Of a list; a longer one is written as JSON."""
TOO_LONG = N_("This list is too long for the form: write the document itself")
NUMBER_WRONG = N_("A number with %(digits)s decimals at most")
MOMENT_WRONG = N_("Say day and time of Bishkek from when it is in force")
_DECIMAL = re.compile(r"([0-9]{1,15})(?:[.,]([0-9]{1,8}))?")

Typed = dict[str, str]


class Field(NamedTuple):
    """A field of a section: its key in the document, and how many decimals it is shown with."""

    key: str
    label: str
    digits: int | None = None
    """None for text."""
    kind: str = "text"


FIELDS: Mapping[Section, tuple[Field, ...]] = {
    Section.FEE: (Field("pool_ppm", N_("Of the gross proceeds, percent"), 4),),
    Section.SCREENING: (
        Field("provider", N_("Provider")),
        Field("officer_over_bp", N_("An officer decides over, percent"), 2),
        Field("refuse_over_bp", N_("Refused over, percent"), 2),
    ),
    Section.SALE: (
        Field("slice_sat", N_("Slice, BTC"), 8),
        Field("interval_s", N_("Between two slices, seconds"), 0),
        Field("deviation_bp", N_("Deviation of the price, percent"), 2),
        Field("quote_age_s", N_("Age of a quote, seconds"), 0),
        Field("depth_bp", N_("Share of the bids that a slice may take, percent"), 2),
        Field("daily_cap_sat", N_("Cap of a day, BTC"), 8),
        Field("minimum_sat", N_("Smallest sale, BTC"), 8),
        Field("deposit_overdue_s", N_("A deposit is overdue after, seconds"), 0),
    ),
    Section.PAYOUT: (Field("threshold_tyiyn", N_("From a balance of, som"), 2),),
}
ROWS: Mapping[Section, tuple[Field, ...]] = {
    Section.VENUES: (
        Field("venue", N_("Venue")),
        Field("address", N_("Address")),
        Field("weight", N_("Weight"), 0),
    ),
    Section.LICENCES: (
        Field("venue", N_("Venue")),
        Field("name", N_("Name")),
        Field("number", N_("Licence No.")),
        Field("from", N_("From"), kind="date"),
        Field("until", N_("Until"), kind="date"),
    ),
    Section.CALENDAR: (
        Field("date", N_("Day"), kind="date"),
        Field("working", N_("Working day")),
        Field("act", N_("Act")),
    ),
}


def typed_of(content: Mapping[str, Any], book: OrderBook) -> Typed:
    """What the form shows: the content of an order, and for sections that it lacks the book's."""
    typed: Typed = {"title": content.get("title", ""), "issued": content.get("issued", "")}
    effective = content.get("effective", {})
    typed["height"] = str(effective.get("height", ""))
    if "moment" in effective:
        at = moment_of(us_of(datetime.fromisoformat(effective["moment"]))).astimezone(BISHKEK)
        typed["moment"] = at.strftime("%Y-%m-%dT%H:%M")
    rules = content.get("rules", {})
    for section in Section:
        if section.value in rules:
            typed[f"has_{section}"] = "1"
            _show(typed, section, rules[section.value])
        else:
            known = book.in_force(section, FAR)
            if known is not None:
                _show(typed, section, _as_json(section, known.rule))
    return typed


def content_of(
    typed: Mapping[str, str], *, number: int, network: str
) -> tuple[dict[str, Any], list[Gap]]:
    """The content of an order as typed, and what of it is no number or moment."""
    gaps: list[Gap] = []
    rules: dict[str, Any] = {}
    for section in Section:
        if typed.get(f"has_{section}"):
            rules[section.value] = _read(typed, section, gaps)
    effective: dict[str, Any] = {}
    if rules.keys() & {section.value for section in HEIGHT_BOUND}:
        effective["height"] = _number(typed, "height", 0, gaps)
    if rules.keys() - {section.value for section in HEIGHT_BOUND}:
        effective["moment"] = _moment(typed.get("moment", ""), gaps)
    return {
        "kench_order": 1, "number": number, "title": typed.get("title", ""),
        "issued": typed.get("issued", ""), "network": network, "effective": effective,
        "rules": rules,
    }, gaps  # fmt: skip


def rows_of(typed: Mapping[str, str], section: Section) -> range:
    """Numbers of the rows that the form shows of a list: up to the last filled one, and some."""
    filled = [row for row in range(ROWS_MAX) if _is_told(typed, section, row)]
    return range(min(max(filled, default=-1) + 1 + SPARE_ROWS, ROWS_MAX))


def form_names() -> Iterable[str]:
    """Every name that the form may have."""
    yield from ("title", "issued", "height", "moment", "reward-method", "reward-window_ppm")
    for section in Section:
        yield from (f"has_{section}", f"long_{section}")
    for section, fields in FIELDS.items():
        yield from (f"{section}-{field.key}" for field in fields)
    for section, fields in ROWS.items():
        for row in range(ROWS_MAX):
            yield from (f"{section}-{row}-{field.key}" for field in fields)


def _as_json(section: Section, rule: Any) -> Any:
    """A rule as an order's document has it."""
    if section is Section.REWARD:
        window = {} if rule.window_ppm is None else {"window_ppm": rule.window_ppm}
        return {"method": rule.method} | window
    if section in FIELDS:
        return {field.key: getattr(rule, field.key) for field in FIELDS[section]}
    if section is Section.VENUES:
        return [{"venue": one.venue, "address": one.address, "weight": one.weight} for one in rule]
    if section is Section.LICENCES:
        return [
            {"venue": one.venue, "name": one.name, "number": one.number,
             "from": one.from_date.isoformat(), "until": one.until_date.isoformat()}
            for one in rule
        ]  # fmt: skip
    return [{"date": one.day.isoformat(), "working": one.working, "act": one.act} for one in rule]


def _show(typed: Typed, section: Section, rule: Any) -> None:
    if section is Section.REWARD:
        typed["reward-method"] = rule["method"]
        typed["reward-window_ppm"] = _shown(rule["window_ppm"], 6) if "window_ppm" in rule else ""
    for field in FIELDS.get(section, ()):
        typed[f"{section}-{field.key}"] = _shown(rule[field.key], field.digits)
    if section in ROWS and len(rule) > ROWS_MAX:
        typed[f"long_{section}"] = "1"
    elif section in ROWS:
        for row, entry in enumerate(rule):
            for field in ROWS[section]:
                typed[f"{section}-{row}-{field.key}"] = _shown(entry[field.key], field.digits)


def _shown(value: Any, digits: int | None) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    if digits is None:
        return str(value)
    return f"{Decimal(value).scaleb(-digits).normalize():f}"


def _read(typed: Mapping[str, str], section: Section, gaps: list[Gap]) -> Any:
    if section is Section.REWARD:
        rule: dict[str, Any] = {"method": typed.get("reward-method", "")}
        if typed.get("reward-window_ppm") and rule["method"] == "pplns":
            rule["window_ppm"] = _number(typed, "reward-window_ppm", 6, gaps)
        return rule
    if section in FIELDS:
        return {
            field.key: _value(typed, f"{section}-{field.key}", field, gaps)
            for field in FIELDS[section]
        }
    if typed.get(f"long_{section}"):
        gaps.append(Gap("json", TOO_LONG))
    return [
        {field.key: _value(typed, f"{section}-{row}-{field.key}", field, gaps)
         for field in ROWS[section]}
        for row in range(ROWS_MAX) if _is_told(typed, section, row)
    ]  # fmt: skip


def _is_told(typed: Mapping[str, str], section: Section, row: int) -> bool:
    """Whether anything of a row is typed; the choice of a day alone says nothing."""
    names = (f"{section}-{row}-{one.key}" for one in ROWS[section] if one.key != "working")
    return any(typed.get(name) for name in names)


def _value(typed: Mapping[str, str], name: str, field: Field, gaps: list[Gap]) -> Any:
    if field.key == "working":
        return typed.get(name) == "1"
    if field.digits is None:
        return typed.get(name, "")
    return _number(typed, name, field.digits, gaps)


def _number(typed: Mapping[str, str], name: str, digits: int, gaps: list[Gap]) -> int:
    """A decimal number in units so many digits smaller, exactly."""
    matched = _DECIMAL.fullmatch("".join(typed.get(name, "").split()))
    if matched is None or len(matched[2] or "") > digits:
        gaps.append(Gap(name, NUMBER_WRONG, {"digits": digits}))
        return 0
    return int(matched[1] + (matched[2] or "").ljust(digits, "0"))


def _moment(text: str, gaps: list[Gap]) -> str:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        gaps.append(Gap("moment", MOMENT_WRONG))
        return text
    if at.tzinfo is None:
        at = at.replace(tzinfo=BISHKEK)
    return moment_text(us_of(at.replace(second=0, microsecond=0)))


Reader = Callable[[str], str]


def read_typed(read: Reader) -> Typed:
    """What was sent of the form."""
    return {name: text for name in form_names() if (text := read(name))}
