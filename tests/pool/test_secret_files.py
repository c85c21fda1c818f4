"""Private files: who may read them, and what is no secret."""

import os
from pathlib import Path

import pytest

from kench.pool.secret_files import (
    SECRET_BYTES_MAX,
    SecretFileError,
    check_private,
    credential,
    private_path,
    read_private,
    read_secret,
)


def made(path: Path, content: bytes = b"word\n", mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_file_of_ours_alone_is_read(tmp_path: Path, mode: int) -> None:
    assert read_secret(made(tmp_path / "a", mode=mode)) == "word"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o620, 0o604, 0o601, 0o660])
def test_a_file_that_others_can_reach_is_refused_by_all_who_open_one(
    tmp_path: Path, mode: int
) -> None:
    path = made(tmp_path / "a", mode=mode)
    for reader in (read_private, read_secret, check_private):
        with pytest.raises(SecretFileError, match=r"others may read .*/a: chmod 600") as caught:
            reader(path)
        assert "word" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone makes files of other accounts")
@pytest.mark.parametrize(
    ("owner", "mode", "fits"),
    [(0, 0o440, True), (0, 0o640, True), (0, 0o644, False), (0, 0o660, False), (2, 0o644, False),
     (2, 0o600, False), (1, 0o640, False), (1, 0o600, True)],
)  # fmt: skip
def test_a_group_may_read_what_root_gave_it_and_nothing_of_anybody_elses_counts(
    tmp_path: Path, owner: int, mode: int, monkeypatch: pytest.MonkeyPatch, *, fits: bool
) -> None:
    path = made(tmp_path / "a", mode=mode)
    os.chown(path, owner, -1)
    path.chmod(mode)
    monkeypatch.setattr(os, "geteuid", lambda: 1)
    if fits:
        check_private(path)
    else:
        with pytest.raises(SecretFileError):
            check_private(path)


def test_what_is_no_file_too_large_empty_or_no_text_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    refused = {
        "no file": tmp_path / "pipe",
        "cannot be read": tmp_path / "missing",
        "too large": made(tmp_path / "large", b"a" * (SECRET_BYTES_MAX + 1)),
        "is empty": made(tmp_path / "empty", b" \n"),
        "is no text": made(tmp_path / "bytes", b"\xff"),
    }
    for words, path in refused.items():
        with pytest.raises(SecretFileError, match=words):
            read_secret(path)


def test_a_credential_is_found_by_its_name_and_by_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="LoadCredential="):
        private_path(Path("%d/venue"))
    assert credential("venue") is None
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert credential("venue") is None
    path = made(tmp_path / "venue")
    assert credential("venue") == private_path(Path("%d/venue")) == path
    assert private_path(Path("~/x")) == Path.home() / "x"
