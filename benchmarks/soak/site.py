"""The site: `kench up` with all its parts in a folder, found by role, ended whatever happens."""

import contextlib
import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from benchmarks.load.client import LoadError
from benchmarks.load.ports import free_ports
from kench.pool.postgres_account import processes_in
from kench.pool.work import EASIEST_DIFFICULTY
from kench.up.environment import base_environment

READY_S, STOP_S, STEP_S = 180.0, 40.0, 0.1
TAX_CLIENT = "KG/GOV/1/taxes"
FRONTS = 2


class Site:
    """A running `kench up`."""

    def __init__(self, data: Path, block_difficulty: float) -> None:
        self.data = data
        ports = free_ports(5)
        self.stratum_port, self.metrics_port, self.cabinet_port, self.tax_port, tax_metrics = ports
        self.said = data.parent / "kench-up.log"
        easiest = repr(EASIEST_DIFFICULTY)
        settings = {
            "KENCH_STRATUM_PROCESSES": str(FRONTS),
            # Every hash is a share; now and then one is a block.
            "KENCH_MIN_DIFFICULTY": easiest,
            "KENCH_START_DIFFICULTY": easiest,
            "KENCH_MAX_DIFFICULTY": easiest,
            "KENCH_BLOCK_DIFFICULTY": repr(block_difficulty),
            "KENCH_TAX_CLIENTS": json.dumps([{"client": TAX_CLIENT, "may": ["periods"]}]),
            "KENCH_TAX_PORT": str(self.tax_port),
            "KENCH_TAX_METRICS_PORT": str(tax_metrics),
        }
        flags = ["--stratum-port", str(self.stratum_port), "--metrics-port", str(self.metrics_port)]
        flags += ["--cabinet-port", str(self.cabinet_port), "--no-miner"]
        kench = Path(sys.executable).parent / "kench"
        command = [sys.executable, str(kench), "up", "--data", str(data), *flags]
        with self.said.open("ab") as said:
            self.process = subprocess.Popen(
                command,
                env={**base_environment(), **settings},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def await_ready(self) -> None:
        """Wait until miners can log in. Raises LoadError."""
        deadline = time.monotonic() + READY_S
        while "kench: ready" not in self.said.read_text(errors="replace"):
            if self.process.poll() is not None or time.monotonic() > deadline:
                last = self.said.read_text(errors="replace").strip().splitlines()[-3:]
                raise LoadError(f"the site does not get ready: {last}")
            time.sleep(STEP_S)

    def parts(self) -> dict[str, list[psutil.Process]]:
        """Return the processes of now by role; `front` are those that serve miners."""
        found: dict[str, list[psutil.Process]] = {}
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.process.pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                    role = _role(child.cmdline())
                    if role is not None:
                        found.setdefault(role, []).append(child)
        found["postgres"] = [
            psutil.Process(pid)
            for pid in processes_in(self.data / "postgres/cluster")
            if psutil.pid_exists(pid)
        ]
        found["up"] = [psutil.Process(self.process.pid)] if self.process.poll() is None else []
        return found

    def postmaster(self) -> int | None:
        """Return the process id of the database's first process."""
        path = self.data / "postgres/cluster/postmaster.pid"
        with contextlib.suppress(OSError, ValueError, IndexError):
            return int(path.read_text().splitlines()[0])
        return None

    def stop(self) -> bool:
        """End it and all of its; return whether it ended by itself."""
        everyone = [one for those in self.parts().values() for one in those]
        # What a fault holds cannot end.
        for one in everyone:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.send_signal(signal.SIGCONT)
        in_order = True
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                in_order = False
                self.process.kill()
                self.process.wait(STOP_S)
        for one in everyone:
            with contextlib.suppress(psutil.NoSuchProcess, psutil.TimeoutExpired):
                if one.pid != self.process.pid and one.is_running():
                    one.wait(2.0)
        for one in everyone:
            with contextlib.suppress(psutil.NoSuchProcess):
                if one.is_running() and one.status() != psutil.STATUS_ZOMBIE:
                    in_order = False
                    one.kill()
        return in_order


def _role(words: list[str]) -> str | None:
    for at, word in enumerate(words[:-1]):
        if Path(word).name == "kench":
            return words[at + 1]
        if word == "-m" and words[at + 1].startswith("kench.stratum.serve"):
            return "front"
    return None


@contextlib.contextmanager
def running_site(data: Path, block_difficulty: float) -> Iterator[Site]:
    """Run a site until the block ends, with nothing of it left then. Raises LoadError."""
    data.mkdir(parents=True, exist_ok=True)
    (data.parent / "kench-up.log").write_text("")
    site = Site(data, block_difficulty)
    try:
        site.await_ready()
        yield site
    finally:
        site.stop()


def state_of(metrics_port: int) -> dict[str, Any]:
    """Return what stratum says of itself; nothing where it does not answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{metrics_port}/status", timeout=2) as answer:
            state: dict[str, Any] = json.load(answer)
    except (OSError, ValueError):
        return {}
    return state
