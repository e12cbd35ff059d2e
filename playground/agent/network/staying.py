"""Processes that stay beside a node when the request is answered that began them."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Collection

from playground.agent.kernel.syscalls import PR_SET_PDEATHSIG, prctl


def stay(kept: Collection[int]) -> bool:
    """Go on in a child of this process, that of no request any more; return whether this is it.

    ``kept`` are the descriptors that it needs; all others are closed.  Its own work ends when
    its node does, of which it has a handle.

    """
    if os.fork() != 0:
        return False
    os.setsid()
    prctl(PR_SET_PDEATHSIG, 0)
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    null = os.open("/dev/null", os.O_RDWR)
    for fd in range(3):
        os.dup2(null, fd)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in kept:
            with contextlib.suppress(OSError):
                os.close(int(name))
    return True
