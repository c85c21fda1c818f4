"""Settings: which source wins, what is refused, and with what words."""

from pathlib import Path

import pytest

from kench.pool.secret_sources import variable_of
from kench.pool.settings import Settings
from kench.pool.settings_doc import meanings_of
from kench.pool.settings_file import SettingsError, read_settings


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings file of the machine is found."""
    monkeypatch.chdir(tmp_path)


def test_flags_beat_environment_beats_file_beats_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "pool"
    data.mkdir()
    (data / "kench.toml").write_text("stratum_port = 1\nmetrics_port = 1001\ninstance = 7\n")
    monkeypatch.setenv("KENCH_STRATUM_PORT", "2")
    monkeypatch.setenv("KENCH_METRICS_PORT", "1002")
    settings = read_settings(data_dir=str(data), stratum_port=3, metrics_port=None)
    assert settings.stratum_port == 3
    assert settings.metrics_port == 1002
    assert settings.instance == 7
    assert settings.stratum_host == "127.0.0.1"


def test_the_file_is_found_by_flag_by_variable_and_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, folder in enumerate(["flag", "variable", "data"], start=1):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "kench.toml").write_text(f"instance = {number}\n")
    (tmp_path / "named.toml").write_text("instance = 4\n")
    assert read_settings().instance == 3
    monkeypatch.setenv("KENCH_DATA", str(tmp_path / "variable"))
    assert read_settings().instance == 2
    assert read_settings(data_dir=tmp_path / "flag").instance == 1
    monkeypatch.setenv("KENCH_CONFIG", str(tmp_path / "named.toml"))
    assert read_settings().instance == 4


def test_an_unknown_variable_is_refused_with_its_nearest_neighbour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KENCH_STRATUM_PROT", "1")
    with pytest.raises(SettingsError, match=r"KENCH_STRATUM_PROT, did you mean KENCH_STRATUM_PORT"):
        read_settings()


def test_an_unknown_name_in_the_file_is_refused_with_its_nearest_neighbour(tmp_path: Path) -> None:
    (tmp_path / "kench.toml").write_text("coinbase_tg = 'x'\n")
    with pytest.raises(SettingsError, match=r"coinbase_tg, did you mean coinbase_tag"):
        read_settings(data_dir=tmp_path)


def test_variables_that_only_tests_read_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KENCH_TEST_ANYTHING", "1")
    assert read_settings().instance == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("stratum_port", "70000"),
        ("stratum_port", "many"),
        ("min_difficulty", "0"),
        ("start_difficulty", "nan"),
        ("max_difficulty", "inf"),
        ("node_urls", "node://h:8332"),
        ("node_zmq", "127.0.0.1:28332"),
        ("database_url", "mysql://h/d"),
        ("database_url", "mysql://u:hidden@h/d"),
        ("network", "mainnet"),
        ("coinbase_tag", "x" * 33),
        ("coinbase_tag", "кенч"),
        ("job_refresh_s", "60"),
    ],
)
def test_a_value_out_of_range_is_one_line_that_names_setting_and_variable(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable_of(name), value)
    with pytest.raises(SettingsError) as caught:
        read_settings()
    message = str(caught.value)
    assert name in message
    assert variable_of(name) in message
    assert "\n" not in message
    assert "hidden" not in message


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"min_difficulty": 2, "start_difficulty": 1}, "min_difficulty <= start_difficulty"),
        ({"max_difficulty": 1, "start_difficulty": 2}, "start_difficulty <= max_difficulty"),
        ({"stratum_port": 5, "metrics_port": 5}, "must differ"),
        ({"node_zmq": "tcp://a:1 tcp://b:2", "node_urls": "http://u:p@h:1"}, "more entries"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    flags: dict[str, object], words: str
) -> None:
    with pytest.raises(SettingsError, match=words):
        read_settings(**flags)


def test_lists_are_split_at_blanks_and_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KENCH_NODE_URLS", "http://h:1?cookie=a, http://h:2  http://h:3")
    urls = [url.get_secret_value() for url in read_settings().node_urls]
    assert urls == ["http://h:1?cookie=a", "http://h:2", "http://h:3"]


def test_secrets_are_not_in_what_settings_print() -> None:
    settings = read_settings(
        node_urls="http://u:hidden@h:1", database_url="postgresql://u:hidden@h/d"
    )
    assert "hidden" not in f"{settings} {settings!r}"


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().instance = 1  # type: ignore[misc]


@pytest.mark.parametrize("text", ["port = ", "=", "a = [1"])
def test_a_file_that_is_no_toml_is_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "kench.toml").write_text(text)
    with pytest.raises(SettingsError, match="no TOML"):
        read_settings(data_dir=tmp_path)


def test_a_settings_file_that_is_named_must_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KENCH_CONFIG", "missing.toml")
    with pytest.raises(SettingsError, match=r"KENCH_CONFIG names missing\.toml"):
        read_settings()


def test_every_setting_says_what_it_is_for() -> None:
    assert Settings.model_fields.keys() <= meanings_of(Settings).keys()
