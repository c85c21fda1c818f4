"""Alerts of a participant: what its owner or technician is told of, and how."""

import re
from typing import Any

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from kench.cabinet.alerts.addresses import ask_address
from kench.cabinet.alerts.news import Event, due_us
from kench.cabinet.alerts.outbox import may_test, messages_of, queue
from kench.cabinet.alerts.rules import (
    BOUNDS,
    USUAL,
    Channel,
    Kind,
    NewRule,
    Rule,
    RuleRefusal,
    end_rule,
    find_rule,
    make_rule,
    rules_of,
)
from kench.cabinet.alerts.sending import channels_of, fits
from kench.cabinet.alerts.wording import test_message
from kench.cabinet.login.trail import DONE, TrailEntry, keep_trail
from kench.cabinet.web.acting import TABS, Acting, render_room
from kench.cabinet.web.contact import SAID_OF
from kench.cabinet.web.forms import Posted, text_of
from kench.cabinet.web.pages import go
from kench.cabinet.web.said import SAID, Said
from kench.cabinet.web.tabs import Tab
from kench.cabinet.web.visit import CabinetHere, Entered, VisitHere
from kench.cabinet.words.catalogues import N_
from kench.pool.register import ID_MAX

KINDS = {
    Kind.SILENT: N_("a worker is silent, minutes"),
    Kind.LOW: N_("the hashrate of an hour is below what was declared, percent of it"),
    Kind.REFUSED: N_("more of the day's shares are refused, percent"),
}
CHANNELS = {
    Channel.EMAIL: N_("e-mail"),
    Channel.WEBHOOK: N_("webhook"),
    Channel.BOT: N_("messenger"),
}
EVENTS = {Event.BEGUN: N_("begun"), Event.OVER: N_("over"), Event.TEST: N_("test")}
STATES = {"waiting": N_("waits"), "sent": N_("sent"), "failed": N_("not sent")}
TABS.append(Tab("alerts", N_("Alerts")))
SAID["rule_made"] = Said(N_("You will be told. Send a test to see that it arrives."))
SAID["rule_ended"] = Said(N_("Nothing is sent by this rule any more."))
SAID["rule_gone"] = Said(N_("There is no such rule any more."), good=False)
SAID["rule_target"] = Said(N_("Nothing can be sent to that address."), good=False)
SAID["rule_tested"] = Said(N_("A test is on its way."))
SAID["rule_tests"] = Said(N_("Too many tests: wait an hour."), good=False)
SAID[f"rule_{RuleRefusal.BOUND}"] = Said(N_("That bound is not possible."), good=False)
SAID[f"rule_{RuleRefusal.QUIET}"] = Said(N_("Give quiet hours as 22:00."), good=False)
SAID[f"rule_{RuleRefusal.LIMIT}"] = Said(
    N_("There are as many rules as one participant may have: end one first."), good=False
)
SAID["rule_unconfirmed"] = Said(N_("That address is not confirmed yet."), good=False)
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")

room = APIRouter()


@room.get("/p/{participant_id}/alerts")
def show_alerts(
    request: Request, cabinet: CabinetHere, visit: VisitHere, acting: Acting
) -> Response:
    """Show rules and what was sent."""
    return _page(request, cabinet, visit, acting)


@room.post("/p/{participant_id}/alerts")
def make(  # noqa: PLR0913, PLR0917 - what FastAPI hands over
    request: Request,
    cabinet: CabinetHere,
    visit: VisitHere,
    login: Entered,
    acting: Acting,
    form: Posted,
) -> Response:
    """Make a rule; a webhook's secret is shown this once."""
    page = f"/p/{acting.participant_id}/alerts"
    try:
        kind, channel = Kind(text_of(form, "kind")), Channel(text_of(form, "channel"))
    except ValueError as error:
        raise HTTPException(400) from error
    target, settings = text_of(form, "target"), cabinet.settings
    if channel not in channels_of(settings) or not fits(settings, channel, target):
        return go(page, "rule_target")
    quiet = [_minute(text_of(form, name)) for name in ("quiet_from", "quiet_until")]
    bound = text_of(form, "bound")
    new = NewRule(
        kind,
        int(bound) if bound.isascii() and bound.isdigit() and len(bound) < 5 else 0,
        channel,
        target,
        visit.language,
        *quiet,
    )
    with cabinet.engine.begin() as db:
        made = make_rule(
            db, acting.participant_id, new,
            made_by=login.person.id, now_us=visit.now_us, random_bytes=cabinet.random_bytes,
        )  # fmt: skip
        keep_trail(db, TrailEntry(
            visit.now_us, "make_rule", made if isinstance(made, RuleRefusal) else DONE,
            f"participant {acting.participant_id}", visit.address,
            f"{kind} {bound} {channel} {target}", login.person.id, login.id,
        ))  # fmt: skip
        asked = None
        if not isinstance(made, RuleRefusal) and not made.is_confirmed:
            asked = ask_address(db, login.person.id, target, visit.language, visit.now_us)
    if isinstance(made, RuleRefusal):
        return go(page, f"rule_{made}")
    if asked is not None:
        return go(page, SAID_OF[asked])
    if made.secret is None:
        return go(page, "rule_made")
    return _page(request, cabinet, visit, acting, made)


