"""What each role may enter, by the first word of an address: participants' rooms, the desk's."""

from collections.abc import Mapping

from kench.cabinet.login.people import PeopleRole
from kench.cabinet.registration.officers import REGISTRAR
from kench.pool.orders.officer_roles import OfficerRole

ALL = frozenset(PeopleRole)
OWNER = frozenset({PeopleRole.OWNER})
MONEY = OWNER | {PeopleRole.ACCOUNTANT}
MACHINES = OWNER | {PeopleRole.TECHNICIAN}

RIGHTS: Mapping[str, frozenset[PeopleRole]] = {
    "": ALL,
    "live": ALL,
    "series": ALL,
    "workers": MACHINES,
    "groups": MACHINES,
    "equipment": MACHINES,
    "connection": ALL,
    "tokens": MACHINES,
    "alerts": MACHINES,
    "earnings": MONEY,
    "blocks": MONEY,
    "statements": MONEY,
    "payouts": MONEY,
    "income": MONEY,
    "register": MONEY,
    "inspections": ALL,
    "reports": MONEY,
    "notices": ALL,
    "messages": ALL,
    "decisions": ALL,
    "dossier": OWNER,
    "people": ALL,
    "access": OWNER,
    "openings": OWNER,
}
"""Who sees a room may not do all that is in it: what only an owner does says so itself."""


OFFICERS = frozenset(OfficerRole)
INSPECTOR = frozenset({OfficerRole.INSPECTOR, OfficerRole.HEAD})
FINANCE = frozenset({OfficerRole.FINANCE, OfficerRole.HEAD})
SECURITY = frozenset({OfficerRole.SECURITY, OfficerRole.HEAD})

DESK: Mapping[str, frozenset[OfficerRole]] = {
    "applications": REGISTRAR,
    "notices": REGISTRAR,
    "participants": REGISTRAR | INSPECTOR,
    "decisions": REGISTRAR | INSPECTOR,
    "suspensions": REGISTRAR,
    "closed": REGISTRAR,
    "messages": REGISTRAR,
    "register": OFFICERS,
    "circulars": REGISTRAR,
    "venues": OFFICERS,
    "country": OFFICERS,
    "orders": FINANCE,
    "lots": FINANCE | SECURITY,
    "income": FINANCE,
    "reports": FINANCE | INSPECTOR,
    "inspections": INSPECTOR,
    "trail": SECURITY,
    "officers": SECURITY,
    "templates": frozenset({OfficerRole.HEAD}),
}
"""Who may enter a room of the desk; the desk's own page is every officer's, and what is not listed
nobody's. What only some of them may do in a room asks for their role itself (`acting`)."""


def may_enter(path: str, roles: frozenset[OfficerRole]) -> bool:
    """Whether an officer of these roles may enter `/desk/notices/7`."""
    word = desk_word(path)
    return not word or bool(DESK.get(word, frozenset()) & roles)


def desk_word(path: str) -> str:
    """Return the first word after `/desk`, without an ending such as `.pdf`."""
    return "".join(path.split("/")[2:3]).partition(".")[0]


def roles_for(path: str) -> frozenset[PeopleRole]:
    """Return who may enter `/p/7/workers/rig`; what is not listed is the owner's alone."""
    return RIGHTS.get(word_of(path), OWNER)


def word_of(path: str) -> str:
    """Return the first word after the participant's number, without an ending such as `.pdf`."""
    return "".join(path.split("/")[3:4]).partition(".")[0]
