"""The loop: reads requests, starts what they ask for, and says what came of it."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from playground.agent.line.booting import boot
from playground.agent.line.job_table import Jobs
from playground.agent.line.owned_nodes import OwnedNodes
from playground.agent.line.program_requests import programs
from playground.agent.line.replies import Replies
from playground.agent.line.socket_requests import SocketRequests
from playground.agent.line.two_part_workers import TwoPartWorkers
from playground.agent.line.worker import Workers
from playground.agent.links.far_ends import FarEndWatch
from playground.agent.nodes.entering import find_node
from playground.agent.ports.node_streams import carry_streams
from playground.agent.protocol import PROTOCOL, Request, describe

# How often the loop looks for commands that are late, and launchers without work.
_LATE_LOOK_S = 0.25
_IDLE_LOOK_S = 5.0

# An operation returns this if its reply comes later.
LATER = object()


class Loop:
    """The single-threaded loop: forking is safe, and nothing needs a lock."""

    def __init__(
        self,
        requests: int,
        replies: int,
        ops: dict[str, Callable[..., Any]],
        work: dict[str, Callable[..., Any]],
        socket_line: int | None = None,
    ) -> None:
        self.requests = requests
        # The operations done here at once, and those done by a worker: name to function.
        self.ops = ops
        self.by_worker = work
        self.selector = selectors.DefaultSelector()
        self.replies = Replies(self.selector, replies)
        self.nodes = OwnedNodes()
        self.jobs = Jobs(self.selector, self.replies)
        self.workers = Workers(self.selector, self.replies)
        self.two_part_workers = TwoPartWorkers(self.selector, self.replies)
        self.sockets = SocketRequests(self.selector, socket_line)
        self._look_at = 0.0
        self._incoming: list[bytes] = []
        self._ending = False

    # ... the line

    def serve(self) -> None:
        """Answer requests until end of file or SIGTERM, then kill and return."""
        wake, woken = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(woken, False)
        signal.signal(signal.SIGCHLD, _ignore)
        signal.signal(signal.SIGTERM, _ignore)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        self.selector.register(wake, selectors.EVENT_READ, self._signalled)
        self.selector.register(self.requests, selectors.EVENT_READ, self._read_requests)
        self.replies.send(
            {
                "hello": {
                    "protocol": PROTOCOL,
                    "pid": os.getpid(),
                    "python": ".".join(map(str, sys.version_info[:3])),
                }
            }
        )
        try:
            while not (self._ending or self.replies.broken):
                for key, events in self.selector.select(self._patience()):
                    # An earlier event of the same round may have closed this
                    # one's descriptor, whose number may mean another by now.
                    if self.selector.get_map().get(key.fd) is key:
                        key.data(key.fd, events)
                self._look()
        finally:
            self._kill_everything()

    def _patience(self) -> float | None:
        if self.jobs.any_starting:
            return _LATE_LOOK_S
        return _IDLE_LOOK_S if self.jobs.launches else None

    def _look(self) -> None:
        """Give up commands that are late, and end launchers without work."""
        if not self.jobs.any_starting and not self.jobs.launches:
            return
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + _LATE_LOOK_S
        self.jobs.give_up_late(now)
        self.jobs.launches.end_idle(now)

    def _read_requests(self, fd: int, events: int) -> None:
        data = os.read(fd, 1 << 16)
        if not data:
            self._ending = True
            return
        *lines, rest = data.split(b"\n")
        for line in lines:
            line = b"".join([*self._incoming, line])
            self._incoming.clear()
            if line.strip():
                self._request(line)
        if rest:
            self._incoming.append(rest)

    def _request(self, line: bytes) -> None:
        request_id = None
        try:
            request = json.loads(line)
            if not isinstance(request, dict):
                raise TypeError("a request is an object with id, op and args")
            request_id = request.get("id")
            name = request.get("op")
            arguments = request.get("args") or {}
            if name in self.by_worker:
                self.workers.start(request_id, self.by_worker[name], arguments)
            elif name in self.ops:
                result = self.ops[name](self, request_id, **arguments)
                if result is not LATER:
                    self.replies.send({"id": request_id, "result": result})
            else:
                raise LookupError(
                    f"there is no operation {name!r} in the agent of this lab, which another "
                    "version of playground has started: take the lab down and start it anew"
                )
        except Exception as error:
            self.replies.send({"id": request_id, "error": describe(error)})

    # ... processes

    def _signalled(self, fd: int, events: int) -> None:
        numbers = os.read(fd, 4096)
        if signal.SIGTERM in numbers:
            self._ending = True
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self.workers.reaped(pid)
            self.jobs.reaped(pid, status)

    def _kill_everything(self) -> None:
        self.nodes.kill()
        self.jobs.kill()
        self.workers.kill()
        self.two_part_workers.kill()
        self.jobs.launches.kill_mothers()

    # ... operations that take more than one part, or reply later

    def own(self, request_id: Any, pids: Sequence[int]) -> list[int]:
        ended = self.nodes.own(pids)
        first = self.nodes.first()
        if first is not None and not self.jobs.launches.mother_pids:
            # The first command finds her ready: her start takes 20 ms, of which the
            # kernel needs some itself for the wiring that comes next.
            with contextlib.suppress(OSError):
                self.jobs.launches.prepare(find_node(first))
        return ended

    def spawn(self, request_id: Any, **command: Any) -> Any:
        self.jobs.spawn(request_id, **command)
        return LATER

    def write(self, request_id: Any, job: int, data: str) -> Any:
        self.jobs.write(request_id, job, data)
        return LATER

    def programs(self, request_id: Any, **request: Any) -> Any:
        programs(self.selector, self.replies, request_id, request)
        return LATER

    def carry(self, request_id: Any) -> Any:
        """Turn this line into one of `ports.streams`, to its end."""
        self.replies.send({"id": request_id, "result": None})
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        carry_streams(self.requests, self.replies.fd)
        self._ending = True
        return LATER

    def watch_far_ends(self, request_id: Any) -> None:
        """Tell of each change of a far end from now on."""
        watch = FarEndWatch(lambda row: self.replies.send({"event": "far_end", **row}))
        self.selector.register(watch.socket, selectors.EVENT_READ, watch.read)

    def boot(self, request_id: Any, nodes: Sequence[Request]) -> Any:
        boot(self.selector, self.replies, request_id, nodes)
        return LATER


def _ignore(number: int, frame: Any) -> None:
    """Handle a signal by doing nothing: the loop is woken by a byte in its pipe."""
