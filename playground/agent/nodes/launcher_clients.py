"""The agent's end of the launchers: one a node, made when its first command comes."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Sequence

from playground.agent.kernel.process_stat import process_stat
from playground.agent.nodes.entering import NodeEntry, has_ended
from playground.agent.nodes.launcher import LAUNCHER_IDLE_S, Profile, start_mother
from playground.agent.protocol import Request

# A launcher that is held for so long after its command was given up is ended itself.
_HELD_LIMIT_S = 10.0


class Launcher:
    """A launcher and what it has under way."""

    def __init__(self, node: NodeEntry, line: socket.socket) -> None:
        self.node_pid = node.pid
        try:
            self.node_handle = os.pidfd_open(node.pid)
        except OSError:
            self.node_handle = -1  # before Linux 5.3
        self.line = line
        self.pid = 0  # it says so first
        self.jobs: set[int] = set()  # that it has begun, and not yet told how they ended
        self.starting = 0
        self.idle_since = time.monotonic()


class Launches:
    """All launchers, and the mothers that they come from."""

    def __init__(
        self,
        selector: selectors.BaseSelector,
        ended: Callable[[int, int], None],
        lost: Callable[[Launcher], None],
    ) -> None:
        self._selector = selector
        # The first is called when a job has ended, with its number and its returncode, the
        # second when nobody can tell any more how the jobs of a launcher do.
        self._ended = ended
        self._lost = lost
        self._mothers: dict[Profile, socket.socket] = {}
        self.mother_pids: list[int] = []
        self._launchers: dict[int, Launcher] = {}  # by the node's first process

    def prepare(self, node: NodeEntry) -> None:
        """Have a mother for nodes like this one: her start takes 20 ms."""
        kind = Profile(node)
        if kind not in self._mothers:
            pid, line = start_mother(kind)
            self.mother_pids.append(pid)
            self._mothers[kind] = line
            # She says nothing, but her end is seen.
            self._selector.register(
                line, selectors.EVENT_READ, lambda fd, events: self._forget_mother(kind)
            )

    def kill_mothers(self) -> None:
        for pid in self.mother_pids:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)

    def _forget_mother(self, kind: Profile) -> None:
        line = self._mothers.pop(kind)
        self._selector.unregister(line)
        line.close()

    def send(self, node: NodeEntry, packet: bytes, descriptors: Sequence[int]) -> Launcher | None:
        """Send a request to a node's launcher; None if it takes no more.

        What comes of it is told by `started` and `over`.

        """
        launcher = self._launchers.get(node.pid)
        if launcher is not None and has_ended(launcher.node_pid, launcher.node_handle):
            # Another node had that number.
            self._lose(launcher)
            launcher = None
        try:
            if launcher is None:
                launcher = self._make(node)
            socket.send_fds(launcher.line, [packet], [*descriptors])
        except OSError:
            return None
        launcher.starting += 1
        return launcher

    def _make(self, node: NodeEntry) -> Launcher:
        self.prepare(node)
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        here.setblocking(False)
        try:
            with there:
                socket.send_fds(self._mothers[Profile(node)], [b"a launcher"], [there.fileno()])
        except OSError:
            here.close()
            raise
        launcher = self._launchers[node.pid] = Launcher(node, here)
        self._selector.register(here, selectors.EVENT_READ, lambda fd, events: self._said(launcher))
        return launcher

    def _said(self, launcher: Launcher) -> None:
        try:
            packet = launcher.line.recv(4096)
        except ConnectionError:  # it was killed with a request unread: unix(7)
            packet = b""
        if not packet:
            # It was killed; the next command gets a new one.
            self._lose(launcher)
            return
        message = json.loads(packet)
        if "launcher" in message:
            launcher.pid = message["launcher"]
        else:
            launcher.jobs.discard(message["job"])
            launcher.idle_since = time.monotonic()
            self._ended(message["job"], message["returncode"])

    def _lose(self, launcher: Launcher) -> None:
        self._drop(launcher)
        self._lost(launcher)

    def _drop(self, launcher: Launcher) -> None:
        del self._launchers[launcher.node_pid]
        self._selector.unregister(launcher.line)
        launcher.line.close()
        if launcher.node_handle >= 0:
            os.close(launcher.node_handle)

    def answered(self, launcher: Launcher, job: int, pid: int) -> None:
        """Take note that a request was answered, with the job's process id or 0."""
        launcher.starting -= 1
        launcher.idle_since = time.monotonic()
        if pid:
            launcher.jobs.add(job)

    def __bool__(self) -> bool:
        return bool(self._launchers)

    def end_idle(self, now: float) -> None:
        """End those that had nothing to do for a while: each takes memory."""
        for launcher in [*self._launchers.values()]:
            busy = launcher.jobs or launcher.starting
            if not busy and now - launcher.idle_since > LAUNCHER_IDLE_S:
                self._drop(launcher)  # it ends at the end of its line

    def kill_late(self, launcher: Launcher, pids: Sequence[int], late_s: float) -> None:
        """Kill the child that holds a launcher, which has begun these and no other.

        It is before its exec, where `vfork` holds the launcher.  Where none does for long,
        the launcher itself is held by something of the node's, and is killed.

        """
        if not launcher.pid:
            return
        held_by = [pid for pid in _children(launcher.pid) if pid not in pids]
        if not held_by and late_s > _HELD_LIMIT_S:
            held_by = [launcher.pid]
        for pid in held_by:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)


def _children(parent: int) -> list[int]:
    """Return the processes whose parent this is."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if process_stat(name).parent == parent:
                found.append(int(name))
    return found


def start_request(job: int, pid: int, command: Request, by: float) -> bytes:
    """Return the packet that asks a launcher for a command."""
    return json.dumps({"job": job, "pid": pid, **command, "by": by}).encode()
