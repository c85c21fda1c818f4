"""Which implementation serves, and that both offer the same."""

import importlib
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

# The sources, also where the modules under test were built elsewhere.
ROOT = Path(__file__).parents[2]
NATIVE = ROOT / "kench" / "native"

MISSING = "NativeMissingError: native code is not compiled: run: make build\n"


def import_with(code: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    """Import kench.native in a process of its own and print what it is."""
    program = f"import sys\n{code}\nimport kench.native as n\nprint(n.IMPLEMENTATION)"
    return subprocess.run(
        [sys.executable, "-c", f"{program}\nn.require_compiled()"],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_compiled_code_serves_where_it_was_built() -> None:
    done = import_with(KENCH_NATIVE_REQUIRE="1")
    assert (done.stdout, done.returncode) == ("cython\n", 0)


def test_disabling_takes_the_twin_which_production_refuses() -> None:
    done = import_with(KENCH_NATIVE_DISABLE="1")
    assert done.stdout == "python\n"
    assert done.stderr.endswith(MISSING)
    assert done.returncode != 0


NOT_BUILT = "sys.modules['kench.native._gate'] = None"


def test_without_a_build_the_twin_steps_in() -> None:
    assert import_with(NOT_BUILT).stdout == "python\n"


def test_without_a_build_requiring_it_says_what_to_run() -> None:
    done = import_with(NOT_BUILT, KENCH_NATIVE_REQUIRE="1")
    assert done.stderr.endswith(MISSING)


def test_disabling_and_requiring_contradict_each_other() -> None:
    done = import_with(KENCH_NATIVE_DISABLE="1", KENCH_NATIVE_REQUIRE="1")
    assert "contradict each other: unset one" in done.stderr
    assert done.returncode != 0


def test_each_cython_source_is_in_setup_and_was_loaded() -> None:
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    sources = {path.stem for path in NATIVE.glob("*.pyx")}
    assert sources == {"_arithmetic", "_table", "_gate", "_sending", "_wire", "_counting"}
    for name in sources:
        assert f'"{name}":' in setup
        assert (NATIVE / f"{name}.pyi").exists()
        loaded = importlib.import_module(f"kench.native.{name}")
        assert str(loaded.__file__).endswith(".so")


def test_each_c_source_is_in_setup() -> None:
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    for path in NATIVE.glob("*.c"):
        assert path.name in setup or f'"{path.stem}"' in setup


@pytest.mark.parametrize("kind", ["Job", "RecordBuffer", "JobTable", "Gate"])
def test_compiled_classes_offer_nothing_that_the_twin_has_not(
    twins: tuple[SimpleNamespace, SimpleNamespace], kind: str
) -> None:
    twin, compiled = ({*dir(getattr(native, kind))} for native in twins)
    public = {name for name in compiled if not name.startswith("_")}
    assert public - twin - {"candidates", "tally"} == set()
    assert public
