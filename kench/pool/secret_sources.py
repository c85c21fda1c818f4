"""Where secret settings come from: a private file, a credential of systemd's, never a variable.

Of a secret setting `x` the source that gives settings may say `x_file` instead: the path of a
private file with its value. What has a password in it is refused in the environment, which is
handed on to every child and shown by `systemctl show`; and in a settings file that others may read.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, get_args
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, BaseModel, SecretStr

from kench.pool.secret_files import (
    SecretFileError,
    check_private,
    credential,
    private_path,
    read_secret,
)

FILE_SUFFIX = "_file"
Given = dict[str, Any]
Source = Callable[[], Given]
PRIVATE = AfterValidator(private_path)
PrivateFile = Annotated[Path, PRIVATE]
"""A setting that is the path of a file with a secret in it; `%d/NAME` is a credential."""
SECRET_PARAMETERS = frozenset({"password", "sslpassword"})


def secret_names(settings: type[BaseModel]) -> tuple[str, ...]:
    """Return the names of the settings that are secrets themselves."""
    fields = settings.model_fields.items()
    return tuple(name for name, field in fields if _holds(field.annotation, SecretStr))


def key_names(settings: type[BaseModel]) -> tuple[str, ...]:
    """Return the names of the settings that are paths of files with a secret in them."""
    fields = settings.model_fields.items()
    return tuple(
        name
        for name, field in fields
        if PRIVATE in field.metadata or _holds(field.annotation, PRIVATE)
    )


def tells_secret(value: object) -> bool:
    """Say whether the value of a secret setting has something in it that nobody else may see.

    An address without user and password has not; what is no address is the secret itself.
    """
    texts = value if isinstance(value, (list, tuple)) else (value or "",)
    words = [word for text in texts for word in _words(str(text))]
    return any("://" not in word or _has_password(word) for word in words)


def sources_of(
    settings: type[BaseModel], flags: Source, environment: Source, file: Source, path: Path
) -> tuple[Source, ...]:
    """Return the sources of settings, strongest first; `file` reads the TOML file at `path`."""
    return (
        lambda: _read_files(settings, flags(), str),
        lambda: _from_environment(settings, environment()),
        lambda: _from_credentials(settings),
        lambda: _from_file(settings, file(), path),
    )


def tell_secret(variables: Mapping[str, str], folder: Path, name: str, text: str) -> dict[str, str]:
    """Return variables of a child that tell it a setting: by a private file if it is a secret.

    `folder` is where the file is written; whatever else `variables` said of that setting goes.
    """
    told = {one: value for one, value in variables.items() if one not in variables_for(name)}
    if not tells_secret(text):
        return told | {variable_of(name): text}
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return told | {variable_of(name + FILE_SUFFIX): str(_write_private(folder / name, text))}


def variables_for(name: str) -> frozenset[str]:
    """Return the variables that a secret setting may be told by: itself, or its file."""
    return frozenset({variable_of(name), variable_of(name + FILE_SUFFIX)})


def variable_of(name: str) -> str:
    """Name of the environment variable of the setting `name`."""
    return "KENCH_DATA" if name == "data_dir" else f"KENCH_{name.upper()}"


def _from_environment(settings: type[BaseModel], found: Given) -> Given:
    """Of secrets the environment may name files alone."""
    for name in secret_names(settings):
        variable = variable_of(name)
        if tells_secret(os.environ.get(variable, "")):
            raise SecretFileError(
                f"setting {name}: {variable} holds a secret, and a variable is no place for one: "
                f"write it into a file of mode 600 and set {variable}_FILE to its path"
            )
        if path := os.environ.get(variable_of(name + FILE_SUFFIX)):
            found[name + FILE_SUFFIX] = path
    return _read_files(settings, found, variable_of)


def _from_file(settings: type[BaseModel], found: Given, path: Path) -> Given:
    given = [found[name] for name in secret_names(settings) if name in found]
    if any(tells_secret(value) for value in given):
        try:
            check_private(path)
        except SecretFileError as error:
            raise SecretFileError(f"the settings file has secrets in it, but {error}") from error
    return _read_files(settings, found, str)


def _from_credentials(settings: type[BaseModel]) -> Given:
    """Each by the name of its setting."""
    found: Given = {}
    for name in secret_names(settings):
        if path := credential(name):
            found[name] = _read(f"the credential {name}", path)
    paths = {name: credential(name) for name in key_names(settings)}
    return found | {name: path for name, path in paths.items() if path is not None}


def _read_files(
    settings: type[BaseModel], found: Mapping[str, Any], say: Callable[[str], str]
) -> Given:
    """Put the contents of named files in the place of their names."""
    read = dict(found)
    for name in secret_names(settings):
        path = read.pop(name + FILE_SUFFIX, None)
        if path is None:
            continue
        named = say(name + FILE_SUFFIX)
        if read.get(name):
            raise SecretFileError(f"{say(name)} and {named} are both set: keep one")
        read[name] = _read(named, path)
    return read


def _read(named: str, path: object) -> str:
    try:
        return read_secret(private_path(Path(str(path))))
    except (SecretFileError, ValueError) as error:
        raise SecretFileError(f"{named}: {error}") from error


def _write_private(path: Path, text: str) -> Path:
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
    return fresh.replace(path)


def _words(text: str) -> list[str]:
    """Split a list of addresses; a comma in a database's is between its servers."""
    return text.split() if text.startswith("postgres") else text.replace(",", " ").split()


def _has_password(word: str) -> bool:
    try:
        parts = urlsplit(word)
        asked = {name.lower() for name, _ in parse_qsl(parts.query)}
    except ValueError:
        return True
    user_alone = parts.password is None and parts.scheme.startswith("postgres")
    named = "@" in parts.netloc and not user_alone
    return named or bool(asked & SECRET_PARAMETERS)


def _holds(annotation: Any, sought: object) -> bool:
    return annotation is sought or any(_holds(one, sought) for one in get_args(annotation))