@room.post("/p/{participant_id}/alerts/{rule_id}/end")
def end(
    cabinet: CabinetHere, visit: VisitHere, login: Entered, acting: Acting, rule_id: int
) -> Response:
    """End a rule."""
    _check(rule_id)
    with cabinet.engine.begin() as db:
        ended = end_rule(
            db, acting.participant_id, rule_id, ended_by=login.person.id, now_us=visit.now_us
        )
        keep_trail(db, TrailEntry(
            visit.now_us, "end_rule", DONE if ended else "unknown",
            f"participant {acting.participant_id} {rule_id}", visit.address,
            person_id=login.person.id, login_id=login.id,
        ))  # fmt: skip
    return go(f"/p/{acting.participant_id}/alerts", "rule_ended" if ended else "rule_gone")


@room.post("/p/{participant_id}/alerts/{rule_id}/test")
def test(cabinet: CabinetHere, visit: VisitHere, acting: Acting, rule_id: int) -> Response:
    """Send a test by a rule, after its quiet hours if it is in them."""
    _check(rule_id)
    page = f"/p/{acting.participant_id}/alerts"
    with cabinet.engine.begin() as db:
        rule = find_rule(db, acting.participant_id, rule_id)
        if rule is None:
            return go(page, "rule_gone")
        if not rule.is_confirmed:
            return go(page, "rule_unconfirmed")
        if not may_test(db, rule_id, visit.now_us):
            return go(page, "rule_tests")
        message = test_message(rule, acting.name, cabinet.settings.cabinet_origin + page)
        queue(
            db, rule.id, Event.TEST, message, now_us=visit.now_us,
            due_us=due_us(visit.now_us, rule.quiet_from, rule.quiet_until),
        )  # fmt: skip
    return go(page, "rule_tested")


@room.post("/p/{participant_id}/alerts/{rule_id}/ask")
def ask_again(cabinet: CabinetHere, visit: VisitHere, acting: Acting, rule_id: int) -> Response:
    """Send the owner of a rule's address one more link."""
    _check(rule_id)
    page = f"/p/{acting.participant_id}/alerts"
    with cabinet.engine.begin() as db:
        rule = find_rule(db, acting.participant_id, rule_id)
        if rule is None or rule.channel is not Channel.EMAIL:
            return go(page, "rule_gone")
        asked = ask_address(db, rule.made_by, rule.target, visit.language, visit.now_us)
    return go(page, SAID_OF[asked])


def _page(
    request: Request, cabinet: Any, visit: Any, acting: Any, made: Rule | None = None
) -> Response:
    with cabinet.engine.connect() as db:
        rules = rules_of(db, [acting.participant_id])
        messages = messages_of(db, acting.participant_id)
    return render_room(
        request, visit, acting, "participant/alerts.html", rules=rules, messages=messages,
        made=made, kinds=KINDS, channels=CHANNELS, offered=channels_of(cabinet.settings),
        events=EVENTS, states=STATES, bounds=BOUNDS, usual=USUAL,
    )  # fmt: skip


def _check(number: int) -> None:
    if not 0 < number <= ID_MAX:
        raise HTTPException(404)


def _minute(text: str) -> int:
    """Return a time of day as minutes; none is midnight, what is no time is no minute."""
    if not text:
        return 0
    found = _TIME.fullmatch(text)
    return int(found[1]) * 60 + int(found[2]) if found else -1
