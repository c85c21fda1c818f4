"""The regions of the Republic: seven oblasts and two cities, by their codes of ISO 3166-2. Data."""

from enum import StrEnum

from kench.cabinet.words.catalogues import N_


class Region(StrEnum):
    """Where a site is."""

    UNSTATED = ""
    """What was declared before regions were asked for names none."""
    BISHKEK = "KG-GB"
    OSH_CITY = "KG-GO"
    BATKEN = "KG-B"
    CHUY = "KG-C"
    ISSYK_KUL = "KG-Y"
    JALAL_ABAD = "KG-J"
    NARYN = "KG-N"
    OSH = "KG-O"
    TALAS = "KG-T"


REGIONS = {
    Region.BISHKEK: N_("city of Bishkek"),
    Region.OSH_CITY: N_("city of Osh"),
    Region.BATKEN: N_("Batken oblast"),
    Region.CHUY: N_("Chüy oblast"),
    Region.ISSYK_KUL: N_("Issyk-Kul oblast"),
    Region.JALAL_ABAD: N_("Jalal-Abad oblast"),
    Region.NARYN: N_("Naryn oblast"),
    Region.OSH: N_("Osh oblast"),
    Region.TALAS: N_("Talas oblast"),
}
"""Those that a form offers, in its order."""
UNSTATED = N_("region not stated")
REGION_NAMES = REGIONS | {Region.UNSTATED: UNSTATED}


def region_of(typed: str) -> Region | None:
    """Return the region of a code, None where it is none of those that are offered."""
    return next((one for one in REGIONS if one.value == typed), None)
