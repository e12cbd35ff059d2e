"""Turns of builds: one at a time at one engine, whoever asks for them.

Debian 12's engine (20.10) stops for ever when two builds end a step at the same moment. Its
libnetwork takes the lock of a network and then its own for a container that leaves
(`endpoint.sbLeave`), and the other way round for one that has left
(`controller.processEndpointDelete`). From then on no container starts or ends until the daemon
is started again. Containers of labs are on no network of the engine's, so only builds meet there.

"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# A turn that never comes must not be the end of all builds: the engine is at fault then, or
# somebody holds the lock for another reason.
_LONGEST_WAIT_S = 600.0
_LOOK_EACH_S = 0.2


@contextmanager
def build_turn(socket_path: str | None, note: Callable[[str], None]) -> Iterator[None]:
    """Wait until no other program builds at the engine of this socket, and hold it so.

    The lock is on the socket's folder (flock(2)): it is there for every user of the engine,
    nothing is left behind, and it ends with its program. ``None``, for an engine elsewhere, waits
    for nobody, and neither does who cannot read the folder. After ten minutes it waits no longer.

    >>> with build_turn("/run/docker.sock", print):
    ...     pass

    """
    lock = _folder(socket_path)
    if lock is None:
        yield
        return
    try:
        by = time.monotonic() + _LONGEST_WAIT_S
        while not _taken(lock) and time.monotonic() < by:
            note("waits for another build at this engine")
            time.sleep(_LOOK_EACH_S)
        yield
    finally:
        os.close(lock)


def _folder(socket_path: str | None) -> int | None:
    if not socket_path:
        return None
    try:
        return os.open(os.path.dirname(socket_path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
