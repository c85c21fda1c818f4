"""Reasons of the register of orders, the sale and the income, said in the languages of the pages.

Those parts know no languages: their faults are lines of English. Here each line is a text of the
catalogues with places for its values; a test holds that none is missing.
"""

import re
from collections.abc import Mapping

from kench.cabinet.desk.lot_words import LOT_STATES
from kench.cabinet.registration.gaps import Reason
from kench.cabinet.words.catalogues import N_
from kench.pool.errors import KenchError

REASONS = (
    # A resolution on a lot.
    N_("a resolution has %(most)s bytes at most"),
    N_("the resolution is no JSON: %(error)s; draft it anew"),
    N_("a resolution holds exactly %(keys)s"),
    N_("the resolution's form, lot or version is none; draft it anew"),
    N_("a resolution says why, in %(most)s characters at most"),
    N_("a resolution's act is one of %(acts)s"),
    N_("a resolution needs two different officers"),
    N_(
        "the resolution is about version %(version)s of the lot, which is at version %(now)s "
        "(%(state)s): look at it again and draft another"
    ),
    N_("a lot that is %(state)s has no %(act)s: only %(states)s have"),
    N_(
        "%(amount)s sat of the lot are on offer and nobody knows yet what became of it: wait until "
        "the venue tells (`kench lot show`)"
    ),
    N_("there is no lot %(hash)s:%(vout)s: see `kench lot list`"),
    N_(
        "lot %(hash)s:%(vout)s went from %(state)s to %(state_now)s meanwhile: look at it again "
        "with `kench lot show`"
    ),
    N_("lot %(hash)s:%(vout)s moved meanwhile: look at it again"),
    # An order against those before it.
    N_(
        "no order sets %(section)s at %(point)s, %(first)s: have one accepted (`kench order "
        "--help`)"
    ),
    N_(
        "an order with number %(number)s cannot follow order %(newest)s: its number must be "
        "%(next)s"
    ),
    N_(
        "order %(number)s is for network %(network)s and those before it for %(other)s: keep "
        "to one "
        "network in one database"
    ),
    N_(
        "order %(number)s needs a height, and how high the chain is nobody knows: a node must "
        "answer (KENCH_NODE_URLS, or `kench up` beside this)"
    ),
    N_(
        "order %(number)s would be in force from %(point)s, and it is %(now)s already: draft it "
        "anew with a later effective.%(what)s"
    ),
    N_(
        "order %(number)s would be in force from %(point)s, more than a year ahead: draft it anew "
        "with a nearer effective.%(what)s"
    ),
    N_(
        "the licence of venue %(venue)s has ended: order %(number)s must hold a section licences "
        "with one in force"
    ),
    N_(
        "order %(number)s would set %(section)s from %(point)s, before order %(other)s does from "
        "%(later)s: draft it anew with that point or a later one"
    ),
    N_(
        "order %(number)s approves venue %(venue)s, which has no licence: add one to its section "
        "licences"
    ),
    N_(
        "order %(number)s would change %(section)s from height %(height)s, and miners work at "
        "%(now)s already: draft it anew with an effective.height above %(above)s"
    ),
    # An order's own form.
    N_("%(name)s must be a day such as 2026-12-01, not %(value)s"),
    N_("%(name)s must be a moment such as 2026-12-01T00:00:00+06:00, not %(value)s"),
    N_("network must be one of %(networks)s"),
    N_("an order has %(most)s bytes at most"),
    N_("%(value)s is no whole number, and all numbers in an order are"),
    N_("rules holds no section: an order changes one at least"),
    N_("reward.window_ppm is for the method pplns, which needs it"),
    N_("screening: officer_over_bp may not be above refuse_over_bp"),
    N_("sale: minimum_sat <= slice_sat <= daily_cap_sat must hold"),
    N_("%(name)s has characters that nobody can see, or blanks around it"),
    N_("the order is not in the form that docs/orders.md gives: %(error)s"),
    N_("key %(key)s stands twice in one object"),
    N_("an order is UTF-8 text"),
    N_("an order is JSON: %(error)s"),
    N_("%(section)s needs effective.%(name)s, which is not there"),
    N_("effective.%(name)s is there, but no section that it is for"),
    N_("two venues have one %(what)s: each has its own, once"),
    N_("licence %(number)s ends before it begins"),
    N_(
        "licences %(number)s and %(other)s of venue %(venue)s overlap: let the first end on "
        "the day "
        "before the second begins"
    ),
    N_("calendar: %(day)s stands twice: a day is one or other"),
    N_("venue %(venue)s: %(error)s"),
    # What an order allows, and may not be meant.
    N_(
        "blocks go on paying venue %(venue)s, which this order leaves without a licence: nothing "
        "is sold there until it has one"
    ),
    # Signing an order.
    N_(
        "order %(number)s is proposed with these bytes already: sign it, or, where another "
        "proposal "
        "replaced it, draft it anew with another title"
    ),
    N_("%(name)s (%(pin)s) is no officer in service: `kench officer list` shows all"),
    N_("%(name)s (%(pin)s) has signed order %(number)s already: another officer must"),
    N_("there is no order %(number)s: enter it with `kench order propose FILE`"),
    N_("order %(number)s is accepted already"),
    # A period of income.
    N_(
        "%(period)s is not over: it is closed when its last day has been over for %(minutes)s "
        "minutes"
    ),
    N_("period %(period)s is closed"),
    N_(
        "%(period)s is not closed while its records differ from the books (%(difference)s): form "
        "what is missing, correct what is wrong"
    ),
    N_("period %(period)s is not closed"),
    N_("the reason has 1 to %(most)s characters"),
    N_("there is no income record %(doc_ref)s"),
    N_("%(doc_ref)s was corrected by %(later)s: correct that one"),
    N_("books and register say what %(doc_ref)s says: there is nothing to correct"),
)
"""Longer ones come first where a short one would do for both."""
LINE_MAX = 1_000
"""Characters: what is longer has something of somebody's in it, and is not looked through."""
_PLACE = re.compile(r"%\((\w+)\)s")
_STATES: Mapping[str, str] = {state.value: name for state, name in LOT_STATES.items()}


def _pattern(text: str) -> re.Pattern[str]:
    parts = _PLACE.split(text)
    # Every second part is the name of a place.
    return re.compile(
        "".join(
            f"(?P<{part}>.+?)" if number % 2 else re.escape(part)
            for number, part in enumerate(parts)
        ),
        re.DOTALL,
    )


_PATTERNS = tuple((_pattern(text), text) for text in REASONS)


def reason_of(error: KenchError | str) -> Reason:
    """What a fault says, so that a page can say it in its language; unknown ones stay English."""
    said = str(error)
    if len(said) > LINE_MAX:
        return Reason(said)
    for pattern, text in _PATTERNS:
        if found := pattern.fullmatch(said):
            return Reason(said, text, {name: _named(name, one)
                                       for name, one in found.groupdict().items()})  # fmt: skip
    return Reason(said)


def _named(place: str, value: str) -> Reason | str:
    """States of a lot by their names in the pages."""
    if place in {"state", "state_now"} and value in _STATES:
        return Reason(value, _STATES[value])
    if place == "states":
        named = {f"state_{one}": _named("state", one) for one in value.split(", ")}
        return Reason(value, ", ".join(f"%({name})s" for name in named), named)
    return value
