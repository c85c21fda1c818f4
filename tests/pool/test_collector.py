"""The collector of cycles leaves what the start made alone, and still collects."""

import subprocess
import sys

PROGRAM = """
import gc, weakref
from kench.pool.collector import THRESHOLDS, spare_collector
spare_collector()
assert gc.isenabled() and gc.get_freeze_count() > 0 and gc.get_threshold() == THRESHOLDS
class Cycle: pass
cycle = Cycle()
cycle.itself = cycle
gone = weakref.ref(cycle)
del cycle
kept = [[] for _ in range(2 * THRESHOLDS[0])]
assert gone() is None
"""


def test_a_process_at_rest_is_frozen_and_cycles_still_go() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False, timeout=30
    )
    assert (done.returncode, done.stderr) == (0, "")
