"""A root of Kench as a process of its own, gone when the block ends.

with running_root("kench.sale", folder / "sell.log", variables) as process: ...
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path


@contextlib.contextmanager
def running_root(
    module: str, log: Path, variables: Mapping[str, str], words: Sequence[str] = ()
) -> "Iterator[subprocess.Popen[str]]":
    """Run it; what it says of its readiness is at `stdout`."""
    # Not a pipe: nobody reads it while the process runs, and a full pipe would hold it up.
    with (
        log.open("w") as kept,
        subprocess.Popen(
            [sys.executable, "-m", module, *words],
            env={**os.environ, **variables},
            stdout=subprocess.PIPE,
            stderr=kept,
            text=True,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()
