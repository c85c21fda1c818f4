"""Where letters go, as pages of applications and notices show it, and asking that address again."""

from typing import NamedTuple

from kench.cabinet.alerts.addresses import AddressState, Asked
from kench.cabinet.web.said import SAID, Said
from kench.cabinet.words.catalogues import N_


class Contact(NamedTuple):
    """An address, if letters go there, and what a form for another link is sent to."""

    address: str
    state: AddressState
    path: str


SAID["link_sent"] = Said(
    N_("A letter with a link is on its way: nothing else is sent there until its owner says yes.")
)
SAID["link_needless"] = Said(N_("The address is confirmed already."))
SAID["link_refused"] = Said(N_("The owner of that address wants no letters."), good=False)
SAID["link_too_many"] = Said(N_("Too many links were sent today: ask again tomorrow."), good=False)
SAID["link_unfit"] = Said(N_("Nothing can be sent to that address."), good=False)
SAID_OF = {
    Asked.SENT: "link_sent",
    Asked.CONFIRMED: "link_needless",
    Asked.REFUSED: "link_refused",
    Asked.TOO_MANY: "link_too_many",
    Asked.UNFIT: "link_unfit",
}
"""What a page says, by what came of asking."""
