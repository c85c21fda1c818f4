"""A participant's payouts: what was sent to the bank, and what the bank said of it."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from kench.cabinet.numbers.earnings import read_stages
from kench.cabinet.numbers.payouts import FIRST_BATCH, read_account, read_payouts
from kench.cabinet.registration.notice_store import notices_of
from kench.cabinet.registration.states import NoticeKind
from kench.cabinet.web.acting import Acting, render_room
from kench.cabinet.web.money import Words
from kench.cabinet.web.visit import CabinetHere, VisitHere
from kench.cabinet.words.catalogues import N_
from kench.payouts.bank.outcomes import PayoutState

PAYOUTS_SHOWN = 50
STATES = {
    PayoutState.PENDED: Words(N_("sent to the bank"), N_("The bank has not booked it yet.")),
    PayoutState.BOOKED: Words(N_("paid"), N_("The bank has booked it."), "good"),
    PayoutState.REJECTED: Words(
        N_("rejected by the bank"), N_("The money is in your balance again."), "bad"
    ),
    PayoutState.RETURNED: Words(
        N_("sent back"), N_("It was paid and came back; the money is in your balance again."), "bad"
    ),
}
# Codes of ISO 20022 that banks give for a payment that does not arrive.
REASONS = {
    "AC01": N_("The account number is not valid."),
    "AC03": N_("The account number is not valid."),
    "AC04": N_("The account is closed."),
    "AC06": N_("The account is blocked."),
    "AC07": N_("The account is closed."),
    "AC13": N_("The account is of a kind that takes no such payments."),
    "AG01": N_("The account takes no such payments."),
    "AM04": N_("There was not enough money on the sender's account."),
    "AM05": N_("The bank holds it for a payment that it has already."),
    "BE01": N_("The holder's name is not that of the account."),
    "MD07": N_("The holder of the account has died."),
    "MS02": N_("The receiver's bank gives no reason."),
    "MS03": N_("The bank gives no reason."),
    "RC01": N_("The bank's code is not valid."),
    "RR01": N_("The law asks for data that are missing."),
    "RR04": N_("It was stopped as the law requires."),
}

room = APIRouter()


@room.get("/p/{participant_id}/payouts")
def show_payouts(
    request: Request,
    visit: VisitHere,
    cabinet: CabinetHere,
    acting: Acting,
    before: Annotated[int, Query(gt=0, le=FIRST_BATCH)] = FIRST_BATCH,
) -> Response:
    """Show them."""
    who = acting.participant_id
    with cabinet.engine.connect() as db:
        payouts = read_payouts(db, who, most=PAYOUTS_SHOWN + 1, before=before)
        account, stages = read_account(db, who), read_stages(db, [who])[who]
        notices = notices_of(db, who)
    waiting = next(
        (one for one in notices if one.kind is NoticeKind.ACCOUNT and one.is_waiting), None
    )
    return render_room(
        request, visit, acting, "money/payouts.html",
        payouts=payouts[:PAYOUTS_SHOWN],
        older=payouts[PAYOUTS_SHOWN - 1].batch if len(payouts) > PAYOUTS_SHOWN else None,
        is_first=before == FIRST_BATCH,
        account=account,
        waiting=waiting,
        stages=stages,
        states=STATES,
        reason_of=lambda payout: REASONS.get(payout.reason[:4], ""),
    )  # fmt: skip
