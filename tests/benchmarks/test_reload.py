"""The benchmark of reloads in a small form: real processes, every share accounted for."""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import reload
from tests.support.long import ONLY_LONG


@ONLY_LONG
def test_a_reload_and_a_kill_lose_no_share_and_keep_extranonces(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    figures = tmp_path / "figures.json"
    words = ["--connections", "20", "--rate", "100", "--drain", "1", "--settle", "2"]
    words += ["--unserved", "60", "--back", "60", "--rate-held", "0"]
    words += ["--folder", str(tmp_path / "disk"), "--json", str(figures)]
    assert reload.main(words) == 0
    run = json.loads(figures.read_text())
    assert [event["name"] for event in run["events"]] == ["reload", "kill -9 of a front"]
    assert run["events"][0]["lost"] >= 20
    assert all(0 < event["resumed"] <= event["lost"] for event in run["events"])
    assert run["faults"] == []
    assert "shares acknowledged" in capfd.readouterr().out


EVENT = reload.Event("x", 1.0, 9, 9, 0, 0.1, 0.2, 0.3, 100.0, 100.0, 100.0)
HELD = argparse.Namespace(unserved=2.0, back=5.0, rate_held=0.95)


def test_what_is_not_held_is_named() -> None:
    crowd: Any = SimpleNamespace(accepted={(7, b"", b"")})
    late = replace(EVENT, unserved_max_s=3.0)
    slow = replace(EVENT, rate_after=90.0)
    said = reload.faults([late, slow], crowd, (2, {(0, b"", b"")}), HELD)
    assert said == [
        "x: unserved for 3.00 s",
        "x: 90 shares/s after it",
        "1 shares are in the journals twice",
        "1 acknowledged shares are in no journal",
    ]
