"""Doors: the ports that miners come in by, each with a purpose and a policy of its own.

The plain case is one door, `stratum_host` and `stratum_port`. Further ones are entries of `doors`;
what an entry leaves unset is as at the first door, as far as what it does set allows.
"""

import json
import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Any, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

PORT_MAX = 65_535
DIFFICULTY_MAX = 2.0**63
FIRST_DOOR = "standard"
"""Name of the door that `stratum_host` and `stratum_port` make."""
DOORS_MAX = 32

Port = Annotated[int, Field(ge=0, le=PORT_MAX)]
Difficulty = Annotated[float, Field(gt=0, le=DIFFICULTY_MAX)]
SharesPerMinute = Annotated[float, Field(ge=0.1, le=600)]
Network = IPv4Network | IPv6Network

_WILDCARDS = {"", "0.0.0.0", "::"}  # noqa: S104 - names of all addresses, to compare with
_DOOR_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


def words_of(value: object) -> object:
    """Take one string that holds several values apart, at blanks and commas."""
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


class DoorSettings(BaseModel):
    """One entry of `doors`."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        allow_inf_nan=False,
    )

    name: str
    """Short name, for logs and metrics: a to z, 0 to 9 and dashes."""
    purpose: Annotated[str, Field(max_length=120)] = ""
    """Who should come in here, in words for people."""
    host: tuple[str, ...] = ()
    """Addresses to listen on; `::` takes IPv4 too. Unset: `stratum_host`."""
    port: Port
    """Port that miners connect to; 0 takes any free one."""
    tls: bool = False
    """Miners speak TLS (`stratum+ssl`); needs `tls_certificate` and `tls_key`."""
    proxy_from: tuple[Network, ...] = ()
    """Addresses of proxies (CIDR): a PROXY header, version 1 or 2, is required from these and
    refused from all others."""
    start_difficulty: Difficulty | None = None
    """Difficulty of a new connection until its rate is known."""
    min_difficulty: Difficulty | None = None
    """Floor of the difficulty of any connection."""
    max_difficulty: Difficulty | None = None
    """Ceiling of the difficulty of any connection; the network's is a ceiling always."""
    shares_per_minute: SharesPerMinute | None = None
    """Shares a minute that the difficulty of a connection is steered to."""

    @field_validator("host", "proxy_from", mode="before")
    @classmethod
    def _split_words(cls, value: object) -> object:
        return words_of(value)

    @field_validator("name")
    @classmethod
    def _check_name(cls, value: str) -> str:
        if not _DOOR_NAME.fullmatch(value):
            raise ValueError("must be 1 to 32 of a to z, 0 to 9 and dashes")
        return value

    @model_validator(mode="after")
    def _check_difficulties(self) -> Self:
        said = {
            name: value
            for name in ("min_difficulty", "start_difficulty", "max_difficulty")
            if (value := getattr(self, name)) is not None
        }
        if list(said.values()) != sorted(said.values()):
            words = ", ".join(f"{value:g}" for value in said.values())
            raise ValueError(f"{' <= '.join(said)} must hold, but they are {words}")
        return self


@dataclass(frozen=True, slots=True)
class DoorPlan:
    """A door with nothing left open: what the stratum server is given."""

    name: str
    purpose: str
    hosts: tuple[str, ...]
    port: int
    tls: bool
    proxy_from: tuple[Network, ...]
    start_difficulty: float
    min_difficulty: float
    max_difficulty: float
    shares_per_minute: float

    def url(self, port: int | None = None) -> str:
        """Return what a miner is given to connect to, with the first of the addresses."""
        scheme = "stratum+ssl" if self.tls else "stratum+tcp"
        host = f"[{self.hosts[0]}]" if ":" in self.hosts[0] else self.hosts[0]
        return f"{scheme}://{host}:{self.port if port is None else port}"


class FirstDoor(Protocol):
    """The settings that describe the first door, and that others follow."""

    @property
    def stratum_host(self) -> str:
        """Addresses that miners connect to."""
        ...

    @property
    def stratum_port(self) -> int:
        """Port that miners connect to."""
        ...

    @property
    def proxy_from(self) -> tuple[Network, ...]:
        """Proxies in front of the first door."""
        ...

    @property
    def start_difficulty(self) -> float:
        """Difficulty of a new connection."""
        ...

    @property
    def min_difficulty(self) -> float:
        """Floor."""
        ...

    @property
    def max_difficulty(self) -> float:
        """Ceiling."""
        ...

    @property
    def shares_per_minute(self) -> float:
        """Rate wished for."""
        ...


def tables_of(value: object, setting: str, example: str) -> object:
    """Read a variable's text, a JSON array of objects; a TOML array comes as it is."""
    if not isinstance(value, str):
        return value
    try:
        parsed: Any = json.loads(value) if value.strip() else ()
    except ValueError:
        raise ValueError(
            f"must be a JSON array, such as [{example}]; in the settings file, tables [[{setting}]]"
        ) from None
    return parsed


def plan_doors(first: FirstDoor, others: tuple[DoorSettings, ...]) -> tuple[DoorPlan, ...]:
    """Return every door with nothing left open, the first one first."""
    hosts = tuple(str(first.stratum_host).replace(",", " ").split()) or ("",)
    plan = DoorPlan(
        FIRST_DOOR,
        "all miners",
        hosts,
        first.stratum_port,
        tls=False,
        proxy_from=first.proxy_from,
        start_difficulty=first.start_difficulty,
        min_difficulty=first.min_difficulty,
        max_difficulty=first.max_difficulty,
        shares_per_minute=first.shares_per_minute,
    )
    return (plan, *(_filled(door, plan) for door in others))


def _filled(door: DoorSettings, first: DoorPlan) -> DoorPlan:
    """Fill in what the door leaves unset: the first door's bounds give way to what is set."""
    said = [door.min_difficulty, door.start_difficulty, door.max_difficulty]
    known = [value for value in said if value is not None]
    lowest = door.min_difficulty or min([first.min_difficulty, *known])
    highest = door.max_difficulty or max([first.max_difficulty, *known])
    start = door.start_difficulty or max(lowest, min(first.start_difficulty, highest))
    return DoorPlan(
        door.name,
        door.purpose,
        door.host or first.hosts,
        door.port,
        tls=door.tls,
        proxy_from=door.proxy_from,
        start_difficulty=start,
        min_difficulty=lowest,
        max_difficulty=highest,
        shares_per_minute=door.shares_per_minute or first.shares_per_minute,
    )


def check_doors(plans: tuple[DoorPlan, ...], *, certificate: bool) -> None:
    """Raise ValueError, with words for the operator, where doors contradict each other."""
    names: set[str] = set()
    for at, plan in enumerate(plans):
        if plan.name in names:
            first = f"; {FIRST_DOOR} is that of stratum_port" if plan.name == FIRST_DOOR else ""
            raise ValueError(f"doors: the name {plan.name} is there twice{first}")
        names.add(plan.name)
        for other in plans[:at]:
            if plan.port and plan.port == other.port and meets(plan.hosts, other.hosts):
                raise ValueError(
                    f"doors: {other.name} and {plan.name} have the same port {plan.port}"
                )
        if plan.tls and not certificate:
            raise ValueError(f"doors: {plan.name} has tls, which needs tls_certificate and tls_key")


def meets(some: tuple[str, ...], others: tuple[str, ...]) -> bool:
    """Say whether two lists of addresses have one in common, or one that stands for all."""
    return bool(set(some) & set(others) or _WILDCARDS & {*some, *others})
