"""Metrics, health and state over HTTP, for Prometheus and for people: loopback by default."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, cast

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from twisted.web.resource import IResource, Resource
from twisted.web.server import Request, Site

from kench.stratum.centre_metrics import centre_metrics
from kench.stratum.income_metrics import income_metrics
from kench.stratum.stream_metrics import stream_metrics

# Status, content type and body of a page.
Answer = tuple[int, str, bytes]


# Of each front: name, type, what it is, key of its state.
_OF_FRONTS = (
    ("kench_connections", "open connections of miners", "connections"),
    ("kench_sessions", "sessions that have work", "sessions"),
    ("kench_job_age_seconds", "since the newest job for all came", "job_age_s"),
    ("kench_durable_lag_ms", "longest wait for the disk in the last second, ms", "durable_lag_ms"),
    ("kench_feed_lag_seconds", "since the front was heard of last", "feed_lag_s"),
    ("kench_fan_out_seconds", "first to last send of the newest job for all", "fan_out_s"),
    ("kench_loop_lag_seconds", "how late the event loop ran last", "loop_lag_s"),
    ("kench_loop_lag_max_seconds", "how late the event loop ran at worst", "loop_lag_max_s"),
)  # fmt: skip
_COUNTED = (
    ("kench_work_hashes", "expected hashes of the shares accepted since start", "work_hashes"),
    ("kench_blocks_found", "block candidates since start", "found_blocks"),
    ("kench_logins_refused", "logins refused since start", "logins_refused"),
    ("kench_shares_durable", "shares in the journal", "journal_records"),
)


class Numbers(Collector):
    """Collects at scrape time what the job maker knows anyway."""

    def __init__(self, state: Callable[[], Mapping[str, Any]]) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        state = self._state()
        yield from _of_the_whole(state)
        fronts = state["fronts"]
        serving = GaugeMetricFamily(
            "kench_serving", "1 while miners can connect", labels=["process"]
        )
        for number, front in fronts.items():
            serving.add_metric([number], int(front["serving"]))
        yield serving
        for name, text, key in _OF_FRONTS:
            gauge = GaugeMetricFamily(name, text, labels=["process"])
            for number, front in fronts.items():
                if front.get(key) is not None:
                    gauge.add_metric([number], front[key])
            if name.startswith("kench_loop_lag"):
                gauge.add_metric(["maker"], state[f"maker_{key}"])
            yield gauge
        for name, text, key in _COUNTED:
            counter = CounterMetricFamily(name, text, labels=["process"])
            for number, front in fronts.items():
                counter.add_metric([number], front.get(key) or 0)
            yield counter
        yield _shares(fronts)
        yield from _of_settlement(state["settlement"])
        yield from _of_standby(fronts)
        yield from stream_metrics(fronts)
        yield from centre_metrics(state.get("feed"), state.get("machine"))
        yield from _of_followers((state["settlement"] or {}).get("followers"))
        yield from income_metrics((state["settlement"] or {}).get("income"))
        yield from _of_doors(state["doors"], state["certificate"])
        by_agent = CounterMetricFamily(
            "kench_shares_refused_by_agent",
            "shares refused since start, by reason and by the user agents with most of them",
            labels=["reason", "user_agent"],
        )
        for reason, agent, count in state["refused_by_agent"]:
            by_agent.add_metric([reason, agent], count)
        yield by_agent
        yield from _guard(state)


def _of_the_whole(state: Mapping[str, Any]) -> Iterator[Metric]:
    for name, text, value in (
        ("kench_ready", "1 while miners can connect and shares are acknowledged",
         int(state["ready"])),
        ("kench_block_height", "height that is being mined", state["height"] or 0),
        ("kench_hashrate", "hashes a second, all participants", sum(state["hashrate"].values())),
        ("kench_register_followed", "1 while changes of the register are heard",
         int(state["register_fault"] is None)),
        ("kench_processes", "front processes", len(state["fronts"])),
        ("kench_statistics_kept", "1 while statistics of workers are kept here",
         int(state["statistics"]["running"] and state["statistics"]["fault"] is None)),
        ("kench_workers", "workers with statistics", state["statistics"]["workers"]),
        ("kench_custody_alarm", "1 while the newest job is one that must not be sent",
         int(state["custody"]["why"] is not None)),
        ("kench_orders_sound", "1 while the database holds the orders that were accepted",
         int(state["custody"]["orders_fault"] is None)),
        ("kench_order_followed", "number of the order whose venues the newest job pays",
         state["custody"]["order"] or 0),
    ):  # fmt: skip
        yield GaugeMetricFamily(name, text, value)
    if state["nodes"]:  # a machine may have none, and jobs of another
        yield GaugeMetricFamily(
            "kench_nodes_usable", "nodes that can be used",
            sum(node["usable"] for node in state["nodes"]),
        )  # fmt: skip
    usable = GaugeMetricFamily("kench_node_usable", "1 while it can be used", labels=["node"])
    for node in state["nodes"]:
        usable.add_metric([node["name"]], int(node["usable"]))
    yield usable
    yield CounterMetricFamily(
        "kench_statistics_faults", "tries to keep statistics that failed, since start",
        state["statistics"]["faults"],
    )  # fmt: skip
    yield CounterMetricFamily(
        "kench_front_restarts", "fronts that ended unasked", state["front_restarts"]
    )
    for name, text in (
        ("checked", "jobs that pay the approved list, since start"),
        ("refused", "jobs that do not and were never sent, since start"),
    ):
        yield CounterMetricFamily(f"kench_jobs_{name}", text, state["custody"][name])


def _of_settlement(settlement: Mapping[str, Any] | None) -> Iterator[Metric]:
    """Yield how settlement fares by the database; nothing while that is away."""
    if settlement is None:
        return
    for name, text, value in (
        ("kench_settlement_waits", "1 while something holds settlement up",
         int(settlement["waits"])),
        ("kench_manifests_waiting", "blocks whose reward is pended and not signed yet",
         settlement["manifests_waiting"]),
        ("kench_manifests_waiting_seconds", "how long the first of them has waited",
         settlement["manifests_waiting_s"]),
    ):  # fmt: skip
        yield GaugeMetricFamily(name, text, value)


def _shares(fronts: Mapping[str, Mapping[str, Any]]) -> Metric:
    """Return the shares since each front's start, by outcome."""
    shares = CounterMetricFamily(
        "kench_shares", "shares since start, by outcome", labels=["process", "outcome"]
    )
    for number, front in fronts.items():
        shares.add_metric([number, "accepted"], front.get("accepted") or 0)
        for reason, count in (front.get("refused") or {}).items():
            shares.add_metric([number, reason], count)
    return shares


