"""Doors of the settings: how they are written, what is filled in, and what is refused in words."""

import itertools
import json
import textwrap
import tomllib
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.pool.door_settings import DoorSettings, plan_doors
from kench.pool.settings import Settings
from kench.pool.settings_doc import meanings_of
from kench.pool.settings_file import SettingsError, read_settings

TOML = """
stratum_host = "0.0.0.0 ::"
tls_certificate = "pool.pem"
tls_key = "pool.key"

[[doors]]
name = "secure"
port = 3443
tls = true
host = ["::", "192.0.2.1"]
proxy_from = "10.0.0.0/8 2001:db8::/32"

[[doors]]
name = "high"
purpose = "rentals"
port = 3334
start_difficulty = 1_000_000
min_difficulty = 524_288
"""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings file of the machine is found."""
    monkeypatch.chdir(tmp_path)


def refusal(doors: object, **more: object) -> str:
    with pytest.raises(SettingsError) as caught:
        read_settings(doors=doors if isinstance(doors, str) else json.dumps(doors), **more)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_without_doors_there_is_one_made_of_two_settings() -> None:
    (door,) = read_settings(stratum_host="::1", stratum_port=4444).all_doors
    assert (door.name, door.hosts, door.port, door.tls) == ("standard", ("::1",), 4444, False)
    assert door.url() == "stratum+tcp://[::1]:4444"


def test_tables_of_the_file_and_json_of_the_environment_mean_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kench.toml").write_text(TOML)
    from_file = read_settings(data_dir=tmp_path)
    standard, secure, high = from_file.all_doors
    assert standard.hosts == ("0.0.0.0", "::")
    assert secure.hosts == ("::", "192.0.2.1")
    assert secure.proxy_from == (ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"))
    assert secure.url() == "stratum+ssl://[::]:3443"
    assert high.hosts == standard.hosts
    text = json.dumps([one.model_dump(mode="json") for one in from_file.doors])
    monkeypatch.setenv("KENCH_DOORS", text)
    monkeypatch.setenv("KENCH_CONFIG", "")
    again = read_settings(tls_certificate="a", tls_key="b")
    assert again.doors == from_file.doors


@pytest.mark.parametrize(
    ("door", "expected"),
    [
        ({}, (1.0, 64.0, 1000.0)),
        ({"min_difficulty": 100}, (100.0, 100.0, 1000.0)),
        ({"max_difficulty": 32}, (1.0, 32.0, 32.0)),
        ({"start_difficulty": 5000}, (1.0, 5000.0, 5000.0)),
        ({"min_difficulty": 5000}, (5000.0, 5000.0, 5000.0)),
        ({"max_difficulty": 0.5}, (0.5, 0.5, 0.5)),
        ({"min_difficulty": 2, "max_difficulty": 3}, (2.0, 3.0, 3.0)),
    ],
)
def test_what_a_door_leaves_unset_is_as_at_the_first_and_gives_way(
    door: dict[str, float], expected: tuple[float, float, float]
) -> None:
    first = {"min_difficulty": 1, "start_difficulty": 64, "max_difficulty": 1000}
    _, plan = read_settings(doors=json.dumps([{"name": "x", "port": 1, **door}]), **first).all_doors
    assert (plan.min_difficulty, plan.start_difficulty, plan.max_difficulty) == expected


@given(
    said=st.lists(st.one_of(st.none(), st.floats(1e-9, 1e12)), min_size=3, max_size=3),
    bounds=st.tuples(*[st.floats(1e-9, 1e12)] * 3).map(sorted),
)
def test_a_planned_door_is_never_contradictory(
    said: list[float | None], bounds: list[float]
) -> None:
    names = ("min_difficulty", "start_difficulty", "max_difficulty")
    known = sorted(value for value in said if value is not None)
    ordered = iter(known)
    door = {name: next(ordered) for name, value in zip(names, said, strict=True) if value}
    first = Settings.model_construct(**dict(zip(names, bounds, strict=True)))
    _, plan = plan_doors(first, (DoorSettings(name="x", port=1, **door),))  # type: ignore[arg-type]
    assert plan.min_difficulty <= plan.start_difficulty <= plan.max_difficulty
    assert all(getattr(plan, name) == value for name, value in door.items())


@pytest.mark.parametrize(
    ("doors", "words"),
    [
        ("high:3334", "KENCH_DOORS): must be a JSON array"),
        ([{"port": 1}], "entry 1, name: "),
        ([{"name": "a", "port": 1}, {"name": "b"}], "entry 2, port: "),
        ([{"name": "a", "port": 70_000}], "entry 1, port: "),
        ([{"name": "A b", "port": 1}], "entry 1, name: must be 1 to 32"),
        ([{"name": "a", "prot": 1}], "port"),
        ([{"name": "a", "port": 1, "diff": 1}], "unknown key diff"),
        ([{"name": "a", "port": 1, "proxy_from": "10.0.0.1/8"}], "entry 1, proxy_from"),
        (
            [{"name": "a", "port": 1, "min_difficulty": 5, "max_difficulty": 4}],
            "min_difficulty <= max_difficulty must hold, but they are 5, 4",
        ),
        ([{"name": "a", "port": 1}, {"name": "a", "port": 2}], "the name a is there twice"),
        ([{"name": "standard", "port": 1}], "standard is that of stratum_port"),
        ([{"name": "a", "port": 3333}], "standard and a have the same port 3333"),
        ([{"name": "a", "port": 3333, "host": "::"}], "the same port 3333"),
        ([{"name": "a", "port": 9333}], "the port of door a and metrics_port must differ"),
        ([{"name": "a", "port": 1, "tls": True}], "needs tls_certificate and tls_key"),
        ([{"name": f"a{at}", "port": at} for at in range(1, 40)], "at most 32"),
    ],
)
def test_doors_that_cannot_be_are_one_line_that_names_the_place(doors: object, words: str) -> None:
    assert words in refusal(doors)


def test_one_port_on_two_addresses_is_two_doors() -> None:
    doors = json.dumps([{"name": "a", "port": 3333, "host": "127.0.0.2"}])
    assert len(read_settings(doors=doors).all_doors) == 2
    doors = json.dumps([{"name": "a", "port": 0}, {"name": "b", "port": 0}])
    assert len(read_settings(doors=doors, stratum_port=0).all_doors) == 3


@pytest.mark.parametrize("name", ["tls_certificate", "tls_key"])
def test_certificate_and_key_come_together(name: str) -> None:
    with pytest.raises(SettingsError, match="go together"):
        read_settings(**{name: "x"})


def test_every_key_of_a_door_says_what_it_is_for() -> None:
    assert DoorSettings.model_fields.keys() <= meanings_of(DoorSettings).keys()


def test_what_the_operations_page_has_ready_to_copy_are_valid_settings() -> None:
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    told = {}
    for section in page.split("Ready to copy:")[1:]:
        lines = section.splitlines()
        block = itertools.takewhile(lambda line: not line or line[0] == " ", lines)
        told |= tomllib.loads(textwrap.dedent("\n".join(block)))
    settings = read_settings(**told)
    assert [plan.name for plan in settings.all_doors] == ["standard", "secure", "high", "low"]
    assert [venue.name for venue in settings.venues] == ["first"]
