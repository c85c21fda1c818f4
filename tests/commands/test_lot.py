"""`kench lot` shows lots and takes what two officers signed; `kench status` counts them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kench.commands.lot import SHOWN_MAX
from kench.pool.database import Role
from tests.sale.world import World, book_of, quick_engine, rules
from tests.support.registers import accept_orders, officers, trust_settings


@pytest.fixture
def world(database: str) -> Iterator[World]:
    owner, seller = quick_engine(database), quick_engine(database, Role.SELL)
    accept_orders(owner)
    yield World(owner, seller)
    owner.dispose()
    seller.dispose()


def kench(database: str, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    told = {"KENCH_DATABASE_URL": database, "KENCH_DATA": str(folder), **trust_settings(folder)}
    return subprocess.run(
        [sys.executable, "-m", "kench", *words], env={**os.environ, **told},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_two_officers_resume_a_halted_sale(world: World, database: str, tmp_path: Path) -> None:
    block = world.block({1: 30_000_000}, weights={"paper": 30_000_000})
    world.run(turns=2)
    world.rigs["paper"].quote("7000000")
    world.run(turns=3)
    lot = f"{block}:0"
    stuck = kench(database, tmp_path, "lot", "list", "--stuck", "--json")
    assert [one["state"] for one in json.loads(stuck.stdout)] == ["halted"]
    document = tmp_path / "resume.json"
    drafted = kench(database, tmp_path, "lot", "resume", lot, "--why", "calm", "--draft",
                    str(document))  # fmt: skip
    assert drafted.returncode == 0, drafted.stderr
    signatures = []
    for number, person in enumerate(officers()):
        path = tmp_path / f"{number}.p7s"
        path.write_bytes(person.sign(document.read_bytes()))
        signatures += ["--signature", str(path)]
    act = ["lot", "resume", lot, "--document", str(document)]
    alone = kench(database, tmp_path, *act, *signatures[:2], *signatures[:2])
    assert alone.returncode == 1
    assert "another officer" in alone.stderr
    done = kench(database, tmp_path, *act, *signatures)
    assert done.returncode == 0, done.stderr
    assert "from halted to selling" in done.stdout
    again = kench(database, tmp_path, *act, *signatures)
    assert again.returncode == 1
    assert world.lot(block).state == "selling"
    shown = json.loads(kench(database, tmp_path, "lot", "show", lot, "--json").stdout)
    assert [event["goes_to"] for event in shown["events"]][-2:] == ["halted", "selling"]
    status = json.loads(kench(database, tmp_path, "status", "--json").stdout)
    assert status["sale"]["lots"] == {"selling": 1}
    assert status["sale"]["sold_sat"] == world.lot(block).sold_sat > 0


def test_of_many_fills_the_newest_are_shown_and_json_has_all(
    world: World, database: str, tmp_path: Path
) -> None:
    slices = SHOWN_MAX + 3
    world.orders = book_of((1, rules(slice_sat=1_000_000)))
    block = world.block({1: slices * 1_000_000}, weights={"paper": slices * 1_000_000})
    world.run()
    assert world.lot(block).state == "settled"
    fills = json.loads(kench(database, tmp_path, "lot", "show", f"{block}:0", "--json").stdout)[
        "fills"
    ]
    assert len(fills) == slices
    shown = kench(database, tmp_path, "lot", "show", f"{block}:0").stdout
    assert f"fills: {slices}, orders: {slices}\n  3 more before: --json\n" in shown
    assert [f"trade {fill['trade_id']}\n" in shown for fill in fills] == (
        [False] * 3 + [True] * SHOWN_MAX
    )
