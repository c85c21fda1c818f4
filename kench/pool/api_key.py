"""Keys of programs at a venue or provider: files that their owner alone may read.

A file is JSON: `{"key": "...", "secret": "..."}`, and `password` and `uid` where a venue asks for
them. Neither repr nor logs nor errors hold a secret.
"""

import json
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from kench.pool.errors import KenchError
from kench.pool.running import keep_private
from kench.pool.secret_files import SecretFileError, read_secret

FIELDS = ("key", "secret", "password", "uid")
SECRET_BYTES = 32


class ApiKeyError(KenchError):
    """A key file is not there, not private, or not what it should be."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What a program signs its requests with."""

    key: str
    secret: str = field(repr=False)
    password: str = field(default="", repr=False)
    uid: str = field(default="", repr=False)


def read_api_key(path: Path) -> ApiKey:
    """Read a key file; raises ApiKeyError."""
    try:
        text = read_secret(path)
    except SecretFileError as error:
        raise ApiKeyError(f"key file: {error}") from error
    try:
        record = json.loads(text)
        unknown = sorted(record.keys() - set(FIELDS))
        fits = all(isinstance(value, str) for value in record.values())
    except (ValueError, AttributeError):
        unknown, fits = [], False
    if unknown or not fits or not record.get("key") or not record.get("secret"):
        raise ApiKeyError(f'the key file {path} must be like {{"key": "...", "secret": "..."}}')
    return ApiKey(**record)


def keep_api_key(path: Path) -> ApiKey:
    """Read a key file, or make it with a fresh key where there is none."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = {"key": secrets.token_hex(8), "secret": secrets.token_hex(SECRET_BYTES)}
        keep_private(path, fresh)
    return read_api_key(path)
