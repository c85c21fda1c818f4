"""What a session and the server around it are to each other: limits, admissions, the Pool."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from kench import native
from kench.pool.job import Job
from kench.stratum.difficulty import DifficultyLimits
from kench.stratum.user_agents import UserAgents

# The worker of a login that gets work but is not entered: whatever it submits is refused (A10.2).
NO_WORKER = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds one session; from the settings."""

    difficulty: DifficultyLimits
    max_line_bytes: int
    workers_per_connection: int


class Admission(NamedTuple):
    """A worker that may mine: what the register says of a login."""

    participant: int
    worker: int
    token: int
    """Id of the token that it came in by: it ends when that is revoked."""


@dataclass(frozen=True, slots=True)
class NewWorker:
    """A lawful login whose worker is not in the register yet: the shell has it made."""

    participant: int
    worker: str
    token: int


@dataclass(frozen=True, slots=True)
class Claim:
    """A session that ended elsewhere, perhaps: the shell asks who knows."""

    session_id: str


class Pool(Protocol):
    """What a session asks of the server around it; everything answers at once."""

    table: native.JobTable
    user_agents: UserAgents

    def rolling_mask(self) -> int:
        """Return the version bits that miners may roll on the current template (A7.7)."""
        ...

    def current_job(self) -> Job | None:
        """Return the job that a new connection is given."""
        ...

    def admit(self, user: object, tokens: tuple[str, ...]) -> Admission | NewWorker | None:
        """Look a login up in the cached register; None if it may not mine (D2)."""
        ...

    def count_failed(self, name: bytes) -> int:
        """Count a refused login; return how many in a row this user name has had (A3.3)."""
        ...

    def resume(self, session_id: str, unused: bytes) -> "Resumable | Claim | None":
        """Hand back what an ended session left behind, once (A2.7); Claim if that must be asked.

        `unused` is the extranonce1 that is free again where another is handed back.
        """
        ...


@dataclass(frozen=True, slots=True)
class Resumable:
    """What lets a reconnecting miner's last shares stay valid (A2.7)."""

    extranonce1: bytes
    difficulty: float
