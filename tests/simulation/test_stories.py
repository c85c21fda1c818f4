"""The settlement path through seeded faults: what must hold does, and a seed is one story.

`make simulate` tells thousands more; what fails names its seed, and `make simulate SEED=…` tells
that story again to the byte.
"""

from collections.abc import Iterator

import pytest

from tests.conftest import execute, url_of_database
from tests.simulation.ground import WRITTEN, Ground
from tests.simulation.mutations import MUTATIONS
from tests.simulation.running import be_quiet
from tests.simulation.story import Told, tell
from tests.support.long import so_many

SEEDS = range(so_many(20, 400))
TWICE = (3, 11)
"""Seeds that are told to the end, with faults on the way."""
CHEAP = {"position left": 4, "totals added twice": 6, "payout not reserved": 6}
"""Mutations that few stories find, and in how many told to the end at most."""


@pytest.fixture(scope="module")
def ground(
    postgres_url: str, template_name: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ground]:
    name = f"{template_name}_stories"
    execute(postgres_url, f"CREATE DATABASE {name} TEMPLATE {template_name} STRATEGY file_copy")
    made = Ground(url_of_database(postgres_url, name), tmp_path_factory.mktemp("stories") / "one")
    yield made
    made.close()
    execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(autouse=True)
def _quiet() -> None:
    be_quiet()


def replay(told: Told) -> str:
    return f"make simulate SEED={told.seed}\n{told.broken}"


def test_what_must_hold_does_after_each_step_of_every_story(ground: Ground) -> None:
    stories = [tell(ground, seed) for seed in SEEDS]
    broken = [replay(told) for told in stories if told.broken]
    assert not broken, broken[0]
    assert sum(told.faults for told in stories) > len(stories) / 2
    for name in ("blocks", "fills", "settled lots", "payouts booked"):
        assert any(told.reached[name] for told in stories), name
    assert any(told.is_ended for told in stories)


def test_a_seed_is_one_story_to_the_byte_whatever_was_told_before(ground: Ground) -> None:
    once = [tell(ground, seed, to_the_end=True).trace for seed in TWICE]
    again = [tell(ground, seed, to_the_end=True).trace for seed in reversed(TWICE)]
    assert once == again[::-1]
    assert any("FAULT" in line for trace in once for line in trace)


def test_a_story_leaves_nothing_for_the_next_one(ground: Ground) -> None:
    before = rows(ground)
    told = tell(ground, TWICE[0], to_the_end=True)
    assert told.reached["blocks"]
    assert rows(ground) == before
    assert before.keys() > set(WRITTEN)


def rows(ground: Ground) -> dict[str, int]:
    """How many rows each table has."""
    ask = ground.watch.ask
    names = [name for (name,) in ask("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    return {name: ask(f"SELECT count(*) FROM {name}")[0][0] for name in names}


@pytest.mark.parametrize("name", CHEAP)
def test_a_fault_put_into_the_product_is_found(
    ground: Ground, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    MUTATIONS[name](monkeypatch)
    assert any(tell(ground, seed, to_the_end=True).broken for seed in range(CHEAP[name]))
