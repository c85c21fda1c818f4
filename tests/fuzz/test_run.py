import subprocess
import sys

import pytest

from fuzz.places import CORPUS, ROOT
from fuzz.run import Result

SAID = [
    "INFO: Loaded 4 modules   (11487 inline 8-bit counters)",
    "#2\tINITED cov: 2 ft: 2 corp: 1/1b exec/s: 0 rss: 75Mb",
    "#900\tNEW    cov: 41 ft: 5 corp: 2/2b lim: 4 exec/s: 450 rss: 90Mb L: 1/1 MS: 1 ChangeByte-",
    "#5000\tREDUCE cov: 41 ft: 7 corp: 3/5b lim: 170 exec/s: 0 rss: 140Mb L: 3/3 MS: 2 CopyPart-",
    "#10000\tDONE   cov: 43 ft: 7 corp: 3/5b lim: 191 exec/s: 900 rss: 130Mb",
]


def test_memory_gained_after_the_first_tenth_is_growth() -> None:
    result = Result("message")
    for line in SAID:
        result.take(line, warm=1000)
    assert (result.executions, result.coverage) == (10_000, 43)
    assert (result.rss_first_mb, result.rss_peak_mb, result.growth_mb) == (90, 140, 50)


def test_a_line_without_coverage_is_counted_too() -> None:
    result = Result("message")
    result.take("#2097152\tpulse  corp: 1/1b lim: 4096 exec/s: 699050 rss: 52Mb", warm=0)
    assert (result.executions, result.rss_peak_mb) == (2_097_152, 52)


def fuzz(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "fuzz", *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_a_target_that_there_is_not_is_told_and_status_2() -> None:
    done = fuzz("sesion")
    assert done.returncode == 2
    assert "no target is called sesion: there are session, " in done.stderr


@pytest.mark.parametrize("target", ["plain", "feed"])
def test_inputs_are_replayed_without_the_fuzzer(target: str) -> None:
    inputs = sorted((CORPUS / target).iterdir())
    done = fuzz(target, "--replay", *map(str, inputs))
    assert (done.returncode, done.stderr) == (0, "")