def _of_standby(fronts: Mapping[str, Mapping[str, Any]]) -> Iterator[Metric]:
    """Yield how the journals fare on the standby; nothing where there is none."""
    shipped = {number: one for number, front in fronts.items() if (one := front.get("standby"))}
    for name, text, key in (
        ("together", "1 while a share waits for the standby's disk", "together"),
        ("behind_records", "shares that the standby has not said to have", "behind"),
        ("silent_seconds", "since the standby answered last", "silent_s"),
        ("behind_seconds", "how much of the journal's time the standby lacks", "behind_s"),
        ("away", "1 while the standby cannot be shipped to", "away"),
        ("generation", "generation of this machine: of two, the higher one leads", "generation"),
    ):
        gauge = GaugeMetricFamily(f"kench_standby_{name}", text, labels=["process"])
        for number, one in shipped.items():
            if one.get(key) is not None:
                gauge.add_metric([number], float(one[key]))
        if shipped:
            yield gauge
    if shipped:
        alone = CounterMetricFamily(
            "kench_shares_without_standby",
            "shares acknowledged while a synchronous standby was away",
            labels=["process"],
        )
        for number, one in shipped.items():
            alone.add_metric([number], one["acknowledged_without"])
        yield alone


def _of_followers(database: Mapping[str, Any] | None) -> Iterator[Metric]:
    """Yield how the standby's copy of the database fares; nothing where none was ever made."""
    if database is None:
        return
    yield GaugeMetricFamily(
        "kench_standby_database_connected", "1 while the database is streamed to a standby",
        int(database["connected"]),
    )  # fmt: skip
    behind = GaugeMetricFamily(
        "kench_standby_wal_behind_bytes", "WAL that the standby has not on its disk yet"
    )
    if database["behind_bytes"] is not None:
        behind.add_metric([], database["behind_bytes"])
    yield behind
    yield GaugeMetricFamily(
        "kench_standby_wal_kept_bytes", "WAL kept for standbys that are not connected",
        database["left_bytes"],
    )  # fmt: skip


