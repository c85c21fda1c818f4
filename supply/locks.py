"""Reads the lock files: every package with its version, digests, and where it is used."""

import base64
import binascii
import json
import re
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from kench.pool.errors import KenchError

LOCKS = {
    "requirements.lock": "required",
    "requirements-dev.lock": "excluded",
    "requirements-fuzz.lock": "excluded",
    "requirements-assets.lock": "excluded",
}
"""Each lock, and CycloneDX's word for what it is to a running pool."""
KINDS = {"PyPI": "pypi", "npm": "npm", "crates.io": "cargo"}
"""What package URLs call the places that packages come from."""
NPM_LOCK = "kench/cabinet/assets/package-lock.json"
_PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([A-Za-z0-9][A-Za-z0-9.!+_-]*)( ; .+)?")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


class LockError(KenchError):
    """A lock has something in it that is not pinned by version and digest; says which line."""


@dataclass(frozen=True, slots=True)
class Package:
    """One package at one version."""

    ecosystem: str
    """`PyPI`, `npm` or `crates.io`, as advisories call them."""
    name: str
    version: str
    digests: tuple[tuple[str, str], ...]
    """Algorithm as CycloneDX spells it, and hex, of each file that may be installed."""
    scope: str
    """`required` by a running pool, or `excluded`."""
    licence: str | None

    @property
    def purl(self) -> str:
        """Its package URL."""
        kind = KINDS[self.ecosystem]
        return f"pkg:{kind}/{self.name.replace('@', '%40')}@{self.version}"


def read_all(root: Path) -> list[Package]:
    """Return every package of every lock below `root`, once, in order. Raises LockError."""
    found: dict[tuple[str, str, str], Package] = {}
    for lock, scope in LOCKS.items():
        for package in read_lock(root / lock, scope):
            found.setdefault((package.ecosystem, package.name, package.version), package)
    for package in read_npm(root / NPM_LOCK):
        found.setdefault((package.ecosystem, package.name, package.version), package)
    return [found[key] for key in sorted(found)]


def read_lock(path: Path, scope: str) -> list[Package]:
    """Read a lock of pip's. Raises LockError where anything in it is not pinned with digests."""
    packages = []
    text = path.read_text().replace("\\\n", " ")
    for line in text.splitlines():
        head, *_ = line.split(" --hash=")
        if not line.strip() or line.startswith("#"):
            continue
        pin = _PIN.fullmatch(head.strip())
        digests = _HASH.findall(line)
        if pin is None or not digests or len(digests) != line.count("--hash="):
            raise LockError(f"{path.name}: {head.strip()} is not pinned with SHA-256 digests")
        name = re.sub(r"[-_.]+", "-", pin[1]).lower()
        hashes = tuple(("SHA-256", digest) for digest in sorted(digests))
        packages.append(Package("PyPI", name, pin[2], hashes, scope, licence_of(name)))
    return packages


def read_npm(path: Path) -> list[Package]:
    """Read npm's lock. Raises LockError where a package has no SHA-512 of its file."""
    packages = []
    for place, entry in json.loads(path.read_text())["packages"].items():
        if not place:
            continue
        name = place.rpartition("node_modules/")[2]
        kind, _, text = str(entry.get("integrity", "")).partition("-")
        try:
            digest = base64.b64decode(text, validate=True).hex()
        except binascii.Error:
            digest = ""
        if kind != "sha512" or len(digest) != 128:
            raise LockError(f"{path.name}: {name} has no SHA-512 digest")
        scope = "excluded" if entry.get("dev") else "required"
        hashes = (("SHA-512", digest),)
        packages.append(
            Package("npm", name, str(entry["version"]), hashes, scope, entry.get("license"))
        )
    return packages


def licence_of(name: str) -> str | None:
    """Return a package's licence as it says itself where it is installed here, else None."""
    try:
        told: Any = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return None
    said = told.get("License-Expression")
    trove = [one.rpartition(" :: ")[2] for one in told.get_all("Classifier") or []
             if one.startswith("License :: ")]  # fmt: skip
    free = (told.get("License") or "").strip()
    # Some put the whole text there.
    short = free if free and len(free) <= 80 and "\n" not in free else None
    return said or " AND ".join(trove) or short
