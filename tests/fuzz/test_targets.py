"""The corpus of the fuzzer, replayed without it: every input holds its target's invariant."""

import importlib
from pathlib import Path

import pytest

from fuzz.distil import INPUTS_MAX
from fuzz.places import CORPUS
from fuzz.targets import TARGETS

SEEDS_MAX = 60
FILES_MAX, BYTES_MAX = len(TARGETS) * INPUTS_MAX + SEEDS_MAX, 2048
INPUTS = sorted(path for path in CORPUS.rglob("*") if path.is_file())


def _name(path: Path) -> str:
    return path.relative_to(CORPUS).as_posix()


@pytest.mark.parametrize("path", INPUTS, ids=_name)
def test_an_input_of_the_corpus_holds_its_invariant(path: Path) -> None:
    importlib.import_module(f"fuzz.targets.{path.parent.name}").check(path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_every_input_has_an_answer_the_empty_one_too(name: str) -> None:
    target = importlib.import_module(f"fuzz.targets.{name}")
    for data in (b"", b"\n", b"\0", b"\xff" * 64, bytes(range(256))):
        target.check(data)


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_states_its_invariant_in_one_line(name: str) -> None:
    target = importlib.import_module(f"fuzz.targets.{name}")
    first = (target.__doc__ or "").splitlines()[0]
    assert first.endswith(".")
    assert target.EXECUTIONS > 0
    assert 0 < target.LENGTH_MAX <= BYTES_MAX


def test_the_corpus_is_small_and_each_of_its_folders_is_a_targets() -> None:
    assert {path.parent.name for path in INPUTS} <= set(TARGETS)
    assert len(INPUTS) <= FILES_MAX
    assert not [path for path in INPUTS if path.stat().st_size > BYTES_MAX]
