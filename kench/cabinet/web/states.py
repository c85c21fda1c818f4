"""States of workers in words, and the tone of their tags."""

from kench.cabinet.numbers.live import WorkerState
from kench.cabinet.words.catalogues import N_

WORKER_STATES = {
    WorkerState.ACTIVE: N_("active"),
    WorkerState.LOW: N_("low"),
    WorkerState.SILENT: N_("silent"),
    WorkerState.GONE: N_("gone"),
}
STATE_TAGS = {
    WorkerState.ACTIVE: "good",
    WorkerState.LOW: "warn",
    WorkerState.SILENT: "bad",
    WorkerState.GONE: "",
}
