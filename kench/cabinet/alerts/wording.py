"""What messages say, in the language of whoever made the rule."""

from typing import NamedTuple

from kench.cabinet.alerts.facts import Facts
from kench.cabinet.alerts.news import Event
from kench.cabinet.alerts.rules import Kind, Rule
from kench.cabinet.words.catalogues import words_of
from kench.cabinet.words.formats import Formats
from kench.cabinet.words.languages import Language

NAMES_MAX = 20


class Message(NamedTuple):
    """A title and a text."""

    title: str
    body: str


def message_of(  # noqa: PLR0913, PLR0917 - what a message tells of
    rule: Rule, event: Event, participant: str, facts: Facts, names: list[str], page: str
) -> Message:
    """Say what begun, is so still, or is over; `page` is where to look."""
    _, formats = words_of(rule.language).gettext, Formats(rule.language)
    values = {
        "participant": participant,
        "count": formats.number(len(names)),
        "bound": formats.number(rule.bound),
        "hashrate": formats.hashrate(facts.live.hashrate_1h),
        "declared": formats.hashrate(facts.declared_ghs * 1e9),
    }
    if event is Event.OVER:
        title = {
            Kind.SILENT: _("%(participant)s: the workers send shares again"),
            Kind.LOW: _("%(participant)s: the hashrate is as it should be again"),
            Kind.REFUSED: _("%(participant)s: few shares are refused again"),
        }[rule.kind]
        return Message(title % values, page)
    title = {
        Kind.SILENT: _("%(participant)s: %(count)s workers silent for %(bound)s minutes"),
        Kind.LOW: _("%(participant)s: the hashrate is below %(bound)s%% of what was declared"),
        Kind.REFUSED: _("%(participant)s: more than %(bound)s%% of the day's shares are refused"),
    }[rule.kind]
    text = _("Last hour: %(hashrate)s. Declared: %(declared)s.") if rule.kind is Kind.LOW else ""
    lines = [text % values] if text else []
    lines += names[:NAMES_MAX]
    if len(names) > NAMES_MAX:
        lines.append("…")
    return Message(title % values, "\n".join([*lines, page]))


def confirmation_message(language: Language) -> Message:
    """Ask the owner of an address; the link comes after it."""
    _ = words_of(language).gettext
    return Message(
        _("Shall letters of the State System of Collective Mining come to this address?"),
        _(
            "Somebody who has entered the personal cabinet asked for it. Open this page within 24 "
            "hours and say yes or no. Without a yes nothing else is sent here."
        ),
    )


def test_message(rule: Rule, participant: str, page: str) -> Message:
    """Say that messages arrive."""
    _ = words_of(rule.language).gettext
    return Message(
        _("%(participant)s: a test of alerts") % {"participant": participant},
        _("Messages of this rule arrive here.") + "\n" + page,
    )
