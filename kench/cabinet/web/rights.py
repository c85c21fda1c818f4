"""What each role may enter of a participant's rooms, by the first word of their address."""

from collections.abc import Mapping

from kench.cabinet.login.people import PeopleRole

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
    "notices": ALL,
    "messages": ALL,
    "dossier": OWNER,
    "people": ALL,
    "access": OWNER,
}
"""Who sees a room may not do all that is in it: what only an owner does says so itself."""


def roles_for(path: str) -> frozenset[PeopleRole]:
    """Return who may enter `/p/7/workers/rig`; what is not listed is the owner's alone."""
    return RIGHTS.get(word_of(path), OWNER)


def word_of(path: str) -> str:
    """Return the first word after the participant's number, without an ending such as `.pdf`."""
    return "".join(path.split("/")[3:4]).partition(".")[0]
