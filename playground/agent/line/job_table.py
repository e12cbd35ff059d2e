"""All jobs of an agent: started, heard, told of their input, and ended."""

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
import time
from collections.abc import Callable, Sequence
from typing import Any

from playground.agent.line.job import AgentJob, start_job
from playground.agent.line.job_input import READS_NO_MORE, JobInput
from playground.agent.line.left_behind import LeftBehind
from playground.agent.line.replies import Replies
from playground.agent.nodes.commands import Command
from playground.agent.nodes.launcher import LATE
from playground.agent.nodes.launcher_clients import Launcher, Launches
from playground.agent.nodes.terminals import set_window
from playground.agent.protocol import describe, described

# Bytes of a job's output that may be under way, unconsumed, before the agent
# stops reading: enough for any usual answer, small beside the machine.
WINDOW_BYTES = 4 << 20
CHUNK_BYTES = 128 << 10

# Until when a command has to run that a client gives no limit for.
START_LIMIT_S = 30.0


class Jobs:
    """The jobs by their numbers, and the launchers that start most of them."""

    def __init__(self, selector: selectors.BaseSelector, replies: Replies) -> None:
        self._selector = selector
        self._replies = replies
        self._jobs: dict[int, AgentJob] = {}
        self._by_pid: dict[int, AgentJob] = {}
        self._starting: dict[int, AgentJob] = {}
        self._count = 0
        self._left_behind = LeftBehind()
        self.launches = Launches(selector, self._ended, self._launcher_lost)

    # ... a job's life

    def new(self, request_id: Any) -> AgentJob:
        """Return a job that is not started yet, and counts when it is added."""
        return AgentJob(self._count + 1, request_id, JobInput(self._selector, self._replies))

    def add(self, job: AgentJob) -> None:
        """Watch over a job that has been started, and reply when its command runs."""
        assert job.channel is not None
        self._count += 1
        self._jobs[job.number] = job
        if job.launcher is None:
            self._by_pid[job.pid] = job
        self._selector.register(
            job.channel, selectors.EVENT_READ, lambda fd, events: self._started(job)
        )

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
    ) -> None:
        command = Command(argv, env, cwd, user, tty)
        job = self.new(request_id)
        limit_s = START_LIMIT_S if limit_s is None else min(limit_s, START_LIMIT_S)
        job.start_by = time.monotonic() + limit_s
        start_job(job, self.launches, pid, command, stdin=stdin, merge_stderr=merge_stderr)
        self.add(job)
        self._starting[job.number] = job

    def reaped(self, pid: int, status: int) -> None:
        """Take note of a child that has ended, if it was a job or a launcher's mother."""
        if pid in self.launches.mother_pids:
            self.launches.mother_pids.remove(pid)
        job = self._by_pid.pop(pid, None)
        if job is not None:
            job.returncode = os.waitstatus_to_exitcode(status)
            self._finish(job)

    def kill(self) -> None:
        """Kill all of them, with what they have started."""
        # A job that its launcher has not begun has no number yet, and 0 would mean us.
        for group in filter(None, (job.pid for job in self._jobs.values())):
            with contextlib.suppress(OSError):
                os.killpg(group, signal.SIGKILL)

    @property
    def any_starting(self) -> bool:
        return bool(self._starting)

    def give_up_late(self, now: float) -> None:
        """Say which commands have not begun in time, and kill the children that they would be."""
        for job in [*self._starting.values()]:
            if now > job.start_by:
                self._give_up(job, now)

    def _give_up(self, job: AgentJob, now: float) -> None:
        if not job.given_up:
            job.given_up = True
            late = TimeoutError(errno.ETIMEDOUT, LATE)
            error = describe(late, with_traceback=False)
            self._replies.send({"id": job.request_id, "error": error})
        if job.launcher is None:
            with contextlib.suppress(OSError):
                os.kill(job.pid, signal.SIGKILL)
        else:
            begun = [other.pid for other in self._jobs.values() if other.launcher is job.launcher]
            self.launches.kill_late(job.launcher, begun, now - job.start_by)

    def _ended(self, number: int, returncode: int) -> None:
        job = self._jobs.get(number)
        if job is not None:
            job.returncode = returncode
            self._finish(job)

    def _launcher_lost(self, launcher: Launcher) -> None:
        # Nobody can tell any more how its commands end.
        for orphan in [*self._jobs.values()]:
            if orphan.launcher is launcher and orphan.returncode is None:
                if orphan.pid:
                    with contextlib.suppress(OSError):
                        os.killpg(orphan.pid, signal.SIGKILL)
                orphan.returncode = -signal.SIGKILL
                self._finish(orphan)

    def _started(self, job: AgentJob) -> None:
        """Hear from a child whether its command runs, and tell the client."""
        assert job.channel is not None
        data, descriptors, _, _ = socket.recv_fds(job.channel, 1 << 16, 1)
        for fd in descriptors:
            os.set_inheritable(fd, False)
            os.set_blocking(fd, False)
            job.terminal = True
            job.streams["stdout"] = fd
            job.stdin.fd = os.dup(fd)
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
        self._selector.unregister(job.channel)
        self._starting.pop(job.number, None)
        # Errors are shorter than a socket's buffer, so this is all of it.
        job.channel.close()
        job.channel = None
        if data or job.given_up:
            self._forget(job)
            if not job.given_up:
                self._replies.send({"id": job.request_id, "error": described(data)})
            return
        self._replies.send({"id": job.request_id, "result": {"job": job.number, "pid": job.pid}})
        for name, fd in job.streams.items():
            self._selector.register(fd, selectors.EVENT_READ, self._reader(job, name))

    def _finish(self, job: AgentJob) -> None:
        """Send what a job that has ended left in its pipes, then its exit."""
        while job.channel is not None:
            self._started(job)  # it was faster than our loop
        if job.number not in self._jobs:
            return  # it could not be started, and that was said
        self._left_behind.note(job.node, job.pid)
        self._resume(job)
        for name, fd in list(job.streams.items()):
            # No more than a pipe holds: a process left in the background may
            # go on writing for ever.
            left = 1 << 20 if job.terminal else fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ)
            while left > 0 and (count := self._read_output(job, name, min(left, CHUNK_BYTES))):
                left -= count
        job.stdin.close("the command has ended")
        self._replies.send({"event": "exit", "job": job.number, "returncode": job.returncode})
        job.exit_sent = True
        if not job.streams:
            self._jobs.pop(job.number, None)

    def _forget(self, job: AgentJob) -> None:
        self._jobs.pop(job.number, None)
        for fd in job.streams.values():
            os.close(fd)
        job.streams.clear()
        job.stdin.close("")

    # ... its output

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
            content = base64.b64encode(data).decode()
            self._replies.send({"event": name, "job": job.number, "data": content})
            job.unconsumed += len(data)
            if job.unconsumed >= WINDOW_BYTES and not job.paused and job.returncode is None:
                job.paused = True
                for other in job.streams.values():
                    self._unwatch(other)
        return len(data)

    def _unwatch(self, fd: int) -> None:
        with contextlib.suppress(KeyError):
            self._selector.unregister(fd)

    def _close_stream(self, job: AgentJob, name: str) -> None:
        fd = job.streams.pop(name)
        self._unwatch(fd)
        os.close(fd)
        if job.exit_sent and not job.streams:
            self._jobs.pop(job.number, None)

    def _resume(self, job: AgentJob) -> None:
        if job.paused:
            job.paused = False
            for name, fd in job.streams.items():
                self._selector.register(fd, selectors.EVENT_READ, self._reader(job, name))

    # ... requests about one that runs

    def _find(self, number: int) -> AgentJob | None:
        """Find a job; None for one that has ended.  Raises LookupError otherwise."""
        if not isinstance(number, int) or not 0 < number <= self._count:
            raise LookupError(f"there never was a job {number!r}")
        return self._jobs.get(number)

    def write(self, request_id: Any, job: int, data: str) -> None:
        target = self._find(job)
        content = base64.b64decode(data)
        if target is None:
            raise BrokenPipeError(errno.EPIPE, READS_NO_MORE)
        target.stdin.write(content, request_id)

    def close_stdin(self, job: int) -> None:
        target = self._find(job)
        if target is not None:
            target.stdin.end(target.terminal)

    def signal(self, job: int, signum: int) -> None:
        target = self._find(job)
        if target is not None and target.pid:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(target.pid, signum)

    def kill_background(self, pid: int) -> int:
        return self._left_behind.kill(pid)

    def resize(self, job: int, columns: int, lines: int) -> None:
        target = self._find(job)
        if target is not None and target.terminal and "stdout" in target.streams:
            set_window(target.streams["stdout"], columns, lines)

    def credit(self, job: int, bytes: int) -> None:  # noqa: A002
        target = self._find(job)
        if target is not None:
            target.unconsumed -= bytes
            if target.unconsumed < WINDOW_BYTES:
                self._resume(target)
