"""Alerts, dashboard and runbook of deploy/: of metrics that exist, and of one another."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest
import yaml
from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector

from kench.backup.gathering.metrics import GatherMetrics
from kench.backup.gathering.progress import Progress as GatherProgress
from kench.cabinet.alerts.figures import AlertFigures
from kench.cabinet.desk.sealing import Sealer
from kench.cabinet.web.app import make_app
from kench.cli import ROOTS
from kench.commands.audit_metrics import audit_registry
from kench.payouts.metrics import SettleMetrics
from kench.payouts.progress import Progress
from kench.pool.backoff import Backoff
from kench.pool.clock import ManualClock
from kench.pool.database import Role, open_engine
from kench.pool.holder import Holder
from kench.pool.lease import Work
from kench.sale.desk import Desk
from kench.sale.executor import Executor
from kench.sale.metrics import SellMetrics
from kench.sale.service import SaleService
from kench.sale.venues.counted import CountedVenue, Outcome
from kench.stratum.metrics import Numbers
from kench.tax.metrics import Metrics as TaxMetrics
from tests.stratum.test_metrics import FOLLOWED, PUBLISHED, SHIPPED, state
from tests.support.cabinet import cabinet_of
from tests.support.orders import book_of

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy/prometheus/kench.rules.yml"
BOARD = json.loads((ROOT / "deploy/grafana/kench.json").read_text())
RUNBOOK = (ROOT / "docs/runbook.md").read_text()
ALERTS: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
]
# As a machine among several tells of itself.
FEED = {
    "role": "leads", "epoch": 3, "heard_s": 0.5, "away": None, "refused": {},
    "blocks": {"waiting": 0},
}  # fmt: skip
# Of Debian's prometheus-node-exporter, by its own documentation.
OF_NODE = {
    "node_filesystem_avail_bytes", "node_filesystem_size_bytes", "node_memory_MemAvailable_bytes",
    "node_memory_MemTotal_bytes", "node_timex_offset_seconds", "node_timex_sync_status",
}  # fmt: skip


def names_of(registry: CollectorRegistry) -> set[str]:
    """Every name that a registry can expose, also of what was not counted yet."""
    names = set()
    for family in registry.collect():
        endings = {
            "counter": ["_total"],
            "histogram": ["_bucket", "_sum", "_count"],
        }.get(family.type, [""])
        names |= {family.name + ending for ending in endings}
    return names


class NoVenue:
    """A venue that was asked nothing yet."""

    failing_s = 0.0
    outcomes: ClassVar = {Outcome.ANSWERED: 0}


def names_beside(database: str) -> set[str]:
    """What settlement, sale and gathering tell."""
    clock = ManualClock()
    engine = open_engine(database, Role.SELL, application_name="sell", pool_size=1)
    holder = Holder(engine, Work.SELL, clock, Backoff(clock))
    desk = Desk(engine.begin, clock, book_of, {}, {})
    sale = SaleService(holder, desk, lambda: Executor(desk, lambda *_: None))
    venues = {"first": cast("CountedVenue", NoVenue())}
    try:
        return (
            names_told(SettleMetrics(Progress(clock), lambda: True))
            | names_told(SellMetrics(sale, venues, clock))
            | names_told(GatherMetrics(GatherProgress(clock)))
        )
    finally:
        engine.dispose()


def names_told(metrics: Collector) -> set[str]:
    registry = CollectorRegistry()
    registry.register(metrics)
    return names_of(registry)


@pytest.fixture(scope="module")
def exposed(module_database: str) -> set[str]:
    """What the registries of all processes have, as the processes make them."""
    told = state(standby=SHIPPED, stream=PUBLISHED)
    told["settlement"] |= {"followers": FOLLOWED}
    told |= {"feed": FEED, "machine": {"renewed_s": 1.0}}
    maker = CollectorRegistry()
    maker.register(Numbers(lambda: told))
    names = (
        names_of(audit_registry(0, 9, 1.0, 1.0))
        | names_of(maker)
        | names_of(TaxMetrics().registry)
        | names_beside(module_database)
    )
    with cabinet_of(module_database) as cabinet:
        registry = make_app(cabinet).state.metrics.registry
        AlertFigures(registry)
        Sealer(cabinet.engine, registry)
        names |= names_of(registry)
    return names


def metrics_in(expression: str) -> set[str]:
    """The metrics that an expression of PromQL names."""
    plain = re.sub(r"\{[^}]*\}|\"[^\"]*\"", "", expression)
    return set(re.findall(r"\b(?:kench|node)_\w+", plain))


def test_alerts_watch_metrics_that_exist(exposed: set[str]) -> None:
    for alert in ALERTS:
        named = metrics_in(alert["expr"])
        assert named or "up{" in alert["expr"], alert["alert"]
        assert named - exposed - OF_NODE == set(), alert["alert"]


def test_the_dashboard_shows_metrics_that_exist_side_by_side(exposed: set[str]) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        for target in panel.get("targets", []):
            named = metrics_in(target["expr"])
            assert named, panel["title"]
            assert named - exposed - OF_NODE == set(), panel["title"]
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])


def test_what_settlement_sale_and_gathering_tell_is_what_operators_were_promised(
    module_database: str,
) -> None:
    text = (ROOT / "docs/operations.md").read_text()
    section = text.partition("### Settlement, sale and gathering\n")[2].partition("\n##")[0]
    promised = set(re.findall(r"`(kench_[a-z_]+)`", section))
    assert names_beside(module_database) == promised


def test_every_alarm_that_operations_name_is_an_alert() -> None:
    text = (ROOT / "docs/operations.md").read_text()
    alarms = text.partition("| alarm | when | means |")[2].partition("\n\n")[0]
    watched = set().union(*(metrics_in(alert["expr"]) for alert in ALERTS))
    named = set(re.findall(r"`(kench_\w+)`", alarms))
    assert len(named) >= 7
    assert named - watched == set()


def test_each_alert_has_its_section_and_each_section_its_alert() -> None:
    names = [alert["alert"] for alert in ALERTS]
    assert len(set(names)) == len(names)
    assert set(re.findall(r"(?m)^## (Kench\w+)$", RUNBOOK)) == set(names)
    for alert in ALERTS:
        assert alert["annotations"]["runbook"] == f"docs/runbook.md#{alert['alert'].lower()}"
        assert alert["labels"]["severity"] in {"page", "ticket"}


def test_each_section_says_what_it_means_what_to_look_at_what_to_do_and_whom_to_call() -> None:
    sections = re.split(r"(?m)^#+ ", RUNBOOK)
    for alert in ALERTS:
        (section,) = (one for one in sections if one.startswith(f"{alert['alert']}\n"))
        assert f"**{alert['annotations']['summary']}.**" in section
        assert f"*{alert['labels']['severity'].capitalize()}.*" in section
        for heading in ("Look at:", "Do:", "Call: "):
            assert heading in section, (alert["alert"], heading)


def test_what_the_runbook_names_exists() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", RUNBOOK):
        path, _, anchor = target.partition("#")
        text = (ROOT / "docs" / path).read_text() if path.endswith(".md") else RUNBOOK
        assert (ROOT / "docs" / path).exists(), target
        if anchor:
            headings = re.findall(r"(?m)^#+ (.+)$", text)
            slugs = {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}
            assert anchor in slugs, target
    for role in re.findall(r"`kench ([a-z-]+)", RUNBOOK):
        assert role in ROOTS, role
    units = {path.name for path in (ROOT / "deploy/systemd").glob("*.service")}
    for unit in re.findall(r"(?:restart|reload|stop|status|-u) '?(kench-[a-z]+@?)", RUNBOOK):
        assert f"{unit}.service" in units, unit


def test_prometheus_reads_the_rules_and_they_begin_and_stay_silent_as_they_should(
    tmp_path: Path,
) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool: apt-get install prometheus")
    folder = RULES.parent
    (tmp_path / "rules").mkdir()
    shutil.copy(RULES, tmp_path / "rules")
    shutil.copy(folder / "prometheus.yml", tmp_path)
    for words in (
        ["check", "rules", RULES],
        ["test", "rules", folder / "kench.tests.yml"],
        ["check", "config", tmp_path / "prometheus.yml"],
    ):
        said = subprocess.run(
            [promtool, *map(str, words)],
            cwd=folder, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert said.returncode == 0, said.stdout + said.stderr
