"""What things cost on some machine, as benchmarks measured it there: the file that is read."""

import json
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Self

from kench.pool.errors import KenchError

FORMAT = 2


class CostsError(KenchError):
    """A file of costs, or the figures it should be made of, cannot be used."""


@dataclass(frozen=True, slots=True)
class Line:
    """A cost of so much at any rate, and so much for each share of a batch."""

    base: float
    each: float

    def at(self, count: float) -> float:
        """Return the cost of so many."""
        return self.base + self.each * count


@dataclass(frozen=True, slots=True)
class FrontCosts:
    """What a front's day is made of."""

    idle_cpu: float
    """Part of a core for nothing at all."""
    connection_cpu: float
    """And for a connection that says nothing."""
    cpu: tuple[tuple[float, float], ...]
    """Shares a second, and the part of a core that they take beside that, its threads together: a
    share costs the less the more of them come, as wake-ups and commits are shared."""
    share_s: float
    """For which a share holds up the loop of a busy front."""
    commit_s: Line
    """From hand-over of a batch until it is on disk."""
    send_s: float
    """For each further connection that a job goes to."""

    def cpu_at(self, shares_per_s: float) -> float:
        """Return the part of a core that shares take, between the rates that were measured.

        Past the last of them each takes what it took there.
        """
        below_n, below_cpu = 0.0, 0.0
        for rate, cpu in self.cpu:
            if shares_per_s <= rate:
                return below_cpu + (cpu - below_cpu) * (shares_per_s - below_n) / (rate - below_n)
            below_n, below_cpu = rate, cpu
        return below_cpu * shares_per_s / below_n


@dataclass(frozen=True, slots=True)
class MemoryCosts:
    """Bytes that processes hold, what they share by its part."""

    roles: dict[str, float]
    """Of one process at rest, by the word of its command; `front` and `gather` too."""
    session: float
    """Of its front, and a worker that no other session has; a job; a hash of a share."""
    worker: float
    job: float
    hash: float
    maker_session: float
    """Of the job maker, that knows whose each session is; and a worker's statistics."""
    maker_worker: float
    settle_chunk: float
    """Of settlement, for a chunk of the journals."""
    nats_server: float
    postgres_process: float
    """Of its own, without the buffers that all share."""
    postgres_processes: int
    """Of a site with two fronts."""


@dataclass(frozen=True, slots=True)
class Checks:
    """What was measured of the whole, to be set beside what is simulated of its parts."""

    block: dict[str, float]
    """`connections` have a new block's job in `spread_ms`, `p99_ms` of `shares_per_s` meanwhile."""
    storm: dict[str, float]
    """`connections` log in, `logins_per_s` of them."""
    steady: tuple[dict[str, float], ...]
    """`connections` with `shares_per_s`: `p50_ms`, `p99_ms`, `core`."""
    sessions: tuple[dict[str, float], ...]
    """So many `sessions` on `fronts`, that hold `bytes` together."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds are of CPU where the name says `cpu`, else of the wall; bytes are on disk."""

    machine: str
    cores: int
    day: str
    """On which all was measured, one run."""
    load: float
    """The load average before it."""
    memory: MemoryCosts
    checks: Checks
    front: FrontCosts
    login_cpu_s: float
    resume_s: float
    """For each session of a killed front until it is served elsewhere."""
    first_line_s: float
    """From the node's word of a block until the first line to a miner left, one machine."""
    maker_cpu: float
    """Part of a core that the job maker takes beside statistics and settlement."""
    keeper_cpu_worker: float
    """Part of a core that the statistics of a worker take, the job maker's thread."""
    keeper_postgres_worker: float
    settle_cpu_s: float
    """For each share settled, its worker's row being there."""
    settle_postgres_s: float
    books_cpu_s: float
    """For each participant of a block, from found to settled, PostgreSQL's part included."""
    ack_s: Line
    """From the publish of a batch until three servers of NATS have it."""
    nats_cpu_s: Line
    """Of the three servers together, for a batch."""
    nats_bytes: Line
    """On each of the servers, for a batch."""
    deliveries_s: tuple[tuple[int, float], ...]
    """Fronts, and how long a job takes to the last of so many."""
    rows: dict[str, float]
    """Bytes of a table's row with its indexes."""
    books_rows: float
    """Rows for each participant of a block; and their bytes."""
    books_bytes: float

    def delivery_s(self, fronts: int) -> float:
        """Return how long a job takes to the last of so many fronts, between what was measured.

        Past the most that were measured it grows as between the last two.
        """
        known = self.deliveries_s
        if len(known) == 1 or fronts <= known[0][0]:
            return known[0][1]
        upper = next((at for at in range(1, len(known)) if known[at][0] >= fronts), len(known) - 1)
        (n0, s0), (n1, s1) = known[upper - 1], known[upper]
        return max(s0 + (s1 - s0) * (fronts - n0) / (n1 - n0), 0.0)

    def row_bytes(self, table: str) -> float:
        """Return what a row takes; raises CostsError where that was not measured."""
        try:
            return self.rows[table]
        except KeyError:
            raise CostsError(
                f"the costs say nothing of a row of {table}: make them anew, `kench sim --help`"
            ) from None

    def text(self) -> str:
        """Return the file's contents."""
        return json.dumps({"format": FORMAT} | asdict(self), indent=1) + "\n"

    @classmethod
    def read(cls, path: Path | None) -> Self:
        """Read a file, or the one that comes with the program. Raises CostsError."""
        try:
            text = (
                (files("kench.sim") / "measured.json").read_text()
                if path is None
                else path.read_text()
            )
            fields: dict[str, Any] = json.loads(text)
            if fields.pop("format") != FORMAT:
                raise CostsError(f"{path} is of another version: make it anew, `kench sim --help`")
            front = fields["front"]
            cpu = tuple((float(rate), float(part)) for rate, part in front.pop("cpu"))
            commit_s = Line(**front.pop("commit_s"))
            fields["front"] = FrontCosts(cpu=cpu, commit_s=commit_s, **front)
            for name in ("ack_s", "nats_cpu_s", "nats_bytes"):
                fields[name] = Line(**fields[name])
            fields["memory"] = MemoryCosts(**fields["memory"])
            checks = fields["checks"]
            several = {name: tuple(checks[name]) for name in ("steady", "sessions")}
            fields["checks"] = Checks(**checks | several)
            fields["deliveries_s"] = tuple((int(n), float(s)) for n, s in fields["deliveries_s"])
            return cls(**fields)
        except (OSError, ValueError, KeyError, TypeError) as broken:
            raise CostsError(f"the costs in {path} cannot be read ({broken!r})") from broken
