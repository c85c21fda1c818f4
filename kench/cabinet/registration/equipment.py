"""Equipment as it is declared: strictly read rows, whole numbers, units in names. Pure."""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum

import msgspec

from kench.cabinet.registration.fields import integer_of, line_of
from kench.cabinet.registration.gaps import Gap
from kench.cabinet.registration.regions import Region, region_of
from kench.cabinet.words.catalogues import N_

ROWS_MAX = 200
QUANTITY_MAX = 1_000_000
POWER_W_MAX = 1_000_000
PLANNED_KWH_MAX = 10**12
_HASHRATE = re.compile(r"([0-9]{1,6})(?:[.,]([0-9]{1,3}))?")
_HOURS_PER_MONTH = 31 * 24
ROW_FIELDS = (
    "model", "quantity", "hashrate", "power", "planned", "holding", "region", "site",
)  # fmt: skip


class Holding(StrEnum):
    """By what right equipment is used (clause 28.4)."""

    OWN = "own"
    LEASE = "lease"


HOLDINGS = {Holding.OWN: N_("own"), Holding.LEASE: N_("leased")}


class Equipment(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Machines of one model at one site (clause 28.2, 28.3).

    A field with a default came to be later: as data it is left out where it is not stated, so that
    what was signed before reads as it was written.
    """

    model: str
    quantity: int
    hashrate_ghs: int
    """Of one machine."""
    power_w: int
    """Of one machine."""
    planned_kwh_month: int
    """Of all of them."""
    holding: Holding
    site: str
    region: Region = Region.UNSTATED

    @property
    def full_load_kwh_month(self) -> int:
        """What all of them use in a month without a pause."""
        return self.quantity * self.power_w * _HOURS_PER_MONTH // 1000


class Total(msgspec.Struct, frozen=True):
    """Sums over an equipment list."""

    quantity: int
    hashrate_ghs: int
    power_w: int
    planned_kwh_month: int


def total_of(equipment: Iterable[Equipment]) -> Total:
    """Sums of all machines."""
    rows = list(equipment)
    return Total(
        sum(row.quantity for row in rows),
        sum(row.quantity * row.hashrate_ghs for row in rows),
        sum(row.quantity * row.power_w for row in rows),
        sum(row.planned_kwh_month for row in rows),
    )


def terahashes(hashrate_ghs: int) -> str:
    """Gigahashes as terahashes, exactly, the way people write them."""
    whole, rest = divmod(hashrate_ghs, 1000)
    return f"{whole}.{rest:03}".rstrip("0").rstrip(".")


def read_rows(
    rows: Iterable[Mapping[str, str]],
) -> tuple[tuple[Equipment, ...], list[Gap]]:
    """Equipment of all rows that are whole, and what is wrong with the others."""
    equipment, gaps = [], []
    given = list(rows)
    if not given:
        gaps.append(Gap("rows", N_("Equipment: name at least one model")))
    for number, row in enumerate(given, start=1):
        read, wrong = _read_row(number, row)
        gaps += wrong
        if read is not None:
            equipment.append(read)
    return tuple(equipment), gaps


def row_of(equipment: Equipment) -> dict[str, str]:
    """Equipment as a row of the form, which `read_rows` reads back."""
    return {
        "model": equipment.model,
        "quantity": str(equipment.quantity),
        "hashrate": terahashes(equipment.hashrate_ghs),
        "power": str(equipment.power_w),
        "planned": str(equipment.planned_kwh_month),
        "holding": equipment.holding.value,
        "region": equipment.region.value,
        "site": equipment.site,
    }


def _read_row(number: int, row: Mapping[str, str]) -> tuple[Equipment | None, list[Gap]]:
    model, site = line_of(row.get("model", ""), 100), line_of(row.get("site", ""), 200)
    quantity = integer_of(row.get("quantity", ""), 1, QUANTITY_MAX)
    power_w = integer_of(row.get("power", ""), 1, POWER_W_MAX)
    planned = integer_of(row.get("planned", ""), 1, PLANNED_KWH_MAX)
    hashrate_ghs = _gigahashes(row.get("hashrate", ""))
    holding, region = row.get("holding", ""), region_of(row.get("region", ""))
    wrong = [
        Gap(f"row-{number}-{field}", text, {"row": number})
        for field, fits, text in (
            ("model", model, N_("Equipment, row %(row)s: the model is missing")),
            ("quantity", quantity, N_("Equipment, row %(row)s: the quantity is a whole number")),
            ("hashrate", hashrate_ghs,
             N_("Equipment, row %(row)s: the hashrate of one machine, in TH/s, such as 234.5")),
            ("power", power_w, N_("Equipment, row %(row)s: power of one machine in whole watts")),
            ("planned", planned,
             N_("Equipment, row %(row)s: the planned electricity of all, in whole kWh per month")),
            ("holding", holding in HOLDINGS, N_("Equipment, row %(row)s: say if own or leased")),
            ("region", region, N_("Equipment, row %(row)s: say in which region the site is")),
            ("site", site, N_("Equipment, row %(row)s: the address of the site is missing")),
        )
        if not fits
    ]  # fmt: skip
    if wrong or not (model and site and region and quantity and power_w and planned):
        return None, wrong
    return Equipment(
        model, quantity, hashrate_ghs or 0, power_w, planned, Holding(holding), site, region
    ), []


def _gigahashes(text: str) -> int | None:
    matched = _HASHRATE.fullmatch(text.strip())
    if matched is None:
        return None
    whole, part = matched.groups()
    return int(whole) * 1000 + int((part or "").ljust(3, "0")) or None
