"""Make the dump of a release that tests upgrade: run in the sources of that release.

    python release_dump.py FILE.sql.xz [SECONDS]

It runs a whole pool on the embedded regtest node with its paper venue, for so many seconds, with
a second participant, and dumps the database: totals, blocks, ledger, lots, sales, trail.
"""

import lzma
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from kench.pool.postgres import EmbeddedPostgres
from kench.pool.postgres_account import wheel_binaries

SECONDS = 240
KENCH = [sys.executable, "-c", "from kench.cli import main; main()"]
PORTS = ["--stratum-port", "0", "--metrics-port", "0", "--cabinet-port", "0"]
# Blocks come fast and are sold soon, so that a short run has some of everything.
QUICK = {"KENCH_BLOCK_DIFFICULTY": "0.0003", "KENCH_MATURITY_CONFIRMATIONS": "100"}


def main() -> None:
    """Run the pool, dump its database, and say how large that is."""
    place, seconds = Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else SECONDS
    environment = os.environ | QUICK
    with tempfile.TemporaryDirectory(prefix="kench-release-") as folder:
        Path(folder).chmod(0o711)
        data = Path(folder) / "data"
        up = subprocess.Popen([*KENCH, "up", "--data", str(data), *PORTS], env=environment)
        try:
            time.sleep(seconds)
            add = [*KENCH, "participant", "add", "ОсОО «Кен»", "--data", str(data)]
            subprocess.run(add, env=environment, check=True, stdout=subprocess.DEVNULL)
        finally:
            up.terminate()
            up.wait(60)
        server = EmbeddedPostgres(data)
        url = server.start()
        try:
            dump = subprocess.run(
                [wheel_binaries() / "pg_dump", "--no-owner", url], check=True, capture_output=True
            ).stdout
        finally:
            server.stop()
    place.write_bytes(lzma.compress(dump, preset=9 | lzma.PRESET_EXTREME))
    print(f"{place}: {len(dump)} bytes, {place.stat().st_size} compressed")


if __name__ == "__main__":
    main()
