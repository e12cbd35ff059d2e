"""First processes of nodes that end with the agent."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
from collections.abc import Sequence

from playground.agent.nodes.entering import has_ended


class OwnedNodes:
    """Nodes that the agent kills when it ends, by their first process."""

    def __init__(self) -> None:
        self._handles: dict[int, int] = {}  # process id: pidfd or -1

    def first(self) -> int | None:
        """Return the first of them; None if there are none."""
        return next(iter(self._handles), None)

    def own(self, pids: Sequence[int]) -> list[int]:
        """Take over processes; return those that have ended already."""
        ended = []
        for pid in pids:
            handle = self._handles.get(pid)
            if handle is None:
                try:
                    # A handle cannot come to mean another process, as a number can.
                    handle = os.pidfd_open(pid)
                except ProcessLookupError:
                    ended.append(pid)
                    continue
                except OSError as error:
                    if error.errno != errno.ENOSYS:
                        raise
                    handle = -1  # before Linux 5.3
            self._handles[pid] = handle
            if has_ended(pid, handle):
                ended.append(pid)
                del self._handles[pid]
                if handle >= 0:
                    os.close(handle)
        return ended

    def disown(self) -> None:
        """Let all of them live on."""
        for handle in self._handles.values():
            if handle >= 0:
                os.close(handle)
        self._handles.clear()

    def kill(self) -> None:
        for pid, handle in self._handles.items():
            with contextlib.suppress(OSError):
                if handle >= 0:
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
                else:
                    os.kill(pid, signal.SIGKILL)
