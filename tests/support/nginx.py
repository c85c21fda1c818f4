"""A real nginx in front of cabinets: the file of deploy/nginx with this machine's places."""

import contextlib
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.load.ports import free_ports

CONF = Path(__file__).parents[2] / "deploy/nginx/kench-cabinet.conf"
READY_S = 20.0
NAME = "cabinet.example.kg"
MAIN = """
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error.log warn;
events {{ worker_connections 256; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""


@dataclass(frozen=True)
class Nginx:
    """One that runs; `plain` and `tls` are its ports."""

    folder: Path
    plain: int
    tls: int

    @property
    def logged(self) -> str:
        """Its access log."""
        return (self.folder / "access.log").read_text()


@contextlib.contextmanager
def running_nginx(
    folder: Path, cabinet_ports: Sequence[int], certificate: Path, key: Path
) -> Iterator[Nginx]:
    """Run it in front of cabinets; skips the test where there is none."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        pytest.skip("no nginx: apt-get install nginx-light")
    made = Nginx(folder, *free_ports(2))
    (folder / "site.conf").write_text(_site(made, cabinet_ports, certificate, key))
    main = folder / "nginx.conf"
    main.write_text(MAIN.format(folder=folder))
    process = subprocess.Popen(
        [program, "-p", str(folder), "-c", str(main), "-e", str(folder / "error.log")],
        stderr=subprocess.PIPE,
    )
    try:
        _await_port(made.tls, process)
        yield made
    finally:
        process.terminate()
        process.communicate(timeout=READY_S)


def _site(made: Nginx, cabinet_ports: Sequence[int], certificate: Path, key: Path) -> str:
    """The file as it is shipped, but for ports and paths; each of them must be in it."""
    text = CONF.read_text()
    for shipped, here in (
        (r"listen \[::\]:\d+( ssl http2)?;", ""),
        (r"listen 80;", f"listen 127.0.0.1:{made.plain};"),
        (r"listen 443 ssl http2;", f"listen 127.0.0.1:{made.tls} ssl http2;"),
        (r"/etc/kench/cabinet\.pem", str(certificate)),
        (r"/etc/kench/cabinet\.key", str(key)),
        (r"/var/log/nginx/access\.log", str(made.folder / "access.log")),
        (r"server 127\.0\.0\.1:8081 [^;]+;\n", ""),
        (
            r"server 127\.0\.0\.1:8080( [^;]+;)",
            "".join(rf"server 127.0.0.1:{port}\1" for port in cabinet_ports),
        ),
    ):
        text, times = re.subn(shipped, here, text)
        assert times, shipped
    return text


def _await_port(port: int, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(int(READY_S / 0.05)):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    process.kill()
    raise AssertionError(f"nginx does not serve: {process.communicate()[1].decode()}")
