"""`kench sell` that stands still at the worst moment: it has looked whether it leads, and not sent.

STANDS_STILL_AT=1 python -m tests.sale.standing_seller --data DATA

Its waits for an order that is not certain are shortened: only the venue's own window is left.
"""

import itertools
import os
import signal
import threading

from kench.pool.holder import Holder
from kench.pool.roots import run_root
from kench.sale import selling
from kench.sale.__main__ import ROLE, main

STANDS_STILL_AT = "STANDS_STILL_AT"
"""Variable that numbers the look after which it stands still, from 1 on."""
LOOK_UP_S = 0.2


def stand_still_at(number: int) -> None:
    """Have the process stopped, as by SIGSTOP from outside, when a look has been answered."""
    look, looks = Holder.require, itertools.count(1)

    def look_and_stand(holder: Holder) -> None:
        look(holder)
        if next(looks) == number:
            # To this thread: it must not run on while another one takes the signal.
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)

    Holder.require = look_and_stand  # type: ignore[method-assign]


if __name__ == "__main__":
    stand_still_at(int(os.environ[STANDS_STILL_AT]))
    selling.GRACE_S = 0.0
    selling.LOOK_UP_S = LOOK_UP_S
    run_root(ROLE, main)
