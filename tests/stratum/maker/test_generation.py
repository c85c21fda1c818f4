"""Numbers of fronts: no two job makers that are alive ever have one in common."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.pool.settings import FRONT_NUMBER_MAX
from kench.stratum.maker.generation import Generation, GenerationError, claim


def test_alone_the_numbers_begin_with_the_instance(tmp_path: Path) -> None:
    for _ in range(2):
        generation = claim(tmp_path, 7, 3)
        assert generation.numbers == range(7, 10)
        generation.close()


def test_a_second_one_is_refused_unless_it_is_a_reload(tmp_path: Path) -> None:
    first = claim(tmp_path, 0, 2)
    with pytest.raises(GenerationError, match="KENCH_DATA"):
        claim(tmp_path, 0, 2)
    second = claim(tmp_path, 0, 2, beside=True)
    assert (second.numbers, second.others) == (range(2, 4), range(2))
    assert first.feed_path != second.feed_path
    with pytest.raises(GenerationError):
        claim(tmp_path, 0, 2, beside=True)
    first.close()
    third = claim(tmp_path, 0, 2, beside=True)
    assert third.numbers == range(2)
    for one in (second, third):
        one.close()


def test_numbers_that_do_not_fit_are_refused_by_the_settings_name(tmp_path: Path) -> None:
    with pytest.raises(GenerationError, match="KENCH_INSTANCE"):
        claim(tmp_path, FRONT_NUMBER_MAX, 2)
    claim(tmp_path, FRONT_NUMBER_MAX, 1).close()


@given(counts=st.lists(st.integers(1, 9), min_size=1, max_size=8), instance=st.integers(0, 50))
def test_no_reload_whatever_its_processes_takes_a_number_that_is_in_use(
    tmp_path_factory: pytest.TempPathFactory, counts: list[int], instance: int
) -> None:
    folder = tmp_path_factory.mktemp("run")
    alive: list[Generation] = []
    for count in counts:
        alive.append(claim(folder, instance, count, beside=True))
        assert len(alive[-1].numbers) == count
        taken = [number for one in alive for number in one.numbers]
        assert len(set(taken)) == len(taken)
        assert instance <= min(taken)
        # Twice as many where the count stays; the room is never climbed away from.
        assert max(taken) < instance + (2 if len(set(counts)) == 1 else 3) * max(counts)
        if len(alive) == 2:
            alive.pop(0).close()
    for one in alive:
        one.close()
