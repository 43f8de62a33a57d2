"""The very end of a process: threads that hang do not hold it.

When everything has stopped, the interpreter still waits for every thread of every pool, without any bound: for a driver's that
waits for a server which is gone, for a look at a folder of a dead network disk, for an exporter. Nothing that they do counts
any more.
"""

import os
import threading
from typing import Final

WITHIN: Final = 5.0  # seconds


def leave_soon(code: int) -> None:
    """Let this process end with ``code``, at the latest in :data:`WITHIN` seconds; to be called when everything has stopped."""
    timer = threading.Timer(WITHIN, os._exit, (code,))
    timer.daemon = True
    timer.start()
