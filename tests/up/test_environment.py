"""What parts are told, and which difficulties are chosen where nobody chose any."""

from pathlib import Path

import pytest

from kench.pool.settings import Settings
from kench.pool.settings_file import read_settings
from kench.up.environment import (
    SHARES_PER_BLOCK,
    TRIAL_DIFFICULTY,
    base_environment,
    fit_difficulties,
    variables_beside_file,
    variables_of,
)


def test_settings_told_to_a_part_are_read_back_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = read_settings(
        data_dir=tmp_path,
        node_urls="http://u:p@a:1 http://u:p@b:2",
        node_zmq="tcp://a:3",
        database_url="postgresql://u:p@h/d",
        start_difficulty=0.1 + 0.2,
        cpu_miner=False,
        coinbase_tag="/two words/",
    )
    told = variables_of(settings)
    assert "u:p" not in str(told)
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert read_settings() == settings


def test_what_the_settings_file_says_is_left_to_the_parts_to_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "kench.toml"
    config.write_text(
        "ban_s = 7\ndrain_s = 5\nmin_difficulty = 0.5\nstart_difficulty = 1\nmax_difficulty = 2\n"
    )
    monkeypatch.setenv("KENCH_CONFIG", str(config))
    monkeypatch.setenv("KENCH_DRAIN_S", "9")
    read = read_settings(min_difficulty=1.0)
    decided = read.model_copy(update={"start_difficulty": 1.5})
    told = variables_beside_file(read, {"min_difficulty"}, decided)
    assert told == {
        "KENCH_CONFIG": str(config),
        "KENCH_DRAIN_S": "9.0",
        "KENCH_MIN_DIFFICULTY": "1.0",
        "KENCH_START_DIFFICULTY": "1.5",
    }
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert read_settings() == decided
    config.write_text("ban_s = 8\nmax_difficulty = 4\n")
    again = read_settings()
    assert (again.ban_s, again.drain_s, again.max_difficulty) == (8, 9, 4)


def test_our_own_settings_do_not_leak_into_the_base(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KENCH_DATABASE_URL", "postgresql://u:hidden@h/d")
    monkeypatch.setenv("LANG", "C.UTF-8")
    base = base_environment()
    assert "hidden" not in str(base)
    assert base["LANG"] == "C.UTF-8"


def test_with_the_embedded_node_a_block_takes_many_shares() -> None:
    settings = fit_difficulties(Settings(block_difficulty=0.032), None)
    assert settings.start_difficulty == settings.max_difficulty == 0.032 / SHARES_PER_BLOCK
    assert settings.min_difficulty <= settings.start_difficulty


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"start_difficulty": 0.5}, (1e-7, 0.5, 0.5)),
        ({"start_difficulty": 1e-9, "min_difficulty": 1e-9}, (1e-9, 1e-9, 0.001)),
        ({"min_difficulty": 0.01}, (0.01, 0.01, 0.01)),
        ({"max_difficulty": 65536.0}, (1e-7, 0.001, 65536.0)),
    ],
)
def test_what_was_chosen_stands_and_the_rest_gives_way(
    flags: dict[str, float], expected: tuple[float, float, float]
) -> None:
    chosen = read_settings(block_difficulty=0.032, **flags)
    settings = fit_difficulties(chosen, None)
    assert (
        settings.min_difficulty,
        settings.start_difficulty,
        settings.max_difficulty,
    ) == expected


def test_the_networks_own_difficulty_leaves_a_valid_choice() -> None:
    settings = fit_difficulties(Settings(block_difficulty=0), None)
    assert 0 < settings.min_difficulty <= settings.start_difficulty <= settings.max_difficulty


def test_a_regtest_of_others_starts_within_a_cpus_reach() -> None:
    assert fit_difficulties(Settings(), "regtest").start_difficulty == TRIAL_DIFFICULTY


def test_a_real_network_is_left_as_it_is_set() -> None:
    assert fit_difficulties(Settings(), "main") == Settings()


def test_doors_told_to_a_part_are_read_back_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    doors = [
        {"name": "high", "port": 3334, "min_difficulty": 1e6, "purpose": "two words"},
        {"name": "secure", "port": 3443, "tls": True, "proxy_from": "10.0.0.0/8", "host": "::"},
    ]
    pair = {"tls_certificate": "/a.pem", "tls_key": "/a.key"}
    settings = read_settings(doors=doors, proxy_from="10.0.0.5/32 2001:db8::/32", **pair)
    for name, value in variables_of(settings).items():
        monkeypatch.setenv(name, value)
    assert read_settings() == settings
