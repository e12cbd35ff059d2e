"""The loop: reads requests, starts what they ask for, and says what came of it."""

from __future__ import annotations

import base64
import contextlib
import errno
import fcntl
import json
import os
import selectors
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from playground.agent.line.kept_text import state_save
from playground.agent.line.worker import WORK_LIMIT_S, work
from playground.agent.links.links import interfaces
from playground.agent.network.settings import link
from playground.agent.nodes.accounts import hash_passwords
from playground.agent.nodes.boot import boot_program
from playground.agent.nodes.commands import Command, start_in_node
from playground.agent.nodes.entering import find_node, has_ended
from playground.agent.nodes.launcher import LATE, LAUNCH_BYTES
from playground.agent.nodes.launches import Launcher, Launches, start_request
from playground.agent.nodes.sockets import open_socket, take_descriptor
from playground.agent.nodes.terminals import set_window
from playground.agent.protocol import PROTOCOL, Request, describe

# Bytes of a job's output that may be under way, unconsumed, before the agent
# stops reading: enough for any usual answer, small beside the machine.
WINDOW_BYTES = 4 << 20
CHUNK_BYTES = 128 << 10

# What one operation may reply: more than what a client can use, and what it can bear.
REPLY_LIMIT_BYTES = 128 << 20
_TOO_LONG = (
    f"the answer has more than {REPLY_LIMIT_BYTES >> 20} MiB: something on a node has made very "
    "much of what was asked for"
)

# Until when a command has to run that a client gives no limit for.
START_LIMIT_S = 30.0

# How often the loop looks for commands that are late, and launchers without work.
_LATE_LOOK_S = 0.25
_IDLE_LOOK_S = 5.0

# What an operation returns whose reply comes later.
LATER = object()


