"""Secret settings: by file, by credential, never by variable or argument, never told."""

import argparse
from pathlib import Path

import pytest
from pydantic import SecretStr

from kench.pool.roots import settings_of
from kench.pool.secret_sources import (
    key_names,
    secret_names,
    tell_secret,
    tells_secret,
    variable_of,
    variables_for,
)
from kench.pool.settings import Settings
from kench.pool.settings_file import SettingsError, read_settings

VALUES = {
    "node_urls": "http://u:hidden@h:1",
    "screening_secret": "hidden",
    "database_url": "postgresql://u:hidden@h/d",
    "oidc_client_secret": "hidden",
}
"""A value with a secret in it for each setting that may have one."""
KEYS = {
    "alerts_bot_file", "alerts_smtp_file", "cabinet_officers_key", "evidence_key", "nats_key",
    "standby_key", "tax_key", "tls_key", "venue_key_file",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def kept(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text + "\n")
    path.chmod(mode)
    return path


def told(name: str) -> str:
    value = getattr(read_settings(), name)
    secret = value[0] if isinstance(value, tuple) else value
    assert isinstance(secret, SecretStr)
    return secret.get_secret_value()


def test_every_setting_that_sounds_like_a_secret_is_treated_as_one() -> None:
    """A setting that is added must be one of these, or stand here with its reason."""
    harmless = {
        "cabinet_officers_certificate",  # public, like the next ones
        "nats_certificate",
        "standby_certificate",
        "tax_certificate",
        "tls_certificate",
        "screening_key_id",  # a name
    }
    words = ("secret", "password", "token", "key", "credential", "certificate", "_file")
    sound = {name for name in Settings.model_fields if any(word in name for word in words)}
    assert sound - harmless <= {*secret_names(Settings), *key_names(Settings)}
    assert set(secret_names(Settings)) == set(VALUES)
    assert set(key_names(Settings)) == KEYS


@pytest.mark.parametrize("name", sorted(VALUES))
def test_a_secret_is_read_from_a_file_that_variable_or_settings_file_names(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = kept(tmp_path / "one", VALUES[name])
    kept(tmp_path / "kench.toml", f'{name}_file = "{path}"', 0o644)
    monkeypatch.setenv("KENCH_DATA", str(tmp_path))
    assert told(name) == VALUES[name]
    other = VALUES[name].replace("hidden", "other")
    monkeypatch.setenv(variable_of(name) + "_FILE", str(kept(tmp_path / "two", other)))
    assert told(name) == other


@pytest.mark.parametrize("name", sorted(VALUES))
def test_a_secret_is_read_from_systemds_credential_of_its_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    path = kept(tmp_path / name, VALUES[name])
    assert told(name) == VALUES[name]
    path.chmod(0o644)
    with pytest.raises(SettingsError, match=f"credential {name}.*others may read"):
        read_settings()


@pytest.mark.parametrize("name", sorted(VALUES))
def test_a_secret_in_a_variable_or_an_argument_is_refused_with_what_to_do(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = f"file of mode 600 and set {variable_of(name)}_FILE"
    with pytest.raises(SettingsError, match=wanted) as caught:
        settings_of(argparse.Namespace(**{name: VALUES[name]}))
    assert "hidden" not in str(caught.value)
    monkeypatch.setenv(variable_of(name), VALUES[name])
    with pytest.raises(SettingsError, match=wanted) as caught:
        read_settings()
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("name", sorted(VALUES))
def test_a_settings_file_with_a_secret_is_for_its_owner_alone(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KENCH_DATA", str(tmp_path))
    path = kept(tmp_path / "kench.toml", f'{name} = "{VALUES[name]}"', 0o644)
    with pytest.raises(SettingsError, match=r"settings file has secrets.*others may read"):
        read_settings()
    path.chmod(0o600)
    assert told(name) == VALUES[name]
    path.write_text(path.read_text() + f'{name}_file = "elsewhere"\n')
    with pytest.raises(SettingsError, match=f"{name} and {name}_file are both set"):
        read_settings()


@pytest.mark.parametrize("name", sorted(VALUES))
def test_a_file_that_others_may_read_is_refused_by_the_setting_that_names_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = kept(tmp_path / "one", VALUES[name], 0o640)
    monkeypatch.setenv(variable_of(name) + "_FILE", str(path))
    with pytest.raises(SettingsError, match=f"{variable_of(name)}_FILE: others may read"):
        read_settings()


@pytest.mark.parametrize("name", sorted(KEYS))
def test_a_key_may_be_a_credential_or_lie_in_their_folder(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    beside: dict[str, object] = {
        "alerts_bot_file": {"alerts_bot_url": "https://bot"},
        "nats_key": {"nats_certificate": "c", "nats_authority": "a"},
        "standby_key": {"standby_certificate": "c", "standby_authority": "a"},
        "tax_key": {"tax_certificate": "c", "tax_client_ca": "a"},
        "tls_key": {"tls_certificate": "c"},
    }.get(name, {})
    path = kept(tmp_path / name, "key")
    assert getattr(read_settings(**beside), name) == path
    kept(tmp_path / "other", "key")
    assert getattr(read_settings(**beside, **{name: "%d/other"}), name) == tmp_path / "other"


def test_addresses_without_a_password_may_stand_anywhere() -> None:
    for harmless in (
        "", "postgresql:///kench?host=/run/postgresql", "postgresql://kench@db/kench",
        "http://127.0.0.1:8332?cookie=/var/lib/bitcoin/.cookie", "https://h, http://i:1",
        "postgresql://kench@a:5432,b:5433/kench", "postgresql://kench@/kench?host=/a,/b",
    ):  # fmt: skip
        assert not tells_secret(harmless), harmless
    for secret in (
        "word", "postgresql://u:p@h/d", "postgresql://h/d?password=p", "http://u:p@h:1",
        "http://token@h:1", "http://h:1 http://u:p@h:2", "http://[", "http://h/?sslpassword=x",
        "postgresql://u:p@a,b/d", "postgresql://a,b/d?password=p",
    ):  # fmt: skip
        assert tells_secret(secret), secret


def test_a_child_is_told_a_secret_by_a_private_file_and_nothing_else_of_that_setting(
    tmp_path: Path,
) -> None:
    before = {"KENCH_DATABASE_URL": "postgresql:///a", "KENCH_NETWORK": "regtest"}
    secret = tell_secret(before, tmp_path / "s", "database_url", "postgresql://u:p@h/d")
    path = tmp_path / "s" / "database_url"
    assert secret == {"KENCH_NETWORK": "regtest", "KENCH_DATABASE_URL_FILE": str(path)}
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    plain = tell_secret(secret, tmp_path / "s", "database_url", "postgresql:///b")
    assert plain == {"KENCH_NETWORK": "regtest", "KENCH_DATABASE_URL": "postgresql:///b"}
    assert variables_for("database_url") == {"KENCH_DATABASE_URL", "KENCH_DATABASE_URL_FILE"}
