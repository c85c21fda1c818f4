"""The twin as a process behind mutual TLS: what we push arrives, and by nothing less."""

import contextlib
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from kench.consumer.receiving import Receiver
from kench.pki.authority import ROOT_FILE, Authority, make_authority
from kench.pki.people import Duty, Holder, Kind
from kench.pool.clock import ManualClock, SystemClock
from kench.tax.pushing import PushSender
from tests.support.pki import NOW_US, PIN
from tests.support.root_process import running_root
from tests.support.signing import Draw
from tests.support.tax import close_period, provider_of, put_records
from tests.support.web_servers import serving

SERVICE = "KG/GOV/10000001/taxes/miningIncome"
US = "KG/GOV/10000009/mining"


def authority_in(folder: Path) -> tuple[Authority, Holder]:
    """An authority of `kench pki`, and a certificate by which we are a client."""
    made = make_authority(folder, SystemClock())
    return made, made.issue("Kench", PIN, kind=Kind.EC, duty=Duty.OFFICER)


def test_a_period_is_pushed_by_mutual_tls_and_by_nothing_less(
    engine: sa.Engine, database: str, tmp_path: Path
) -> None:
    ours, holder = authority_in(tmp_path / "ours")
    other, stranger = authority_in(tmp_path / "other")
    certificate, key = ours.certify_door()
    root, other_root = (one.folder / ROOT_FILE for one in (ours, other))
    with engine.begin() as db:
        names = put_records(db, [7], 2)
        close_period(db)
    receiver = Receiver(())
    with serving(receiver.app) as behind:
        words = (
            "--port", "0", "--service", f"{SERVICE}={behind}", "--certificate", str(certificate),
            "--key", str(key), "--client-ca", str(root),
        )  # fmt: skip
        with running_root("kench.xroad", tmp_path / "xroad.log", {}, words) as process:
            assert process.stdout is not None
            url = process.stdout.readline().split()[-1]
            assert url.startswith("https://")
            shown = {
                "a stranger's certificate": (stranger, root),
                "none": (None, root),
                "a server of others": (holder, other_root),
                "ours": (holder, root),
            }
            clock = ManualClock(NOW_US)
            for what, (who, trusted) in shown.items():
                assert pushed(database, clock, url, who, trusted) == (what == "ours"), what
                assert bool(receiver.records) == (what == "ours")
                clock.advance(7 * 3600)
    assert sorted(receiver.records) == sorted(names)
    with engine.begin() as db:
        told = db.execute(sa.text("SELECT tries, state FROM income_pushes")).all()
    assert [tuple(row) for row in told] == [(4, "sent")]


def pushed(database: str, clock: ManualClock, url: str, who: Holder | None, trusted: Path) -> bool:
    """Whether a message is taken that is sent with this certificate."""
    settings: dict[str, Any] = {
        "tax_push_url": url, "tax_push_service": SERVICE, "tax_push_client": US,
        "tax_push_ca": trusted, "clock": clock,
    }  # fmt: skip
    if who is not None:
        settings |= {
            "tax_certificate": who.certificate_path, "tax_key": who.key_path,
            "tax_client_ca": trusted,
        }  # fmt: skip
    with provider_of(database, **settings) as provider:
        sender = PushSender(provider, Draw(77))
        with contextlib.ExitStack() as ending:
            ending.callback(sender.stop)
            return sender.look() == 1
