"""The bill of materials: CycloneDX 1.6 of what the locks name and what that carries inside.

It is the same for the same locks and the same files of packages.
"""

import re
import tomllib
import uuid
from pathlib import Path
from typing import Any

from supply.inside import Part, component_of, parts_of
from supply.locks import Package

BESIDE = {
    "bitcoin-core": "nodes, where they are not others'",
    "nats-server": "several machines",
    "nginx": "before the cabinet",
    "pango": "PDF",
    "postgresql": "the database, where it is not the embedded one",
}
"""What a pool runs beside, by the packages of its machines' system, and what for."""
NAMESPACE = uuid.UUID("6f3d7a52-2f0c-5d55-9d4e-0d1f0b9f2a77")
_EXPRESSION = re.compile(r"[A-Za-z0-9.+-]+(?: (?:AND|OR|WITH) [A-Za-z0-9.+-]+)*")
_SPDX_LIKE = re.compile(r"[A-Za-z0-9.+-]+")


def bill_of(packages: list[Package], root: Path) -> dict[str, Any]:
    """Return the bill as it is written; `root` is where pyproject.toml is."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    own = f"pkg:pypi/{project['name']}@{project['version']}"
    inside = {one.purl: parts_of(one) for one in packages}
    listed = "\n".join(f"{one.purl} {one.digests} {inside[one.purl]}" for one in packages)
    parts = [_component(one, inside[one.purl]) for one in packages]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        # Of the contents, not of the moment: two builds of one tree are the same.
        "serialNumber": f"urn:uuid:{uuid.uuid5(NAMESPACE, own + listed)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": own,
                "name": project["name"],
                "version": project["version"],
                "purl": own,
            }
        },
        "components": [*parts, *map(_beside, BESIDE.items())],
        "dependencies": [
            {"ref": own, "dependsOn": [one.purl for one in packages if one.scope == "required"]}
        ],
    }


def _beside(named: tuple[str, str]) -> dict[str, Any]:
    """Return what is not ours to install, and so has no version here."""
    name, use = named
    purl = f"pkg:generic/{name}"
    return {"type": "application", "bom-ref": purl, "name": name, "purl": purl,
            "scope": "optional", "description": use}  # fmt: skip


def _component(package: Package, inside: list[Part]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "type": "library",
        "bom-ref": package.purl,
        "name": package.name,
        "version": package.version,
        "scope": package.scope,
        "purl": package.purl,
        "hashes": [{"alg": name, "content": digest} for name, digest in package.digests],
    }
    if package.licence:
        plain = _EXPRESSION.fullmatch(package.licence) and "-" in package.licence
        if plain and not _SPDX_LIKE.fullmatch(package.licence):
            told["licenses"] = [{"expression": package.licence}]
        else:
            told["licenses"] = [{"license": {"name": package.licence}}]
    if inside:
        told["components"] = [component_of(package, part) for part in inside]
    return told