def _of_doors(
    doors: Iterable[Mapping[str, Any]], certificate: Mapping[str, Any] | None
) -> Iterator[Metric]:
    """Yield what is known of each door, all fronts together, and of the certificate."""
    is_open = GaugeMetricFamily("kench_door_open", "1 while miners can connect", labels=["door"])
    now = GaugeMetricFamily("kench_door_connections", "open connections", labels=["door"])
    came = CounterMetricFamily("kench_door_accepted", "connections since start", labels=["door"])
    refused = CounterMetricFamily(
        "kench_door_refused",
        "peers that never became connections since start",
        labels=["door", "reason"],
    )
    for door in doors:
        is_open.add_metric([door["name"]], int(door["open"]))
        now.add_metric([door["name"]], door["connections"])
        came.add_metric([door["name"]], door["accepted"])
        for reason, count in door["refused"].items():
            refused.add_metric([door["name"], reason], count)
    yield from (is_open, now, came, refused)
    if certificate is not None:
        yield GaugeMetricFamily(
            "kench_certificate_current",
            "1 while the files of the certificate are those in force",
            int(certificate["why"] is None),
        )
        if certificate["expires_at_s"] is not None:
            yield GaugeMetricFamily(
                "kench_certificate_expires_timestamp_seconds",
                "Unix time at which the certificate in force ends",
                certificate["expires_at_s"],
            )


def _guard(state: Mapping[str, Any]) -> Iterator[Metric]:
    """Yield what peers were charged for, and what was done about it."""
    for kind, name, text in (
        ("faults", "kench_faults", "faults of peers that were charged, since start"),
        ("measures", "kench_measures", "peers slowed, cut off and banned since start"),
    ):
        counter = CounterMetricFamily(name, text, labels=["kind"])
        for reason, count in state["guard"].get(kind, {}).items():
            counter.add_metric([reason], count)
        yield counter
    yield GaugeMetricFamily(
        "kench_addresses_banned", "addresses banned now", state["guard"].get("banned", 0)
    )
    yield GaugeMetricFamily(
        "kench_turns_waiting", "connections whose login waits its turn", state["turns_waiting"]
    )


def site_root(state: Callable[[], Mapping[str, Any]]) -> Resource:
    """Return the web resource with /metrics, /healthz and /status."""
    registry = CollectorRegistry()
    registry.register(Numbers(state))
    pages: dict[bytes, Callable[[], Answer]] = {
        b"metrics": lambda: (200, CONTENT_TYPE_LATEST, generate_latest(registry)),
        b"healthz": lambda: _health(state()),
        b"status": lambda: (200, "application/json", _json(state())),
    }
    root = Resource()
    for name, answer in pages.items():
        root.putChild(name, cast("IResource", _Page(answer)))
    return root


class Question(Request):
    """A request of these pages, which has no body: nobody's is kept, in memory or in a file."""

    def gotLength(self, length: int | None) -> None:  # noqa: N802 - Twisted's name
        """Cut off who sends one; None is one in chunks."""
        super().gotLength(0)  # type: ignore[no-untyped-call]  # Twisted's
        if length != 0:
            self.channel.loseConnection()


def site_of(state: Callable[[], Mapping[str, Any]]) -> Site:
    """Return the server of /metrics, /healthz and /status."""
    made = Site(site_root(state))
    made.requestFactory = Question
    return made


class _Page(Resource):
    isLeaf = True  # noqa: N815 - Twisted's name

    def __init__(self, answer: Callable[[], Answer]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Twisted's
        self._answer = answer

    def render_GET(self, request: Request) -> bytes:  # noqa: N802 - Twisted's name
        """Answer GET and HEAD."""
        status, kind, body = self._answer()
        request.setResponseCode(status)
        request.setHeader(b"content-type", kind.encode())
        request.setHeader(b"cache-control", b"no-store")
        return body


def _health(state: Mapping[str, Any]) -> Answer:
    alarm = (state.get("custody") or {}).get("why")
    if alarm:
        return 503, "text/plain; charset=utf-8", f"custody alarm: {alarm}\n".encode()
    if state["ready"]:
        return 200, "text/plain; charset=utf-8", b"serving\n"
    why = state["why"] or "the journal does not acknowledge"
    return 503, "text/plain; charset=utf-8", f"not serving: {why}\n".encode()


def _json(state: Mapping[str, Any]) -> bytes:
    return json.dumps(state).encode() + b"\n"
