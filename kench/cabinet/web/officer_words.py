"""Officers' roles in words."""

from kench.cabinet.words.catalogues import N_
from kench.pool.orders.officer_roles import OfficerRole

OFFICER_ROLES = {
    OfficerRole.REGISTRAR: N_("registrar"),
    OfficerRole.INSPECTOR: N_("inspector"),
    OfficerRole.FINANCE: N_("finance"),
    OfficerRole.SECURITY: N_("security"),
    OfficerRole.HEAD: N_("head"),
}
