"""Takes into the tree the few inputs, of all that runs have found, that reach the most.

python -m fuzz.distil [TARGET ...]
"""

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

from fuzz.places import CORPUS, GROWN
from fuzz.run import harness
from fuzz.targets import TARGETS

# For each target, beside its seeds; the whole corpus stays below what tests/fuzz allows.
INPUTS_MAX = 11
BYTES_MAX = 1024


def main() -> None:
    """Distil the targets named, or all."""
    for target in sys.argv[1:] or TARGETS:
        taken = _distil(target)
        print(f"{target}: {taken} inputs")


def _distil(target: str) -> int:
    """Replace a target's distilled inputs by better ones; seeds stay."""
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    reached = _reached(target)
    inputs = {path: path.read_bytes() for path in reached}
    known: set[str] = set()
    for path, features in reached.items():
        if path.name.startswith("seed-"):
            known |= features
    chosen: list[bytes] = []
    while len(chosen) < INPUTS_MAX and reached:
        best = max(reached, key=lambda path: (len(reached[path] - known), -len(inputs[path])))
        if not reached[best] - known:
            break
        known |= reached.pop(best)
        chosen.append(inputs[best])
    for path in folder.iterdir():
        if not path.name.startswith("seed-"):
            path.unlink()
    for data in chosen:
        (folder / hashlib.sha256(data).hexdigest()[:12]).write_bytes(data)
    return len(chosen)


def _reached(target: str) -> dict[Path, set[str]]:
    """Ask libFuzzer what each input reaches."""
    paths = [path for place in (GROWN, CORPUS) for path in sorted((place / target).glob("*"))]
    command, environment = harness(target)
    with tempfile.TemporaryDirectory() as scratch:
        control = Path(scratch) / "control"
        control.write_text("".join(f"{line}\n" for line in (len(paths), 0, *paths)))
        subprocess.run(
            [*command, "-merge_inner=1", f"-merge_control_file={control}"],
            env=environment,
            check=True,
            stderr=subprocess.DEVNULL,
            timeout=3600,
        )
        return _control(control.read_text().splitlines())


def _control(lines: list[str]) -> dict[Path, set[str]]:
    """Read a control file: how many files, their names, then what each reached."""
    count = int(lines[0])
    paths = [Path(line) for line in lines[2 : 2 + count]]
    reached: dict[Path, set[str]] = {}
    for line in lines[2 + count :]:
        kind, number, *features = line.split()
        path = paths[int(number)]
        if kind == "FT" and path.stat().st_size <= BYTES_MAX:
            reached[path] = set(features)
    return reached


if __name__ == "__main__":
    main()
