"""A worker of a server that has several processes: it ends when the process that started it has.

A parent that is killed tells its workers nothing.  They would go on with the port, and a new server would find it taken
or, under Granian, share its requests with the old one's app.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from typing import Final

#: Between two looks, and what is under way may still take.
_LOOK_SECONDS: Final = 0.5
_GRACE_SECONDS: Final = 5.0


def end_with_parent() -> None:
    """Watch the parent from now on, if this process is a worker."""
    parent = multiprocessing.parent_process()
    if parent is not None and parent.pid is not None:
        threading.Thread(target=_watch, args=(parent.pid,), name="parent", daemon=True).start()


def _watch(parent: int) -> None:
    # A process whose parent has ended is given another one.
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)
