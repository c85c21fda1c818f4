"""Claims about the limit of open files, each in a process of its own."""

import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
from kench.stratum.descriptors import room_for
soft, hard, connections = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
print(room_for(connections), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def run(soft: int, hard: int, connections: int) -> tuple[int, int]:
    command = [sys.executable, "-c", SCRIPT, str(soft), str(hard), str(connections)]
    fits, limit = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return int(fits), int(limit)


@pytest.mark.parametrize(
    ("soft", "hard", "connections", "fits", "limit"),
    [
        (1024, 4096, 2000, 2000, 2256),  # raised as far as needed
        (1024, 1024, 2000, 768, 1024),  # no further than allowed: fewer connections then
        (4096, 4096, 100, 100, 4096),  # never lowered
    ],
)
def test_the_soft_limit_follows_the_need_and_the_bound_follows_the_hard_one(
    soft: int, hard: int, connections: int, fits: int, limit: int
) -> None:
    assert run(soft, hard, connections) == (fits, limit)
