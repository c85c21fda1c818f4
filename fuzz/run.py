"""Running one target in a process of its own, and reading what libFuzzer says of it."""

import importlib
import importlib.util
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fuzz.places import CORPUS, FOUND, GROWN, NATIVE, NATIVE_FROM, ROOT

# One input that takes longer is a hang. Generous: the machine may have better things to do.
HANG_S = 20
RSS_MAX_MB = 1024
# Beyond what was resident after a tenth of the run. The fuzzer's own tables grow at first.
GROWTH_MAX_MB = 128
# Those that try native code itself, built with sanitizers and coverage. The others call it as it
# is: sanitizers would take half their speed.
SANITIZED = {"plain", "shares", "wires"}
# Python frees nearly nothing at its end; whole stacks of allocations would cost half the speed.
ASAN = ("detect_leaks=0", "quarantine_size_mb=16", "malloc_context_size=1", "exitcode=77")
_STATUS = re.compile(r"#(\d+)\s+\w+ +(?:cov: (\d+) )?.*exec/s: \d+ rss: (\d+)Mb")
_ENDS = {0: "", 70: "hang", 71: "memory", 76: "leak", 77: "crash"}
_TOLD_LINES_MAX = 400


@dataclass(slots=True)
class Result:
    """What a run of one target came to; `failure` is empty where nothing was found."""

    target: str
    executions: int = 0
    seconds: float = 0.0
    coverage: int = 0
    rss_first_mb: int = 0
    rss_peak_mb: int = 0
    failure: str = ""
    found: Path | None = None

    @property
    def growth_mb(self) -> int:
        """Memory gained after the first tenth of the run."""
        return max(self.rss_peak_mb - self.rss_first_mb, 0)

    def take(self, line: str, warm: int) -> None:
        """Learn from one line of libFuzzer; memory counts from `warm` executions on."""
        status = _STATUS.match(line)
        if status is None:
            return
        self.executions, self.coverage, rss_mb = (int(number or 0) for number in status.groups())
        if self.executions <= warm or not self.rss_first_mb:
            self.rss_first_mb = rss_mb
        self.rss_peak_mb = max(self.rss_peak_mb, rss_mb)


def run(target: str, executions: int, seconds: int) -> Result:
    """Fuzz one target for so many executions, or seconds; 0 for no bound of that kind."""
    for place in (GROWN / target, FOUND):
        place.mkdir(parents=True, exist_ok=True)
    result = Result(target)
    started = time.monotonic()
    before = set(_inputs(target))
    told: list[str] = []
    command, environment = harness(target)
    with subprocess.Popen(
        [*command, *_arguments(target, executions, seconds)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,  # Python's traceback
        stderr=subprocess.STDOUT,  # libFuzzer's words
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                warm = executions // 10 if executions else result.executions
                if not executions and time.monotonic() - started > seconds / 10:
                    warm = 0
                result.take(line, warm)
                told.append(line)
                del told[:-_TOLD_LINES_MAX]
        except BaseException:  # an end asked for: none is left behind
            process.kill()
            raise
    result.seconds = time.monotonic() - started
    result.failure = _ENDS.get(process.returncode, f"status {process.returncode}")
    if not result.failure and result.growth_mb > GROWTH_MAX_MB:
        result.failure = "growth"
    if result.failure:
        (FOUND / f"{target}.log").write_text("".join(told))
        result.found = next(iter(set(_inputs(target)) - before), None)
    return result


def harness(target: str) -> tuple[list[str], dict[str, str]]:
    """Return the command that fuzzes a target, libFuzzer's arguments to follow; and its place."""
    return [sys.executable, "-m", "fuzz.harness", target], _environment(target)


def _arguments(target: str, executions: int, seconds: int) -> list[str]:
    length_max = importlib.import_module(f"fuzz.targets.{target}").LENGTH_MAX
    return [
        f"-runs={executions or -1}",
        f"-max_total_time={seconds}",
        f"-max_len={length_max}",
        f"-timeout={HANG_S}",
        f"-rss_limit_mb={RSS_MAX_MB}",
        f"-dict={ROOT / 'fuzz' / 'words.dict'}",
        f"-artifact_prefix={FOUND}/{target}-",
        # New finds go to the first folder; the tree's is read only, if it is there.
        *(str(place / target) for place in (GROWN, CORPUS) if (place / target).is_dir()),
    ]


def _environment(target: str) -> dict[str, str]:
    """Return the environment in which sanitized native code can be loaded."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    if target in SANITIZED and native_is_sanitized():
        atheris = importlib.util.find_spec("atheris")
        assert atheris is not None
        assert atheris.origin is not None
        environment |= {
            "LD_PRELOAD": str(Path(atheris.origin).parents[1] / "asan_with_fuzzer.so"),
            "ASAN_OPTIONS": ":".join(ASAN),
            # Every bytes object is an allocation of its own: reading past one is seen.
            "PYTHONMALLOC": "malloc",
            NATIVE_FROM: str(NATIVE),
        }
    return environment


def native_is_sanitized() -> bool:
    """Say whether native code was built for the fuzzer."""
    return any(NATIVE.glob("_gate.*.so"))


def _inputs(target: str) -> Iterator[Path]:
    """Inputs kept because they broke a target."""
    return FOUND.glob(f"{target}-*-*")
