"""Costs of a machine from the figures that benchmarks wrote there (`--json`), by their names."""

import json
import os
import platform
from pathlib import Path
from statistics import median
from typing import Any

from kench.sim.costs import Checks, Costs, CostsError, FrontCosts, Line, MemoryCosts
from kench.sim.measuring import RUNS
from kench.sim.memory import FRONTS_MEASURED

CPUINFO = Path("/proc/cpuinfo")
BUSY = "1000x1"
REPLICAS = 3


def costs_of(folder: Path, day: str, load: float) -> Costs:
    """Read the figures in a folder, measured on a day, the load average before it being so.

    Raises CostsError, which names what is missing.
    """
    figures = {name: _read(folder, name) for name in RUNS}
    try:
        return _costs(figures, day, load)
    except (KeyError, IndexError, TypeError, ValueError, ZeroDivisionError) as broken:
        raise CostsError(
            f"the figures in {folder} are not those of this version ({broken!r}): "
            f"measure them anew, `kench sim --calibrate`"
        ) from broken


def _read(folder: Path, name: str) -> Any:
    path = folder / f"{name}.json"
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as missing:
        raise CostsError(
            f"{path} cannot be read: python -m benchmarks.{name} --json {path}"
        ) from missing


def machine() -> str:
    """Return what this machine is."""
    model = platform.machine()
    if CPUINFO.exists():
        names = [line for line in CPUINFO.read_text().splitlines() if line.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    return f"{model}, {os.cpu_count()} cores"


def _costs(figures: dict[str, Any], day: str, load: float) -> Costs:
    fan_out, storms = figures["fan_out"], figures["login_storm"]["pool"]
    killed = figures["reload"]["events"][1]
    settled = figures["settling"]["turns"][1]
    statistics, books = figures["statistics"], figures["books"]
    credited = books["participants"] * books["rounds"]
    return Costs(
        machine=machine(),
        cores=os.cpu_count() or 1,
        day=day,
        load=load,
        memory=_memory(figures),
        checks=_checks(figures),
        front=_front(figures),
        login_cpu_s=median(one["cpu_us_per_login"] for one in storms) / 1e6,
        resume_s=killed["unserved_p99_s"] / killed["lost"],
        first_line_s=median(one["first_ms"] for one in fan_out["pool"]) / 1000,
        maker_cpu=figures["steady"]["levels"][1]["maker_cpu"],
        keeper_cpu_worker=_each_s(statistics, "keeper_s"),
        keeper_postgres_worker=_each_s(statistics, "postgres_s"),
        settle_cpu_s=settled["settle_cpu_s"] / settled["records"],
        settle_postgres_s=settled["postgres_cpu_s"] / settled["records"],
        books_cpu_s=sum(books["cpu_s"].values()) / books["participants"],
        **_nats(figures["jetstream"]),
        rows={
            name: size["bytes"] / size["rows"]
            for part in ("statistics", "settling", "books")
            for name, size in figures[part]["tables"].items()
        },
        books_rows=sum(size["rows"] for size in books["tables"].values()) / credited,
        books_bytes=sum(size["bytes"] for size in books["tables"].values()) / credited,
    )


def _front(figures: dict[str, Any]) -> FrontCosts:
    """Return a front's costs; the busiest rate is that of a thousand miners at full speed."""
    alone = [one for one in figures["standby"]["costs"] if one["how"] == "alone"]
    fan_out = figures["fan_out"]
    empty, idle, *levels = figures["steady"]["levels"]
    cpu = [(one["shares_per_s"], one["front_cpu"] - idle["front_cpu"]) for one in levels]
    busy = next(one for one in figures["share_path"]["cells"] if one["cell"] == BUSY)["pool"]
    cpu.append((busy["accepted_per_s"], busy["server_cpu_s"] / busy["seconds"]))
    return FrontCosts(
        idle_cpu=empty["front_cpu"],
        connection_cpu=max(idle["front_cpu"] - empty["front_cpu"], 0.0) / idle["connections"],
        cpu=tuple(sorted(cpu)),
        share_s=busy["cpu_s_per_million"] / 1e6,
        commit_s=_line([(one["size"], one["p50_ms"] / 1000) for one in alone]),
        send_s=median(one["spread_ms"] for one in fan_out["pool"]) / 1000 / fan_out["connections"],
    )


def _line(points: list[tuple[int, float]]) -> Line:
    """Return the line from the smallest batch measured to the largest."""
    (n0, y0), (n1, y1) = points[0], points[-1]
    each = max((y1 - y0) / (n1 - n0), 0.0)
    return Line(y0 - each * n0, each)


def _each_s(statistics: dict[str, Any], who: str) -> float:
    """Return the part of a core that a worker takes, all kinds of work that come again together."""
    parts = [
        work[who] / (work["keeper_s"] + work["postgres_s"]) * work["percent"] / 100
        for work in statistics["works"].values()
        if work["percent"]
    ]
    return float(sum(parts)) / int(statistics["workers"])


def _nats(figures: dict[str, Any]) -> dict[str, Any]:
    three = [one for one in figures["acks"] if one["replicas"] == REPLICAS]
    return {
        "ack_s": _line([(one["size"], one["p50_ms"] / 1000) for one in three]),
        "nats_cpu_s": _line([(one["size"], one["server_cpu_us"] / 1e6) for one in three]),
        "nats_bytes": _line([(one["size"], one["stored_bytes"]) for one in three]),
        "deliveries_s": tuple(
            (one["fronts"], one["p50_ms"] / 1000) for one in figures["deliveries"]
        ),
    }


def _memory(figures: dict[str, Any]) -> MemoryCosts:
    """Return what processes hold: sessions of one worker first, then some of their own."""
    held = figures["memory"]
    first, *_, shared, owned = held["levels"]
    session, maker_session = (
        _grown(first, shared, who, "sessions") for who in ("fronts_bytes", "maker_bytes")
    )
    more = owned["sessions"] - shared["sessions"]
    each = (owned["fronts_bytes"] - shared["fronts_bytes"]) / more - session
    statistics = figures["statistics"]
    return MemoryCosts(
        roles={role: float(size) for role, size in sorted(held["roles"].items())},
        session=session,
        worker=max(each, 0.0),
        job=held["job_bytes"],
        hash=held["hash_bytes"],
        maker_session=max(maker_session, 0.0),
        maker_worker=statistics["bytes"] / statistics["workers"],
        settle_chunk=float(max(turn["bytes"] for turn in figures["settling"]["turns"])),
        nats_server=float(max(one["server_bytes"] for one in figures["jetstream"]["acks"])),
        postgres_process=float(held["postgres_bytes"]),
        postgres_processes=held["postgres_processes"],
    )


def _grown(low: dict[str, Any], high: dict[str, Any], what: str, by: str) -> float:
    return float((high[what] - low[what]) / (high[by] - low[by]))


def _checks(figures: dict[str, Any]) -> Checks:
    fan_out, storms = figures["fan_out"], figures["login_storm"]
    return Checks(
        block={
            "connections": fan_out["connections"],
            "shares_per_s": fan_out["shares_per_s"],
            "spread_ms": median(one["spread_ms"] for one in fan_out["pool"]),
            "p99_ms": median(one["p99_ms"] for one in fan_out["pool"]),
        },
        storm={
            "connections": storms["connections"],
            "logins_per_s": median(one["logins_per_s"] for one in storms["pool"]),
        },
        steady=tuple(
            {
                "connections": one["connections"],
                "shares_per_s": one["shares_per_s"],
                "p50_ms": one["p50_ms"],
                "p99_ms": one["p99_ms"],
                "core": one["front_cpu"],
            }
            for one in figures["steady"]["levels"][2:]
        ),
        sessions=tuple(
            {"sessions": one["sessions"], "fronts": FRONTS_MEASURED, "bytes": one["fronts_bytes"]}
            for one in figures["memory"]["levels"][1:-1]
        ),
    )
