"""`kench demo tax`: real processes hand a month over, and whoever pulls finds no difference."""

import subprocess
import sys


def test_a_made_up_month_is_pulled_over_xroad_and_nothing_differs() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kench", "demo", "tax"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "records 336, participants 12" in done.stdout
    assert "signed by Demo Officer One" in done.stdout
    assert "no differences" in done.stdout
