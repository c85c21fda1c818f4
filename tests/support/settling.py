"""`kench settle` as a process of its own, with a node that never answers."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from kench.pool.secret_sources import tell_secret
from tests.support.root_process import running_root
from tests.support.stopping import Process

NO_NODE = "http://user:word@127.0.0.1:1"


@contextlib.contextmanager
def settling(
    database: str, data: Path, name: str = "settle", **more: str
) -> Iterator[tuple[Process, Path]]:
    """Run it; yields the process and its log. It is gone afterwards."""
    variables = {"KENCH_DATABASE_URL": database, "KENCH_DATA": str(data), **more}
    variables = tell_secret(variables, data / f"{name}-secrets", "node_urls", NO_NODE)
    log = data / f"{name}.log"
    with running_root("kench.payouts", log, variables) as process:
        yield process, log
