"""What packages carry inside: libraries, programs and crates that no lock names.

Read from the files of the packages as they are installed here: what a wheel says of itself (its own
bills in `.dist-info/sboms`), and what lies in it (`lib*.so`, PostgreSQL's server), with the digests
of RECORD. What a wheel neither says nor shows, as code that is compiled into its modules, is not
seen. Another machine's wheels are other files: make the bill on a machine as that of the pool.
"""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from typing import Any

from kench.pool.errors import KenchError
from supply.locks import Package

_LIBRARY = re.compile(r"_?(lib[A-Za-z0-9_+]+?)(?:-[0-9a-f]{6,8})*_?(?:\.[\w-]+)?\.so(?:\.[0-9.]+)?")
"""As auditwheel names them (`libssl-8bd944e8.so.3`), and plain ones."""
_SERVER = re.compile(r"(.+/)bin/postgres")
_PG_VERSION = re.compile(r'#define PG_VERSION "([^"]+)"')


class WheelError(KenchError):
    """What a package says of its own parts cannot be read; says which file."""


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """Something of others' inside a package."""

    name: str
    version: str
    """Empty where it is not known: the number in a library's file name is of its interface."""
    kind: str
    """`library` or `application`."""
    purl: str = ""
    place: str = ""
    """Its file in the package, where it is one."""
    digest: str = ""
    """SHA-256 of that file, hex."""

    @property
    def crate(self) -> tuple[str, str] | None:
        """Name and version as advisories of crates.io call it, None where it is none."""
        return (self.name, self.version) if self.purl.startswith("pkg:cargo/") else None


def parts_of(package: Package) -> list[Part]:
    """Return what a package carries, in order; nothing where it is not installed here.

    Raises WheelError.
    """
    if package.ecosystem != "PyPI":
        return []
    try:
        installed = metadata.distribution(package.name)
    except metadata.PackageNotFoundError:
        return []
    if installed.version != package.version:
        return []
    return list(_parts_at(package.name, str(installed.locate_file(""))))


@cache
def _parts_at(name: str, _place: str) -> tuple[Part, ...]:
    """Return what the package that is installed at a place carries; its files stay as they are."""
    installed = metadata.distribution(name)
    return tuple(sorted({*_told(name, installed), *_lying(installed)}))


def crates_of(packages: Iterable[Package]) -> list[Package]:
    """Return the crates inside, as packages that advisories of crates.io name."""
    found = {
        (*part.crate, package.scope)
        for package in packages
        for part in parts_of(package)
        if part.crate
    }
    return [Package("crates.io", name, version, (), scope, None)
            for name, version, scope in sorted(found)]  # fmt: skip


def _told(name: str, installed: metadata.Distribution) -> Iterator[Part]:
    """Yield what the package's own bills name, itself left out."""
    for file in installed.files or ():
        if file.parent.name != "sboms" or not file.name.endswith(".json"):
            continue
        try:
            components = json.loads(file.read_text()).get("components", [])
            for one in components:
                purl = str(one.get("purl", "")).partition("?")[0]
                # Places on a builder's machine, and the modules of the package itself, say nothing.
                if not re.match(rf"pkg:pypi/{re.escape(name)}@", purl.replace("_", "-")):
                    yield Part(str(one["name"]), str(one.get("version", "")), "library", purl)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as broken:
            raise WheelError(f"{name}: {file} cannot be read: {broken!r}") from broken


def _lying(installed: metadata.Distribution) -> Iterator[Part]:
    """Yield libraries and servers by their files, each digest once."""
    files = {str(file): file for file in installed.files or ()}
    seen = set()
    for place, file in sorted(files.items()):
        library, server = _LIBRARY.fullmatch(file.name), _SERVER.fullmatch(place)
        digest = _digest_of(file)
        if not (library or server) or digest in seen:
            continue
        seen.add(digest)
        if server:
            header = files.get(f"{server[1]}include/pg_config.h")
            found = _PG_VERSION.search(header.read_text()) if header else None
            yield Part("postgresql", found[1] if found else "", "application", "", place, digest)
        elif library:
            yield Part(library[1], "", "library", "", place, digest)


def _digest_of(file: metadata.PackagePath) -> str:
    if file.hash is None or file.hash.mode != "sha256":
        return ""
    return base64.urlsafe_b64decode(file.hash.value + "==").hex()


def component_of(package: Package, part: Part) -> dict[str, Any]:
    """Return a part as CycloneDX nests it in its package's component."""
    named = part.place or part.purl or f"{part.name}@{part.version}"
    told: dict[str, Any] = {
        "type": part.kind,
        "bom-ref": f"{package.purl}#{named}",
        "name": part.name,
        "scope": package.scope,
    }
    if part.version:
        told["version"] = part.version
    if part.purl:
        told["purl"] = part.purl
    if part.digest:
        told["hashes"] = [{"alg": "SHA-256", "content": part.digest}]
    if part.place:
        told["properties"] = [{"name": "kench:file", "value": part.place}]
    return told
