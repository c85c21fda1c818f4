"""The desk's navigation: each officer sees the rooms that the officer's roles open."""

from kench.cabinet.web.rights import desk_word, may_enter
from kench.cabinet.web.tabs import Tab, TabGroup
from kench.cabinet.web.visit import Visit
from kench.cabinet.words.catalogues import N_

DESK_TABS = [
    Tab("", N_("What waits")),
    Tab("applications", N_("Applications")),
    Tab("notices", N_("Notices")),
    Tab("closed", N_("Decided")),
]
"""All rooms of the desk that have a page of their own in the navigation; each adds its own."""
GROUPS = (
    (
        N_("Work"),
        ("", "applications", "notices", "closed", "suspensions", "inspections", "reports"),
    ),
    (N_("Registers"), ("register", "venues", "circulars", "country")),
    (N_("Money"), ("orders", "lots", "income")),
    (N_("Authority"), ()),
)
"""How the navigation has them; those that are named nowhere stand in the last group."""


def desk_tabs(visit: Visit) -> list[TabGroup]:
    """Return the rooms of the visit's officer; none where the page is not the desk's."""
    login = visit.login
    if login is None or login.officer is None or visit.path.partition("/")[2][:4] != "desk":
        return []
    tabs = {tab.path: tab for tab in DESK_TABS if may_enter(f"/desk/{tab.path}", login.roles)}
    groups = [
        TabGroup(title, [tabs.pop(path) for path in paths if path in tabs])
        for title, paths in GROUPS
    ]
    groups[-1].tabs.extend(tabs.values())
    return [group for group in groups if group.tabs]


def desk_here(visit: Visit) -> str:
    """Return the first word of the room's address, as the navigation has it."""
    return desk_word(visit.path.partition("?")[0])
