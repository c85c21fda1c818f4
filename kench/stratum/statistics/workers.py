"""Which row of the statistics' arrays is which worker's."""

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.intp]
Ids = npt.NDArray[np.uint32]

# Workers with statistics at once, and the highest id that one can have (the register counts up
# from 1). What others do is counted as the unknown worker's.
WORKERS_MAX = 1 << 20
WORKER_ID_MAX = (1 << 26) - 1


class WorkerRows:
    """Rows by worker id, given out in the order of first appearance; row 0 is the unknown worker.

    A worker's id alone says whose it is, for the register never moves one.
    """

    def __init__(self) -> None:
        self.participants = np.zeros(1, np.uint32)  # by row
        self.workers = np.zeros(1, np.uint32)
        self._rows = np.zeros(1, np.int32)  # by worker id; 0 where it has none yet

    def __len__(self) -> int:
        return len(self.workers)

    def of(self, participants: Ids, workers: Ids) -> Rows:
        """Return the row of each worker, new ones included."""
        highest = int(workers.max(initial=0))
        if highest > WORKER_ID_MAX:
            workers = np.where(workers > WORKER_ID_MAX, np.uint32(0), workers)
            highest = int(workers.max(initial=0))
        if highest >= len(self._rows):
            wider = np.zeros(1 << highest.bit_length(), np.int32)
            wider[: len(self._rows)] = self._rows
            self._rows = wider
        rows = self._rows[workers]
        new = (rows == 0) & (workers != 0)
        if new.any():
            self._enter(participants[new], workers[new])
            rows = self._rows[workers]
        return rows.astype(np.intp)

    def row(self, participant: int, worker: int) -> int:
        """Return the row of one worker."""
        if worker < len(self._rows) and self._rows[worker]:
            return int(self._rows[worker])
        return int(self.of(np.array([participant], np.uint32), np.array([worker], np.uint32))[0])

    def keep(self, rows: Rows) -> None:
        """Keep these rows alone, in this order; row 0 must be the first of them."""
        self.participants, self.workers = self.participants[rows], self.workers[rows]
        self._rows[:] = 0
        self._rows[self.workers] = np.arange(len(rows), dtype=np.int32)

    def _enter(self, participants: Ids, workers: Ids) -> None:
        workers, first = np.unique(workers, return_index=True)
        room = WORKERS_MAX - len(self)
        workers, first = workers[:room], first[:room]
        self._rows[workers] = np.arange(len(self), len(self) + len(workers), dtype=np.int32)
        self.participants = np.concatenate((self.participants, participants[first]))
        self.workers = np.concatenate((self.workers, workers))
