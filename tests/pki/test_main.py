"""`kench pki` makes files that can be used, and refuses where coins may be worth something."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.pki import PIN


def kench_pki(folder: Path, *arguments: str, **told: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kench", "pki", "--data", str(folder), *arguments],
        env={**os.environ, **told}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_a_person_is_certified_listed_and_revoked(tmp_path: Path) -> None:
    assert "pki init" in kench_pki(tmp_path, "list").stderr
    assert "for regtest alone" in kench_pki(tmp_path, "init").stdout
    made = kench_pki(tmp_path, "participant", "Асан Усенов", PIN, "--kind", "ec").stdout
    assert f"{PIN}.p12, password kench-demo" in made
    assert Path(made.split(",")[0]).is_file()
    assert "good" in kench_pki(tmp_path, "list").stdout
    assert "revoked" in kench_pki(tmp_path, "revoke", PIN).stdout


def test_it_refuses_on_other_networks_and_with_nodes_of_others(tmp_path: Path) -> None:
    for told in (
        {"KENCH_NETWORK": "main"},
        {"KENCH_NODE_URLS": "http://127.0.0.1:8332?cookie=/c"},
    ):
        done = kench_pki(tmp_path, "init", **told)
        assert done.returncode == 1
        assert "regtest" in done.stderr
    assert list(tmp_path.iterdir()) == []
