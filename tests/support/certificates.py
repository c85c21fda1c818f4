"""Certificates of an authority of the tests' own, made with the openssl command."""

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

from kench.stratum.certificate import Certificate

HOST = "pool.example"


@dataclass(frozen=True)
class Authority:
    """A certificate authority in a folder."""

    folder: Path

    def issue(
        self, name: str = "pool", days: int = 30, where: str | None = None
    ) -> tuple[Path, Path]:
        """Write a certificate for HOST, or `where` (`IP:10.0.0.1`), and its key; return paths."""
        certificate, key, wish = (self.folder / f"{name}.{kind}" for kind in ("pem", "key", "csr"))
        where = where or f"DNS:{HOST}"
        _openssl(
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-nodes", "-subj", f"/CN={HOST}", "-addext", f"subjectAltName={where}"),
            *("-keyout", str(key), "-out", str(wish)),
        )
        _openssl(
            *("x509", "-req", "-in", str(wish), "-copy_extensions", "copy", "-days", str(days)),
            *("-CA", str(self.folder / "ca.pem"), "-CAkey", str(self.folder / "ca.key")),
            *("-out", str(certificate)),
        )
        return certificate, key

    def client(self) -> ssl.SSLContext:
        """What a miner that trusts this authority alone connects with."""
        return ssl.create_default_context(cafile=str(self.folder / "ca.pem"))

    def served(self, name: str = "pool") -> Certificate:
        """A fresh pair, looked at once."""
        certificate = Certificate(*self.issue(name))
        certificate.look()
        assert certificate.fault is None
        return certificate


def authority(folder: Path) -> Authority:
    """A new authority whose files are in `folder`."""
    _openssl(
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
        *("-nodes", "-subj", "/CN=tests", "-days", "30"),
        *("-addext", "keyUsage=critical,keyCertSign"),
        *("-keyout", str(folder / "ca.key"), "-out", str(folder / "ca.pem")),
    )
    return Authority(folder)


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=30)
