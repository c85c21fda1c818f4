"""Key files: made once, private, and nothing of them is told."""

from pathlib import Path

import pytest

from kench.pool.api_key import ApiKeyError, keep_api_key, read_api_key


def test_a_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "venue" / "key.json"
    made = keep_api_key(path)
    assert keep_api_key(path) == made == read_api_key(path)
    assert path.stat().st_mode & 0o077 == 0
    assert len(made.secret) == 64


def test_a_secret_is_in_no_repr(tmp_path: Path) -> None:
    made = keep_api_key(tmp_path / "key.json")
    assert made.secret not in repr(made)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "null", "1", "{", '{"key": "a"}', '{"key": "a", "secret": ""}',
     '{"key": "a", "secret": "b", "further": "c"}', '{"key": 1, "secret": "b"}'],
)  # fmt: skip
def test_what_is_no_key_file_is_refused_without_telling_what_is_in_it(
    tmp_path: Path, text: str
) -> None:
    path = tmp_path / "key.json"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(ApiKeyError) as caught:
        read_api_key(path)
    assert str(path) in str(caught.value)


def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    path.write_text('{"key": "a", "secret": "b"}')
    path.chmod(0o640)
    with pytest.raises(ApiKeyError, match="chmod 600"):
        read_api_key(path)
    with pytest.raises(ApiKeyError, match="cannot be read"):
        read_api_key(tmp_path / "missing.json")
