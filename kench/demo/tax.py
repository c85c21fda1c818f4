"""The hand-over of income, shown: `kench tax`, a security server's twin, and who pulls."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from kench.pool.errors import KenchError
from kench.pool.secret_sources import variables_for

CLIENT = "KG/GOV/10000001/taxes"
SERVICE = "KG/GOV/10000009/mining/income"
ENDPOINTS = (
    "periods", "income-reports", "participants", "corrections", "receipts", "register-entries",
)  # fmt: skip
READY_S, STOP_S = 120.0, 5.0


class DemoFailedError(KenchError):
    """A part of the demonstration did not get ready."""


def show(period: str, variables: Mapping[str, str], log: Path, *, made_up: bool) -> int:
    """Run it; return the status of who pulls. What the others log goes to a file.

    Of a pool's own month nothing is written: its settings send nothing to anybody from here, and
    nobody says that the tax service took a record.
    """
    database = variables_for("database_url")
    ours = {name: text for name, text in os.environ.items() if name not in database}
    environment = {**ours, **variables}
    with ExitStack() as running, log.open("ab") as logged:
        aside = running.enter_context(TemporaryDirectory(prefix="kench-demo-"))
        provider = provider_settings(environment, aside)
        tax = running.enter_context(_role("tax", (), provider, logged.fileno()))
        words = ("--port", "0", "--service", f"{SERVICE}={tax}")
        twin = running.enter_context(_role("xroad", words, environment, logged.fileno()))
        asked = ["pull", "--period", period, "--url", twin, "--service", SERVICE]
        if made_up:
            asked.append("--receipts")
        return subprocess.run(  # noqa: S603 - our own command
            _command("consumer", (*asked, "--client", CLIENT)),
            env=environment,
            check=False,
        ).returncode


def provider_settings(environment: Mapping[str, str], folder: str) -> dict[str, str]:
    """Return what `kench tax` is told here: nothing of the pool's but its database."""
    may = ", ".join(f'"{one}"' for one in ENDPOINTS)
    kept = {
        name: value
        for name, value in environment.items()
        if not name.startswith(("KENCH_TAX_", "KENCH_CONFIG"))
    }
    return kept | {
        "KENCH_DATA": folder,
        "KENCH_TAX_CLIENTS": f'[{{"client": "{CLIENT}", "may": [{may}]}}]',
        "KENCH_TAX_PORT": "0",
        "KENCH_TAX_METRICS_PORT": "0",
    }


@contextmanager
def _role(
    role: str, words: Sequence[str], environment: Mapping[str, str], log: int
) -> Iterator[str]:
    """Run a role until the block ends; yields its address."""
    with subprocess.Popen(  # noqa: S603 - our own command
        _command(role, words), env=environment, stdout=subprocess.PIPE, stderr=log, text=True
    ) as process:
        timer = threading.Timer(READY_S, process.kill)
        timer.start()
        try:
            address = _address(role, process)
            timer.cancel()
            yield address
        finally:
            timer.cancel()
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _address(role: str, process: "subprocess.Popen[str]") -> str:
    """Return where it answers, once it is ready."""
    address = ""
    for line in process.stdout or ():
        word = line.split()[-1] if line.split() else ""
        if word == "ready":
            return address
        address = address or word
    raise DemoFailedError(f"kench {role} did not get ready: see its log")


def _command(role: str, words: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "kench", role, *words]