class AgentJob:
    """A command that runs in a node, and the pipes to it."""

    def __init__(self, number: int, request_id: Any) -> None:
        self.number = number
        self.request_id = request_id
        self.pid = 0
        self.launcher: Launcher | None = None
        self.start_by = 0.0
        self.given_up = False
        self.channel: socket.socket | None = None
        self.streams: dict[str, int] = {}
        self.stdin = -1
        self.stdin_closing = False
        self.terminal = False
        self.pending: deque[tuple[memoryview, Any]] = deque()
        self.unconsumed = 0
        self.paused = False
        self.returncode: int | None = None
        self.exit_sent = False


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
        self.replies = replies
        # What is done here at once, and what by a worker: name to function.
        self.ops = ops
        self.by_worker = work
        self.socket_line = None if socket_line is None else socket.socket(fileno=socket_line)
        self.selector = selectors.DefaultSelector()
        self.owned: dict[int, int] = {}  # process id: pidfd or -1
        self.jobs: dict[int, AgentJob] = {}
        self.jobs_by_pid: dict[int, AgentJob] = {}
        self.workers: dict[int, Any] = {}  # process id: request id
        self.launches = Launches(self.selector, self._job_ended, self._launcher_lost)
        self.starting: dict[int, AgentJob] = {}
        self.look_at = 0.0
        self.job_count = 0
        self.incoming: list[bytes] = []
        self.outgoing: deque[memoryview] = deque()
        self.ending = False

    # ... the line

    def serve(self) -> None:
        """Answer requests until end of file or SIGTERM, then kill and return."""
        os.set_blocking(self.replies, False)
        wake, woken = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(woken, False)
        signal.signal(signal.SIGCHLD, _ignore)
        signal.signal(signal.SIGTERM, _ignore)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        self.selector.register(wake, selectors.EVENT_READ, self._signalled)
        self.selector.register(self.requests, selectors.EVENT_READ, self._read_requests)
        if self.socket_line is not None:
            self.selector.register(self.socket_line, selectors.EVENT_READ, self._hand_socket)
        self.send(
            {
                "hello": {
                    "protocol": PROTOCOL,
                    "pid": os.getpid(),
                    "python": ".".join(map(str, sys.version_info[:3])),
                }
            }
        )
        try:
            while not self.ending:
                for key, events in self.selector.select(self._patience()):
                    # An earlier event of the same round may have closed this
                    # one's descriptor, whose number may mean another by now.
                    if self.selector.get_map().get(key.fd) is key:
                        key.data(key.fd, events)
                self._look()
        finally:
            self._kill_everything()

    def _patience(self) -> float | None:
        if self.starting:
            return _LATE_LOOK_S
        return _IDLE_LOOK_S if self.launches else None

    def _look(self) -> None:
        """Give up commands that are late, and end launchers without work."""
        if not self.starting and not self.launches:
            return
        now = time.monotonic()
        if now < self.look_at:
            return
        self.look_at = now + _LATE_LOOK_S
        for job in [*self.starting.values()]:
            if now > job.start_by:
                self._give_up(job, now)
        self.launches.end_idle(now)

    def send(self, message: Request) -> None:
        self.send_line(json.dumps(message).encode() + b"\n")

    def send_line(self, line: bytes) -> None:
        self.outgoing.append(memoryview(line))
        if len(self.outgoing) == 1:
            self._flush(self.replies, 0)
            if self.outgoing:
                self.selector.register(self.replies, selectors.EVENT_WRITE, self._flush)

    def _flush(self, fd: int, events: int) -> None:
        while self.outgoing:
            try:
                written = os.write(self.replies, self.outgoing[0])
            except BlockingIOError:
                return
            except OSError:
                self.ending = True  # nobody listens any more
                self.outgoing.clear()
                break
            if written < len(self.outgoing[0]):
                self.outgoing[0] = self.outgoing[0][written:]
            else:
                self.outgoing.popleft()
        if events:
            self.selector.unregister(fd)

    def _read_requests(self, fd: int, events: int) -> None:
        data = os.read(fd, 1 << 16)
        if not data:
            self.ending = True
            return
        *lines, rest = data.split(b"\n")
        for line in lines:
            line = b"".join([*self.incoming, line])
            self.incoming.clear()
            if line.strip():
                self._request(line)
        if rest:
            self.incoming.append(rest)

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
                self._work(request_id, self.by_worker[name], arguments)
            elif name in self.ops:
                result = self.ops[name](self, request_id, **arguments)
                if result is not LATER:
                    self.send({"id": request_id, "result": result})
            else:
                known = ", ".join(sorted([*self.ops, *self.by_worker]))
                raise LookupError(f"there is no operation {name!r}; there are {known}")
        except Exception as error:
            self.send({"id": request_id, "error": describe(error)})

    # ... processes

    def _signalled(self, fd: int, events: int) -> None:
        numbers = os.read(fd, 4096)
        if signal.SIGTERM in numbers:
            self.ending = True
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self.workers.pop(pid, None)
            if pid in self.launches.mother_pids:
                self.launches.mother_pids.remove(pid)
            job = self.jobs_by_pid.pop(pid, None)
            if job is not None:
                job.returncode = os.waitstatus_to_exitcode(status)
                self._finish(job)

    def _kill_everything(self) -> None:
        for pid, handle in self.owned.items():
            with contextlib.suppress(OSError):
                if handle >= 0:
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
                else:
                    os.kill(pid, signal.SIGKILL)
        for group in filter(None, (job.pid for job in self.jobs.values())):  # 0 would be ours
            with contextlib.suppress(OSError):
                os.killpg(group, signal.SIGKILL)
        for pid in [*self.workers, *self.launches.mother_pids]:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)

    def _work(self, request_id: Any, function: Callable[..., Any], arguments: Request) -> None:
        """Do an operation in a process of its own, which writes the reply."""
        limit_s = WORK_LIMIT_S
        if "timeout_s" in arguments:
            limit_s = float(arguments["timeout_s"]) + WORK_LIMIT_S
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            work(request_id, function, arguments, limit_s, writer)
        os.close(writer)
        self.workers[pid] = request_id
        parts: list[bytes] = []
        room = REPLY_LIMIT_BYTES

        def collect(fd: int, events: int) -> None:
            nonlocal room
            if part := os.read(fd, 1 << 20):
                room -= len(part)
                if room >= 0:
                    parts.append(part)
                elif pid in self.workers:
                    parts.clear()
                    os.kill(pid, signal.SIGKILL)
                return
            self.selector.unregister(fd)
            os.close(fd)
            if parts and parts[-1].endswith(b"\n"):
                self.send_line(b"".join(parts))
            elif room < 0:
                error = OSError(errno.EFBIG, _TOO_LONG)
                self.send({"id": request_id, "error": describe(error)})
            else:
                error = OSError(errno.EIO, "the agent's worker was killed before it was done")
                self.send({"id": request_id, "error": describe(error)})

        self.selector.register(reader, selectors.EVENT_READ, collect)

    # ... operations that the loop does itself

    def echo(self, request_id: Any, value: Any) -> Any:
        return value

    def own(self, request_id: Any, pids: Sequence[int]) -> list[int]:
        ended = []
        for pid in pids:
            handle = self.owned.get(pid)
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
            self.owned[pid] = handle
            if has_ended(pid, handle):
                ended.append(pid)
                del self.owned[pid]
                if handle >= 0:
                    os.close(handle)
        if self.owned and not self.launches.mother_pids:
            # The first command finds her ready: her start takes 20 ms, of which the
            # kernel needs some itself for the wiring that comes next.
            with contextlib.suppress(OSError):
                self.launches.prepare(find_node(next(iter(self.owned))))
        return ended

    def disown(self, request_id: Any) -> None:
        for handle in self.owned.values():
            if handle >= 0:
                os.close(handle)
        self.owned.clear()

    def link(
        self, request_id: Any, ends: Sequence[Request], up: bool, nodes: Sequence[Request] = ()
    ) -> None:
        # By the loop, as is the next: a worker takes longer to fork than the kernel to do it.
        link(ends, up, nodes)

    def interfaces(self, request_id: Any, ends: Sequence[Request]) -> list[Request]:
        return interfaces(ends)

    def state_save(self, request_id: Any, data: str) -> None:
        # By the loop: a worker would take longer to fork than this to write.
        state_save(data)

    def hash_passwords(self, request_id: Any, passwords: Sequence[str]) -> list[str]:
        # By the loop, too: the two that a lab has by default take it 1 ms.
        return hash_passwords(passwords)

    def spawn(
        self,
        request_id: Any,
        pid: int,
        argv: Sequence[str],
        env: dict[str, str] | None = None,
        cwd: str | None = None,
        user: str | None = None,
        stdin: bool = False,
        tty: Sequence[int] | None = None,
        merge_stderr: bool = False,
        limit_s: float | None = None,
    ) -> Any:
        command = Command(argv, env, cwd, user, tty)
        job = AgentJob(self.job_count + 1, request_id)
        limit_s = START_LIMIT_S if limit_s is None else min(limit_s, START_LIMIT_S)
        job.start_by = time.monotonic() + limit_s
        theirs: list[int] = []
        ours: list[int] = []
        try:
            if tty is None:
                if stdin:
                    reader, job.stdin = os.pipe()
                    ours.append(job.stdin)
                else:
                    reader = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
                theirs.append(reader)
                for name in ("stdout",) if merge_stderr else ("stdout", "stderr"):
                    job.streams[name], writer = os.pipe()
                    ours.append(job.streams[name])
                    theirs.append(writer)
                if merge_stderr:
                    theirs.append(os.dup(theirs[-1]))
                stdio = (theirs[0], theirs[1], theirs[2])
            else:
                stdio = None
            job.channel = self._launch(job, pid, command, stdio)
            if job.channel is None:
                job.pid, job.channel = start_in_node(pid, command, stdio)
                self.jobs_by_pid[job.pid] = job
        except BaseException:
            for fd in ours:
                os.close(fd)
            raise
        finally:
            for fd in theirs:
                os.close(fd)
        for fd in ours:
            os.set_blocking(fd, False)
        self.job_count += 1
        self.jobs[job.number] = job
        self.starting[job.number] = job
        self.selector.register(
            job.channel, selectors.EVENT_READ, lambda fd, events: self.started(job)
        )
        return LATER

    def _launch(
        self, job: AgentJob, pid: int, command: Command, stdio: tuple[int, int, int] | None
    ) -> socket.socket | None:
        """Hand a command to a launcher; None if it needs a child of our own."""
        node = find_node(pid)
        if stdio is None or command.user is not None or (node.uid, node.gid) != (0, 0):
            return None
        if "HOME" not in node.environ and "HOME" not in command.env:
            return None
        if node.memory_is_limited:
            # Of all in the group a launcher may be the largest, and the kernel
            # would kill it for what another needs, and other nodes' jobs with it.
            return None
        asked = {
            "argv": command.argv,
            "env": {**node.environ, **command.env},
            "cwd": command.cwd,
        }
        packet = start_request(job.number, pid, asked, job.start_by)
        if len(packet) > LAUNCH_BYTES:
            return None
        here, there = socket.socketpair()
        with there:
            job.launcher = self.launches.send(node, packet, [*stdio, there.fileno()])
        if job.launcher is None:
            here.close()
            return None
        return here

    def _job_ended(self, number: int, returncode: int) -> None:
        job = self.jobs.get(number)
        if job is not None:
            job.returncode = returncode
            self._finish(job)

    def _launcher_lost(self, launcher: Launcher) -> None:
        # Nobody can tell any more how its commands end.
        for orphan in [*self.jobs.values()]:
            if orphan.launcher is launcher and orphan.returncode is None:
                if orphan.pid:
                    with contextlib.suppress(OSError):
                        os.killpg(orphan.pid, signal.SIGKILL)
                orphan.returncode = -signal.SIGKILL
                self._finish(orphan)

    def _give_up(self, job: AgentJob, now: float) -> None:
        """Say that a command has not begun in time, and kill the child that it would be."""
        if not job.given_up:
            job.given_up = True
            late = TimeoutError(errno.ETIMEDOUT, LATE)
            self.send({"id": job.request_id, "error": describe(late, with_traceback=False)})
        if job.launcher is None:
            with contextlib.suppress(OSError):
                os.kill(job.pid, signal.SIGKILL)
        else:
            begun = [other.pid for other in self.jobs.values() if other.launcher is job.launcher]
            self.launches.kill_late(job.launcher, begun, now - job.start_by)

    def started(self, job: AgentJob) -> None:
        """Hear from a child whether its command runs, and tell the client."""
        assert job.channel is not None
        data, descriptors, _, _ = socket.recv_fds(job.channel, 1 << 16, 1)
        for fd in descriptors:
            os.set_inheritable(fd, False)
            os.set_blocking(fd, False)
            job.terminal = True
            job.streams["stdout"] = fd
            job.stdin = os.dup(fd)
        if data.startswith(b"t"):
            data = data[1:]
            if not data:
                return  # the terminal came; the command comes next
        if data.startswith(b'{"pid"'):
            job.pid = json.loads(data)["pid"]
            data = b""
        if job.launcher is not None:
            self.launches.answered(job.launcher, job.number, job.pid)
        if job.given_up:
            with contextlib.suppress(OSError):
                if job.pid:
                    os.killpg(job.pid, signal.SIGKILL)
        elif not data and not job.pid:
            gave_up = ConnectionError(errno.EPIPE, "the agent's launcher ended: try it once more")
            data = json.dumps(describe(gave_up)).encode()
        self.selector.unregister(job.channel)
        self.starting.pop(job.number, None)
        if data or job.given_up:
            # Errors are shorter than a socket's buffer, so this is all of it.
            job.channel.close()
            job.channel = None
            self._forget(job)
            if not job.given_up:
                self.send({"id": job.request_id, "error": json.loads(data)})
            return
        job.channel.close()
        job.channel = None
        self.send({"id": job.request_id, "result": {"job": job.number, "pid": job.pid}})
        for name, fd in job.streams.items():
            self.selector.register(fd, selectors.EVENT_READ, self._reader(job, name))

    def _reader(self, job: AgentJob, name: str) -> Callable[[int, int], None]:
        def read(fd: int, events: int) -> None:
            self._read_output(job, name, CHUNK_BYTES)

        return read

    def _read_output(self, job: AgentJob, name: str, count: int) -> int:
        """Read once from a job's pipe; returns the bytes read, 0 when it is empty."""
        fd = job.streams[name]
        try:
            data = os.read(fd, count)
        except BlockingIOError:
            return 0
        except OSError:
            # EIO: nobody has the terminal open any more.  A command that has
            # closed it may still run, and must not be hung up on.
            if job.returncode is None:
                self._unwatch(fd)
                return 0
            data = b""
        if not data:
            self._close_stream(job, name)
            return 0
        if not job.exit_sent:
            self.send({"event": name, "job": job.number, "data": base64.b64encode(data).decode()})
            job.unconsumed += len(data)
            if job.unconsumed >= WINDOW_BYTES and not job.paused and job.returncode is None:
                job.paused = True
                for other in job.streams.values():
                    self._unwatch(other)
        return len(data)

    def _unwatch(self, fd: int) -> None:
        with contextlib.suppress(KeyError):
            self.selector.unregister(fd)

    def _close_stream(self, job: AgentJob, name: str) -> None:
        fd = job.streams.pop(name)
        self._unwatch(fd)
        os.close(fd)
        if job.exit_sent and not job.streams:
            self.jobs.pop(job.number, None)

    def _finish(self, job: AgentJob) -> None:
        """Send what a job that has ended left in its pipes, then its exit."""
        while job.channel is not None:
            self.started(job)  # it was faster than our loop
        if job.number not in self.jobs:
            return  # it could not be started, and that was said
        self._resume(job)
        for name, fd in list(job.streams.items()):
            # No more than a pipe holds: a process left in the background may
            # go on writing for ever.
            left = 1 << 20 if job.terminal else fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ)
            while left > 0 and (count := self._read_output(job, name, min(left, CHUNK_BYTES))):
                left -= count
        self._close_stdin(job, "the command has ended")
        self.send({"event": "exit", "job": job.number, "returncode": job.returncode})
        job.exit_sent = True
        if not job.streams:
            self.jobs.pop(job.number, None)

    def _resume(self, job: AgentJob) -> None:
        if job.paused:
            job.paused = False
            for name, fd in job.streams.items():
                self.selector.register(fd, selectors.EVENT_READ, self._reader(job, name))

    def _forget(self, job: AgentJob) -> None:
        self.jobs.pop(job.number, None)
        for fd in job.streams.values():
            os.close(fd)
        job.streams.clear()
        if job.stdin >= 0:
            os.close(job.stdin)
            job.stdin = -1

    def _job(self, number: int) -> AgentJob | None:
        """Find a job; None for one that has ended.  Raises LookupError otherwise."""
        if not isinstance(number, int) or not 0 < number <= self.job_count:
            raise LookupError(f"there never was a job {number!r}")
        return self.jobs.get(number)

    def write(self, request_id: Any, job: int, data: str) -> Any:
        target = self._job(job)
        content = base64.b64decode(data)
        if target is None or target.stdin < 0 or target.stdin_closing:
            raise BrokenPipeError(errno.EPIPE, "the command reads no more from its stdin")
        self._queue_input(target, content, request_id)
        return LATER

    def _queue_input(self, job: AgentJob, content: bytes, request_id: Any) -> None:
        job.pending.append((memoryview(content), request_id))
        if len(job.pending) == 1:
            self._write_input(job)
            if job.pending:
                self.selector.register(
                    job.stdin,
                    selectors.EVENT_WRITE,
                    lambda fd, events: self._write_input(job, registered=True),
                )

    def _write_input(self, job: AgentJob, registered: bool = False) -> None:
        while job.pending:
            view, request_id = job.pending[0]
            try:
                written = os.write(job.stdin, view)
            except BlockingIOError:
                return
            except OSError:
                self._close_stdin(job, "the command reads no more from its stdin")
                return
            if written < len(view):
                job.pending[0] = (view[written:], request_id)
                continue
            job.pending.popleft()
            if request_id is not None:
                self.send({"id": request_id, "result": None})
        if registered:
            self.selector.unregister(job.stdin)
        if job.stdin_closing:
            self._close_stdin(job, "")

    def _close_stdin(self, job: AgentJob, reason: str) -> None:
        """Close a job's stdin; requests that wait for it get the reason."""
        if job.stdin < 0:
            return
        self._unwatch(job.stdin)
        os.close(job.stdin)
        job.stdin = -1
        while job.pending:
            _, request_id = job.pending.popleft()
            if request_id is not None:
                error = BrokenPipeError(errno.EPIPE, reason)
                self.send({"id": request_id, "error": describe(error)})

    def close_stdin(self, request_id: Any, job: int) -> None:
        target = self._job(job)
        if target is None or target.stdin < 0 or target.stdin_closing:
            return
        target.stdin_closing = True
        if target.terminal:
            # termios(3): the character that stands for end of file.
            self._queue_input(target, b"\x04", None)
        elif not target.pending:
            self._close_stdin(target, "")

    def signal(self, request_id: Any, job: int, signum: int) -> None:
        target = self._job(job)
        if target is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(target.pid, signum)

    def resize(self, request_id: Any, job: int, columns: int, lines: int) -> None:
        target = self._job(job)
        if target is not None and target.terminal and "stdout" in target.streams:
            set_window(target.streams["stdout"], columns, lines)

    def credit(self, request_id: Any, job: int, bytes: int) -> None:  # noqa: A002
        target = self._job(job)
        if target is not None:
            target.unconsumed -= bytes
            if target.unconsumed < WINDOW_BYTES:
                self._resume(target)

    def take_line(self, request_id: Any, **where: Any) -> str | None:
        taken = take_descriptor(**where)
        if isinstance(taken, str):
            return taken
        self._drop_line()
        self.socket_line = socket.socket(fileno=taken)
        self.selector.register(self.socket_line, selectors.EVENT_READ, self._hand_socket)
        return None

    def _drop_line(self) -> None:
        if self.socket_line is not None:
            self.selector.unregister(self.socket_line)
            self.socket_line.close()
            self.socket_line = None

    def _hand_socket(self, fd: int, events: int) -> None:
        """Answer a packet of the client's with a socket that lives in a node."""
        assert self.socket_line is not None
        try:
            packet = self.socket_line.recv(4096)
            if not packet:
                raise ConnectionError
            request = json.loads(packet)
            answer = {"id": request["id"]}
            try:
                made = open_socket(
                    request["pid"], request["family"], request["type"], request["protocol"]
                )
            except (OSError, OverflowError, TypeError) as error:
                # What the kernel refuses, and what is no number of the kernel's at all.
                answer["error"] = describe(error)
                self.socket_line.send(json.dumps(answer).encode(), socket.MSG_DONTWAIT)
                return
            with made:
                content = [json.dumps(answer).encode()]
                socket.send_fds(self.socket_line, content, [made.fileno()], socket.MSG_DONTWAIT)
        except (OSError, ValueError, KeyError):
            # It is closed, or what comes is none of the client's own.
            self._drop_line()

    def boot(self, request_id: Any, nodes: Sequence[Request]) -> Any:
        """Start the supervisors of several nodes at once; reply when all run."""
        waiting: set[int] = set()
        errors: list[Request] = []

        def reply() -> None:
            if errors:
                self.send({"id": request_id, "error": errors[0]})
            else:
                self.send({"id": request_id, "result": None})

        def watch(node: Request) -> None:
            command = Command(["runsv", "/run/service/"], prepare=boot_program(node["programs"]))
            _, channel = start_in_node(node["pid"], command, None)
            waiting.add(channel.fileno())

            def started(fd: int, events: int) -> None:
                if data := channel.recv(1 << 16):
                    errors.append(json.loads(data))
                    return
                self.selector.unregister(fd)
                channel.close()
                waiting.discard(fd)
                if not waiting and not starting:
                    reply()

            self.selector.register(channel, selectors.EVENT_READ, started)

        starting = True
        for node in nodes:
            try:
                watch(node)
            except Exception as error:
                errors.append(describe(error))
        starting = False
        if not waiting:
            reply()
        return LATER


def _ignore(number: int, frame: Any) -> None:
    """Handle a signal by doing nothing: the loop is woken by a byte in its pipe."""
