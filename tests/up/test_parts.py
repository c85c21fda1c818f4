"""Which parts `kench up` has beside those that it always runs."""

from pathlib import Path

from kench.pool.clock import ManualClock
from kench.pool.settings import Settings
from kench.up.site import Ports, Site

CLIENT = {"client": "KG/GOV/10000001/taxes", "may": ["periods"]}


def test_income_is_handed_over_where_somebody_may_ask_for_it(tmp_path: Path) -> None:
    for clients, roles in (((), []), ((CLIENT,), ["tax"])):
        settings = Settings(data_dir=tmp_path, tax_clients=clients)  # type: ignore[arg-type]
        site = Site(settings, {}, Ports(1, 2), ManualClock(), lambda _: None)
        assert [part.role for part in site.asked_parts()] == roles
