"""Ends all that runs in nodes, but for their first processes.

Nothing here enters a node: whoever is root there may trace what does, if it has more power than
the node (ptrace(2)).  Signals go by pidfds, so that a number which another process has got since
is of no harm.

"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import signal
import time
from collections.abc import Sequence

from playground.agent.nodes.entering import find_node, has_ended, refuse_own

# linux/nsfs.h: the namespace in which a pid namespace was made.
NS_GET_PARENT = 0xB702

# Whoever forks faster than it is stopped runs into the limit of processes of its node.
_ROUNDS = 50
# A killed process is gone in a moment, but one that waits for a disk.
_KILLED_LIMIT_S = 10.0


def end_programs(pids: Sequence[int], grace_s: float) -> None:
    """End all programs of these nodes: SIGTERM, after ``grace_s`` seconds SIGKILL.

    Raises OSError (EBUSY) for a node of which something is left.

    """
    for pid in pids:
        find_node(pid)
        refuse_own(pid)
    spaces = _Spaces({os.stat(f"/proc/{pid}/ns/pid").st_ino: pid for pid in pids})
    _wait(spaces.signal(signal.SIGTERM), grace_s)
    # What is stopped forks no more: so nothing is born behind the back of whoever looks.
    stopped: set[int] = set()
    for _ in range(_ROUNDS):
        found = set(spaces.signal(signal.SIGSTOP))
        if found <= stopped:
            break
        stopped = found
    _wait(spaces.signal(signal.SIGKILL), _KILLED_LIMIT_S)
    left = spaces.signal(0)
    if left:
        node = next(iter(left.values()))
        raise OSError(
            errno.EBUSY, f"{len(left)} processes of the node of pid {node} do not end when killed"
        )


class _Spaces:
    """Pid namespaces of nodes, and those within them."""

    def __init__(self, nodes: dict[int, int]) -> None:
        self._nodes = nodes
        self._first = set(nodes.values())
        self._node_of: dict[int, int | None] = dict(nodes)

    def signal(self, number: int) -> dict[int, int]:
        """Send a signal to each process in them; return those that there were, with their nodes."""
        found = {}
        for name in os.listdir("/proc"):
            if not name.isdigit() or int(name) in self._first:
                continue
            # Any may end while it is looked at; what is the machine's own and not to be looked at
            # is in no node.
            with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
                handle = os.pidfd_open(int(name))
                try:
                    node = self._node(name)
                    # A zombie may wait for its parent for long.
                    if node is not None and not has_ended(int(name), handle):
                        signal.pidfd_send_signal(handle, number)
                        found[int(name)] = node
                finally:
                    os.close(handle)
        return found

    def _node(self, name: str) -> int | None:
        inode = os.stat(f"/proc/{name}/ns/pid").st_ino
        if inode not in self._node_of:
            self._node_of[inode] = self._look(name)
        return self._node_of[inode]

    def _look(self, name: str) -> int | None:
        """Return the node within whose namespace another was made, by whatever way."""
        space = os.open(f"/proc/{name}/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        try:
            while True:
                try:
                    above = fcntl.ioctl(space, NS_GET_PARENT)
                except PermissionError:  # outside of what may be seen from here
                    return None
                os.close(space)
                space = above
                if (node := self._nodes.get(os.fstat(space).st_ino)) is not None:
                    return node
        finally:
            os.close(space)


def _wait(processes: dict[int, int], limit_s: float) -> None:
    """Wait until processes have ended, so long at most."""
    deadline = time.monotonic() + limit_s
    poll = select.poll()
    handles = []
    try:
        for number in processes:
            with contextlib.suppress(ProcessLookupError):
                handles.append(os.pidfd_open(number))
                poll.register(handles[-1], select.POLLIN)
        left = {*handles}
        while left and (rest_s := deadline - time.monotonic()) > 0:
            for handle, _ in poll.poll(rest_s * 1000):
                poll.unregister(handle)
                left.discard(handle)
    finally:
        for handle in handles:
            os.close(handle)
