"""How a participant's machines are connected: addresses, names, difficulties, steps. Pure."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from kench.cabinet.registration.equipment import Equipment, terahashes
from kench.cabinet.words.catalogues import N_
from kench.pool.door_settings import DoorPlan

HASHES_PER_DIFFICULTY = 2**32
FIRST_DOOR = N_("all miners")
"""What the settings say of the first port, unless an operator says something else."""
WORKER_SHOWN = "rig-01"
"""A name for a machine, in examples."""
WORD_MAX = 40
_WORDS = re.compile("[a-z0-9]+")
_GIGA = 10**9


@dataclass(frozen=True, slots=True)
class Entrance:
    """A port that miners connect to, as they call it."""

    name: str
    purpose: str
    url: str
    start_difficulty: float
    shares_per_minute: float


@dataclass(frozen=True, slots=True)
class Advice:
    """How the machines of a declared model may be called, and what difficulty each comes to."""

    model: str
    terahashes: str
    difficulty: int
    first_login: str
    last_login: str
    """The same as the first where there is one machine."""


@dataclass(frozen=True, slots=True)
class Firmware:
    """A family of firmware, and the steps in its own words for menus."""

    name: str
    steps: tuple[str, ...]


URL_STEP = N_(
    "Enter the address of the pool in the field URL of Pool 1; enter a second address as Pool 2."
)
WORKER_STEP = N_(
    "Enter your login with a name for the machine as Worker, and the token as Password."
)
FIRMWARES = (
    Firmware(
        "Antminer (Bitmain)",
        (
            N_("Open the machine's page: Settings, Pool Settings (Miner Configuration)."),
            URL_STEP,
            WORKER_STEP,
            N_("Press Save; the machine begins anew within a minute."),
        ),
    ),
    Firmware(
        "Whatsminer (MicroBT)",
        (
            N_("Open the machine's page or WhatsMinerTool: Configuration, CGMiner Configuration."),
            URL_STEP,
            WORKER_STEP,
            N_("Press Save & Apply."),
        ),
    ),
    Firmware(
        "Avalon (Canaan)",
        (
            N_("Open the machine's page: Configuration, Pool."),
            URL_STEP,
            WORKER_STEP,
            N_("Press Save, then Reboot."),
        ),
    ),
    Firmware(
        "Braiins OS",
        (
            N_("Open Configuration, Pools, and make a group with the pool's addresses."),
            WORKER_STEP,
            N_("Press Save & Apply. Stratum V1 addresses begin with stratum+tcp."),
        ),
    ),
    Firmware(
        "LuxOS, VNish",
        (
            N_("Open Pools (Miner settings) on the machine's page."),
            URL_STEP,
            WORKER_STEP,
            N_("Press Save & Apply."),
        ),
    ),
)


def entrances_of(plans: Iterable[DoorPlan], host: str | None) -> list[Entrance]:
    """The ports as miners call them; `host` is the name that the pool is known by."""
    found = []
    for plan in plans:
        url = plan.url()
        if host is not None:
            named = f"[{host}]" if ":" in host else host
            url = f"{urlsplit(url).scheme}://{named}:{plan.port}"
        found.append(
            Entrance(plan.name, plan.purpose, url, plan.start_difficulty, plan.shares_per_minute)
        )
    return found


def advice_of(
    participant_id: int, equipment: Iterable[Equipment], shares_per_minute: float
) -> list[Advice]:
    """Logins for the declared machines, and the difficulty at which each sends so many shares.

    Machines of one model that stand in several rows are numbered through.
    """
    named = Counter[str]()
    advice = []
    for row in equipment:
        word = worker_word(row.model)
        first, last = named[word] + 1, named[word] + row.quantity
        named[word] = last
        advice.append(
            Advice(
                row.model,
                terahashes(row.hashrate_ghs),
                difficulty_of(row, shares_per_minute),
                *(f"{participant_id}.{word}-{number:03d}" for number in (first, last)),
            )
        )
    return advice


def worker_word(model: str) -> str:
    """A model as the beginning of a worker's name: small letters, digits and hyphens of ASCII."""
    plain = unicodedata.normalize("NFKD", model).encode("ascii", "ignore").decode().lower()
    return "-".join(_WORDS.findall(plain))[:WORD_MAX].strip("-") or "rig"


def difficulty_of(row: Equipment, shares_per_minute: float) -> int:
    """For one machine, to the next power of two below."""
    exact = row.hashrate_ghs * _GIGA * 60 / (shares_per_minute * HASHES_PER_DIFFICULTY)
    return 1 << max(0, int(exact).bit_length() - 1)
