"""One target under the fuzzer: instruments what it imports, then never returns.

The runner starts this in a process of its own; `python -m fuzz` is what people call.
"""

import importlib
import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

import atheris

from fuzz.places import NATIVE_FROM

# What is looked at for coverage; the rest of the house would only slow the run down.
INSTRUMENTED = [
    "kench.stratum",
    "kench.native",
    "kench.pool.rpc_json",
    "kench.pool.template",
    "kench.pool.template_json",
    "kench.pool.journal",
    "kench.pool.orders",
    "kench.payouts.proofs",
]


class _Sanitized(MetaPathFinder):
    """Finds native code where it was built with sanitizers and coverage."""

    def find_spec(
        self, name: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the sanitized extension of this name."""
        if not name.startswith("kench.native._"):
            return None
        return PathFinder.find_spec(name, [os.environ[NATIVE_FROM]])


def main() -> None:
    """Fuzz the target named first, with libFuzzer's arguments after it."""
    name, *arguments = sys.argv[1:]
    if NATIVE_FROM in os.environ:
        sys.meta_path.insert(0, _Sanitized())
    with atheris.instrument_imports(include=INSTRUMENTED):
        target = importlib.import_module(f"fuzz.targets.{name}")
    # The first is a name to libFuzzer, and a command where it would start itself again.
    atheris.Setup(["kench-fuzz", *arguments], target.check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
