"""The bill of materials is of the locks and valid; advisories find what they mean."""

import json
import zipfile
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import referencing
from referencing.jsonschema import DRAFT7

from supply.__main__ import main
from supply.advisories import findings_of, is_affected, read_advisories
from supply.bom import bill_of
from supply.licences import unlicensed
from supply.locks import LockError, Package, read_all, read_lock, read_npm

ROOT = Path(__file__).parents[2]
PINNED = "a==1.0 \\\n    --hash=sha256:" + "0" * 64 + "\n"


def schema(name: str) -> dict[str, Any]:
    folder = resources.files("cyclonedx.schema._res")
    read: dict[str, Any] = json.loads((folder / f"{name}.SNAPSHOT.schema.json").read_text())
    return read


def one(version: str = "1.5", name: str = "thing", licence: str | None = None) -> Package:
    return Package("PyPI", name, version, (("SHA-256", "0" * 64),), "required", licence)


def each_component(of: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for component in of.get("components", ()):
        yield component
        yield from each_component(component)


def advisory(**affected: Any) -> dict[str, Any]:
    about = {"package": {"ecosystem": "PyPI", "name": "Thing"}, **affected}
    return {"id": "TEST-1", "aliases": ["CVE-0"], "summary": "breaks", "affected": [about]}


def fixed(*events: dict[str, str]) -> dict[str, Any]:
    return {"ranges": [{"type": "ECOSYSTEM", "events": list(events)}]}


def test_the_bill_is_valid_cyclonedx_and_the_same_for_the_same_locks() -> None:
    packages = read_all(ROOT)
    bill = bill_of(packages, ROOT)
    assert bill == bill_of(read_all(ROOT), ROOT)
    whole = schema("bom-1.6")
    others = ("spdx", "jsf-0.82", "cryptography-defs")
    registry: Any = referencing.Registry().with_resources(
        [(schema(name)["$id"], DRAFT7.create_resource(schema(name))) for name in others]
    )
    faults = list(jsonschema.Draft7Validator(whole, registry=registry).iter_errors(bill))
    assert not faults, faults[0]
    purls = {part["purl"] for part in bill["components"] if part["scope"] != "optional"}
    assert len(purls) == len(packages) > 150
    assert {"pypi", "npm"} == {purl.partition("/")[0].removeprefix("pkg:") for purl in purls}
    assert any(part["scope"] == "required" for part in bill["components"])
    refs = [one["bom-ref"] for one in each_component(bill)]
    assert len(refs) == len(set(refs))


def test_each_package_is_pinned_by_digest_and_freely_licensed() -> None:
    packages = read_all(ROOT)
    assert all(package.digests for package in packages)
    assert unlicensed(packages) == []
    # What is for other systems than this one is not installed, and says nothing here.
    assert sum(package.licence is None for package in packages) <= 20
    for licence in ("GPL-3.0", "AGPL-3.0-only", "MIT AND GPL-2.0", "Proprietary", "my own"):
        assert unlicensed([one(licence=licence)]), licence
    for licence in ("LGPL-3.0", "BSD License", "MIT OR Apache-2.0"):
        assert not unlicensed([one(licence=licence)]), licence


@pytest.mark.parametrize(
    "text",
    ["a==1.0\n", "a>=1.0 --hash=sha256:" + "0" * 64, PINNED.replace("sha256", "md5"),
     "-e .\n", "git+https://x/y\n", PINNED.replace("0" * 64, "00")],
)  # fmt: skip
def test_a_lock_with_anything_unpinned_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "some.lock"
    path.write_text(PINNED + text)
    with pytest.raises(LockError, match=r"some\.lock"):
        read_lock(path, "required")
    path.write_text(PINNED)
    assert [package.purl for package in read_lock(path, "required")] == ["pkg:pypi/a@1.0"]


@pytest.mark.parametrize("integrity", [None, "sha1-AAAA", "sha512-AAAA", "sha512-!"])
def test_a_package_of_npm_without_its_digest_is_refused(
    tmp_path: Path, integrity: str | None
) -> None:
    entry = {"version": "1", **({"integrity": integrity} if integrity else {})}
    path = tmp_path / "package-lock.json"
    path.write_text(json.dumps({"packages": {"": {}, "node_modules/a": entry}}))
    with pytest.raises(LockError, match="no SHA-512"):
        read_npm(path)


@pytest.mark.parametrize(
    ("affected", "hit"),
    [
        (fixed({"introduced": "0"}), True),
        (fixed({"introduced": "0"}, {"fixed": "1.5"}), False),
        (fixed({"introduced": "0"}, {"fixed": "1.5.1"}), True),
        (fixed({"introduced": "1.6"}), False),
        (fixed({"introduced": "0"}, {"last_affected": "1.5"}), True),
        (fixed({"introduced": "0"}, {"last_affected": "1.4"}), False),
        (fixed({"introduced": "0"}, {"fixed": "1.2"}, {"introduced": "1.4"}), True),
        ({"versions": ["1.4", "1.5"]}, True),
        ({"versions": ["1.4"]}, False),
        ({"ranges": [{"type": "GIT", "events": [{"introduced": "0"}]}]}, False),
    ],
)
def test_an_advisory_means_the_versions_that_it_names(
    affected: dict[str, Any], *, hit: bool
) -> None:
    assert is_affected("1.5", affected) is hit
    found, count = findings_of([one(), one(name="other")], [advisory(**affected)])
    assert (len(found), count) == (int(hit), 1)
    assert all("thing@1.5: TEST-1 (CVE-0): breaks" in str(finding) for finding in found)
    withdrawn = {**advisory(**affected), "withdrawn": "2026-01-01"}
    assert findings_of([one()], [withdrawn]) == ([], 1)


def test_the_audit_reads_files_archives_and_folders_and_says_what_it_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    numpy = next(package for package in read_all(ROOT) if package.name == "numpy")
    told = advisory(versions=[numpy.version])
    told["affected"][0]["package"]["name"] = "NumPy"
    harmless = advisory(versions=["0.1"])
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("TEST-1.json", json.dumps(harmless))
    assert main(["audit", str(tmp_path)]) == 0
    (tmp_path / "more.json").write_text(json.dumps([told]))
    assert main(["audit", str(tmp_path)]) == 1
    assert f"{numpy.purl}: TEST-1" in capsys.readouterr().out
    assert len(list(read_advisories(tmp_path))) == 2
    for content in ("{", "[1]", "{}"):
        (tmp_path / "more.json").write_text(content)
        assert main(["audit", str(tmp_path)]) == 2
        assert "more.json" in capsys.readouterr().err
    (tmp_path / "none").mkdir()
    assert main(["audit", str(tmp_path / "none")]) == 2
    assert main(["bom", str(tmp_path / "build" / "a.json")]) == 0
    assert json.loads((tmp_path / "build" / "a.json").read_text())["specVersion"] == "1.6"
