"""`kench demo tax`: real processes hand a month over, and whoever pulls finds no difference."""

import subprocess
import sys

from kench.demo.tax import provider_settings


def test_a_made_up_month_is_pulled_over_xroad_and_nothing_differs() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kench", "demo", "tax"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "records 336, participants 12" in done.stdout
    assert "signed by Demo Officer One" in done.stdout
    assert "no differences" in done.stdout


def test_nothing_that_a_pool_is_set_to_reaches_what_is_shown_but_its_database() -> None:
    own = {"KENCH_TAX_PUSH_URL": "https://x", "KENCH_CONFIG": "/pool/kench.toml", "PATH": "/bin",
           "KENCH_DATA": "/pool", "KENCH_DATABASE_URL": "postgresql://x"}  # fmt: skip
    told = provider_settings(own, "/aside")
    assert (told["KENCH_DATA"], told["KENCH_TAX_PORT"]) == ("/aside", "0")
    assert told["KENCH_DATABASE_URL"] == own["KENCH_DATABASE_URL"]
    assert not told.keys() & {"KENCH_TAX_PUSH_URL", "KENCH_CONFIG"}
