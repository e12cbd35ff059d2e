"""The supervisor: keeps the users' programs of a lab's nodes running, and what they print.

One process a lab, forked by an agent, and like the agent outside of all nodes.  It outlives
that agent, for a lab that is kept, and ends when no node is left that it has programs in.
Agents ask it over a unix socket: a request of JSON up to end of file, and so the answer.

It gives a program what `docker run` would give: the container's user, environment, working
directory and capabilities, a pipe for what it prints.  What docker(1) says of --restart
holds, its waiting times too.

"""

from __future__ import annotations

import base64
import contextlib
import errno
import functools
import json
import os
import selectors
import signal
import socket
import time
import traceback
from collections import deque
from collections.abc import Callable
from typing import Any, NoReturn

from playground.agent.kernel.process_stat import process_stat
from playground.agent.kernel.syscalls import PR_SET_PDEATHSIG, prctl, read_text
from playground.agent.network.listening import tcp_ports
from playground.agent.nodes.commands import Command, start_in_node
from playground.agent.nodes.descriptors import keep_only, many_files
from playground.agent.nodes.entering import find_node, gone
from playground.agent.protocol import Request, describe, described

# In the helper, or in a lab's own mounts: a place that no node sees.
SOCKET_PATH = "/run/playground/programs"

# Beside it: the traceback of what last went wrong in a supervisor.
_LAST_WORDS = ".error"
_LAST_WORDS_BYTES = 1 << 14

# A listener without a free descriptor for who calls is not looked at for so long.
_ACCEPT_PAUSE_S = 0.1

# The most that is kept of a program's output.
LOG_BYTES = 1 << 20
_PART_BYTES = 1 << 16

# Docker's waiting times before a restart: twice as long each time, and anew after a run of
# ten seconds (daemon of moby, restartmanager).
_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _LONG_RUN_S = 0.1, 60.0, 10.0

# How long a program may take to begin, and what `docker stop` waits before it kills.
_START_LIMIT_S, _STOP_LIMIT_S = 30.0, 10.0

# Pipes of earlier runs that background processes of a program still hold.
_OLD_PIPES = 4

_REQUEST_BYTES = 8 << 20

# The most that is heard of a program that does not begin; `describe` says less.
_WORD_BYTES = 1 << 18


class Output:
    """The last of what a program has printed, on both streams."""

    def __init__(self) -> None:
        self._parts: deque[bytearray] = deque()
        self._size = 0

    def add(self, data: bytes) -> None:
        # A part has a price of its own, and who prints by the byte would have a million.
        if self._parts and len(self._parts[-1]) + len(data) <= _PART_BYTES:
            self._parts[-1] += data
        else:
            self._parts.append(bytearray(data))
        self._size += len(data)
        while self._size - len(self._parts[0]) >= LOG_BYTES:
            self._size -= len(self._parts.popleft())

    def content(self) -> bytes:
        return b"".join(self._parts)[-LOG_BYTES:]


class SupervisedProgram:
    """One program of a node: how it is started, and what has become of it."""

    def __init__(self, request: Request) -> None:
        self.node_pid = int(request["pid"])
        self.name = str(request["name"])
        # As the client described it; some of it is the client's own affair.
        self.request = request
        self.command()  # what cannot be is refused at once
        self.output = Output()
        self.pid = 0
        self.channel: socket.socket | None = None
        self.heard = bytearray()  # on it
        self.pipes: list[int] = []
        self.wanted = False
        self.stopped = False
        self.begun_at = 0.0
        self.restart_at: float | None = None
        self.kill_at: float | None = None
        self.pause_s = _FIRST_PAUSE_S
        self.restarts = 0
        self.returncode: int | None = None
        self.last_returncode: int | None = None  # of the run before, too
        self.error: Request | None = None
        # Who is told when it runs, or does not.
        self.waiting: list[Asked] = []

    def command(self) -> Command:
        return Command(
            self.request["argv"],
            self.request.get("env"),
            self.request.get("cwd"),
            self.request.get("user"),
            own_stdio=True,
        )

    def hear_start(self, known: bool = False) -> bool:
        """Hear how its start goes; returns whether that is known, for an error `error` is set.

        End of file says that it has begun, and an error comes in parts before that; ``known``
        says that nothing more will come.

        """
        assert self.channel is not None
        with contextlib.suppress(BlockingIOError):
            while len(self.heard) <= _WORD_BYTES and (part := self.channel.recv(1 << 16)):
                self.heard += part
            known = True
        if known and self.heard:
            self.error = described(self.heard)
            self.wanted = False
        return known

    @property
    def settled(self) -> bool:
        """Whether it runs if it should, and does not if it should not."""
        if self.wanted and self.restart_at is None:
            return self.pid != 0 and self.channel is None
        return self.pid == 0

    def status(self) -> Request:
        return {
            "name": self.name,
            "running": self.pid != 0 and self.channel is None,
            "restarting": self.restart_at is not None,
            "stopped": self.stopped,
            "pid": self.pid,
            "ports": tcp_ports(self.pid) if self.pid and self.channel is None else [],
            "command": command_of(self.pid) if self.pid and self.channel is None else "",
            "returncode": self.returncode,
            "last_returncode": self.last_returncode,
            "state": process_state(self.pid) if self.pid else None,
            "restarts": self.restarts,
            "seconds": time.monotonic() - self.begun_at if self.begun_at else None,
            "error": self.error,
        }

    def restarts_after(self, returncode: int) -> bool:
        """Whether it is started again, having ended by itself in this way."""
        policy = self.request.get("restart") or {}
        match policy.get("when", "no"):
            case "always" | "unless-stopped":
                return True
            case "on-failure":
                most = policy.get("most")
                return returncode != 0 and (most is None or self.restarts < most)
        return False


def command_of(pid: int) -> str:
    """Return what a process was started as, its words with blanks between: proc_pid_cmdline(5)."""
    with contextlib.suppress(OSError):
        return read_text(f"/proc/{pid}/cmdline", 4096).replace("\0", " ").strip()
    return ""


class Asked:
    """Somebody who is told of several programs at once."""

    def __init__(self, line: socket.socket, programs: list[SupervisedProgram]) -> None:
        self.line = line
        self.programs = programs

    def answer(self) -> bool:
        """Answer if all has been done; returns whether it was."""
        if not all(program.settled for program in self.programs):
            return False
        try:
            answer: Request = {"result": [program.status() for program in self.programs]}
        except Exception as error:
            answer = {"error": describe(error)}
        send(self.line, answer)
        return True


class Supervisor:
    """The loop: programs of nodes, the socket, and when something is due."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._selector = selectors.DefaultSelector()
        self._programs: dict[tuple[int, str], SupervisedProgram] = {}
        self._nodes: dict[int, int] = {}  # first process: pidfd
        self._asked: list[Asked] = []
        self._accept_at: float | None = None

    def serve(self) -> None:
        """Serve until the last node with a program is gone."""
        wake, woken = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(woken, False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        self._selector.register(wake, selectors.EVENT_READ, self._reap)
        self._listen()
        idle_since = time.monotonic()
        while self._nodes or time.monotonic() - idle_since < _START_LIMIT_S:
            if self._nodes:
                idle_since = time.monotonic()
            for key, events in self._selector.select(self._patience()):
                if self._selector.get_map().get(key.fd) is key:
                    try:
                        key.data(key.fd, events)
                    except Exception as error:
                        write_last_words(error)
            self._do_what_is_due()
            self._asked = [asked for asked in self._asked if not asked.answer()]

    def _patience(self) -> float:
        due = [
            at
            for program in self._programs.values()
            for at in (program.restart_at, program.kill_at)
            if at is not None
        ]
        if self._accept_at is not None:
            due.append(self._accept_at)
        return max(0.0, min([*due, time.monotonic() + _START_LIMIT_S]) - time.monotonic())

    def _guarded(self, program: SupervisedProgram, do: Callable[[], None]) -> None:
        """Do something for a program; an error in that ends this program alone."""
        try:
            do()
        except Exception as error:
            write_last_words(error)
            if program.pid:
                self._kill(program)
            self._failed(program, describe(error))
            self._close(program)

    # ... requests

    def _listen(self) -> None:
        self._accept_at = None
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def _accept(self, fd: int, events: int) -> None:
        try:
            line, _ = self._listener.accept()
        except (BlockingIOError, ConnectionError):
            return
        except OSError:
            # No more descriptors: who calls waits, and the loop does not spin.
            self._selector.unregister(self._listener)
            self._accept_at = time.monotonic() + _ACCEPT_PAUSE_S
            return
        # It is an agent's, which has written all of it already.
        line.settimeout(5.0)
        try:
            request = json.loads(receive(line))
            answer = self._answer(request, line)
        except Exception as error:
            answer = {"error": describe(error)}
        if answer is not None:
            send(line, answer)

    def _answer(self, request: Request, line: socket.socket) -> Request | None:
        do = request["do"]
        if do == "start":
            programs = [self._add(item) for item in request["programs"]]
            for program in programs:
                self._want(program)
            self._asked.append(Asked(line, programs))
            return None
        if do == "list":
            found = [item for item in self._programs.values() if item.node_pid in request["pids"]]
            return {"result": [{"pid": one.node_pid, "request": one.request} for one in found]}
        if do == "states":
            wanted = [self._find(pid, name) for pid, name in request["programs"]]
            return {"result": [program.status() for program in wanted]}
        program = self._find(request["pid"], request["name"])
        if do == "status":
            return {"result": [program.status()]}
        if do == "log":
            return {"result": base64.b64encode(program.output.content()).decode()}
        if do == "begin":
            self._want(program)
        elif do == "stop":
            self._stop(program)
        else:
            raise ValueError(f"nothing is known of {do!r}")
        self._asked.append(Asked(line, [program]))
        return None

    def _find(self, pid: int, name: str) -> SupervisedProgram:
        try:
            return self._programs[pid, name]
        except KeyError:
            raise LookupError(f"there is no program {name!r} on the node of pid {pid}") from None

    def _add(self, request: Request) -> SupervisedProgram:
        program = SupervisedProgram(request)
        known = self._programs.get((program.node_pid, program.name))
        if known is not None:
            return known
        if program.node_pid not in self._nodes:
            find_node(program.node_pid)
            handle = os.pidfd_open(program.node_pid)
            try:
                self._selector.register(
                    handle, selectors.EVENT_READ, lambda fd, events: self._ended(program.node_pid)
                )
            except BaseException:
                os.close(handle)
                raise
            self._nodes[program.node_pid] = handle
        self._programs[program.node_pid, program.name] = program
        return program

    def _ended(self, node_pid: int) -> None:
        """Forget a node that has ended, and with it all that ran there."""
        handle = self._nodes.pop(node_pid)
        self._selector.unregister(handle)
        os.close(handle)
        for key in [key for key in self._programs if key[0] == node_pid]:
            program = self._programs.pop(key)
            program.wanted, program.restart_at, program.pid = False, None, 0
            program.error = describe(gone(node_pid), with_traceback=False)
            self._close(program)

    # ... starting

    def _want(self, program: SupervisedProgram) -> None:
        program.wanted, program.stopped = True, False
        program.pause_s = _FIRST_PAUSE_S
        if program.pid == 0:
            self._guarded(program, lambda: self._start(program))
        elif program.channel is None:
            program.kill_at = None

    def _start(self, program: SupervisedProgram) -> None:
        program.restart_at = program.error = program.returncode = None
        program.begun_at = time.monotonic()
        while len(program.pipes) > _OLD_PIPES:
            self._close_pipe(program.pipes.pop(0))
        try:
            program.pid, program.channel, reader = _begin(program)
        except OSError as error:
            self._failed(program, describe(error, with_traceback=False))
            return
        program.pipes.append(reader)
        os.set_blocking(reader, False)
        program.channel.setblocking(False)
        program.heard.clear()
        program.kill_at = program.begun_at + _START_LIMIT_S
        self._watch(program, reader, lambda: self._read(program, reader))
        self._watch(program, program.channel.fileno(), lambda: self._started(program))

    def _watch(self, program: SupervisedProgram, fd: int, do: Callable[[], None]) -> None:
        self._selector.register(
            fd, selectors.EVENT_READ, lambda fd, events: self._guarded(program, do)
        )

    def _started(self, program: SupervisedProgram) -> None:
        if program.hear_start():
            self._close_channel(program)
            program.kill_at = None
            if program.error is None and not program.wanted:
                self._stop(program)

    def _close_channel(self, program: SupervisedProgram) -> None:
        if program.channel is not None:
            with contextlib.suppress(KeyError):  # it was not watched yet
                self._selector.unregister(program.channel)
            program.channel.close()
            program.channel = None

    def _close(self, program: SupervisedProgram) -> None:
        """Close all that leads to a program."""
        self._close_channel(program)
        while program.pipes:
            self._close_pipe(program.pipes.pop())

    def _failed(self, program: SupervisedProgram, error: Request) -> None:
        program.error = error
        program.pid, program.kill_at = 0, None
        program.wanted = False

    def _read(self, program: SupervisedProgram, fd: int) -> None:
        with contextlib.suppress(BlockingIOError):
            if data := os.read(fd, 1 << 16):
                program.output.add(data)
            else:
                program.pipes.remove(fd)
                self._close_pipe(fd)

    def _close_pipe(self, fd: int) -> None:
        with contextlib.suppress(KeyError):  # it was not watched yet
            self._selector.unregister(fd)
        os.close(fd)

    # ... ending

    def _stop(self, program: SupervisedProgram) -> None:
        program.wanted, program.stopped = False, True
        program.restart_at = None
        if program.pid and program.channel is None:
            self._signal(program, int(program.request.get("stop_signal") or signal.SIGTERM))
            limit_s = program.request.get("stop_timeout_s")
            limit_s = _STOP_LIMIT_S if limit_s is None else float(limit_s)
            program.kill_at = time.monotonic() + limit_s

    def _signal(self, program: SupervisedProgram, number: int) -> None:
        # It is our child, and not reaped yet: the number is its own.
        with contextlib.suppress(OSError):
            os.kill(program.pid, number)

    def _kill(self, program: SupervisedProgram) -> None:
        self._signal(program, signal.SIGKILL)
        with contextlib.suppress(OSError):
            os.killpg(program.pid, signal.SIGKILL)

    def _reap(self, fd: int, events: int) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(fd, 4096)
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if found is None:
                return
            for program in self._programs.values():
                if program.pid == found.si_pid:
                    # Processes left in its process group go with it, before the
                    # number can come to mean another.
                    with contextlib.suppress(OSError):
                        os.killpg(program.pid, signal.SIGKILL)
            _, status = os.waitpid(found.si_pid, 0)
            returncode = os.waitstatus_to_exitcode(status)
            for program in [*self._programs.values()]:
                if program.pid == found.si_pid:
                    # Given back: whatever is done now, nothing is sent to this number.
                    program.pid = 0
                    self._guarded(program, functools.partial(self._over, program, returncode))

    def _over(self, program: SupervisedProgram, returncode: int) -> None:
        """Take note that a program has ended, whose number may be another's already."""
        if program.channel is not None:
            with contextlib.suppress(OSError):
                program.hear_start(known=True)
        self._close_channel(program)
        program.kill_at = None
        program.returncode = program.last_returncode = returncode
        now = time.monotonic()
        if program.error is not None:
            program.wanted = False
        elif program.wanted and program.restarts_after(returncode):
            if now - program.begun_at > _LONG_RUN_S:
                program.pause_s = _FIRST_PAUSE_S
            how = f"by signal {-returncode}" if returncode < 0 else f"with status {returncode}"
            program.output.add(f"-- {program.name} ended {how} and is started again --\n".encode())
            program.restart_at = now + program.pause_s
            program.pause_s = min(_LONGEST_PAUSE_S, 2 * program.pause_s)
        else:
            program.wanted = False

    def _do_what_is_due(self) -> None:
        now = time.monotonic()
        if self._accept_at is not None and now >= self._accept_at:
            self._listen()
        for program in [*self._programs.values()]:
            if program.kill_at is not None and now >= program.kill_at:
                program.kill_at = None
                self._kill(program)
            if program.restart_at is not None and now >= program.restart_at:
                program.restarts += 1
                self._guarded(program, functools.partial(self._start, program))


def _begin(program: SupervisedProgram) -> tuple[int, socket.socket, int]:
    """Start a program; return its process, the line that says so, and the pipe of its output."""
    made: list[int] = []
    try:
        made += os.pipe()
        made.append(os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC))
        reader, writer, null = made
        child, channel = start_in_node(program.node_pid, program.command(), (null, writer, writer))
    except BaseException:
        for fd in made:
            os.close(fd)
        raise
    os.close(writer)
    os.close(null)
    return child, channel, reader


def process_state(pid: int) -> str | None:
    """Return the state of a process as one letter; None if it is gone."""
    with contextlib.suppress(OSError):
        return process_stat(pid).state
    return None


def receive(line: socket.socket) -> bytes:
    """Return all that comes until end of file."""
    parts = []
    size = 0
    while part := line.recv(1 << 16):
        parts.append(part)
        size += len(part)
        if size > _REQUEST_BYTES:
            raise OSError(errno.EMSGSIZE, "that is too long for a request about programs")
    return b"".join(parts)


def send(line: socket.socket, message: Request) -> None:
    """Send a message and close the line; who is gone misses it."""
    with contextlib.suppress(OSError), line:
        line.sendall(json.dumps(message).encode())


def write_last_words(error: BaseException) -> None:
    """Write down what went wrong here, in place of what did before; where there is no room, not."""
    text = "".join(traceback.format_exception(error)).encode(errors="replace")
    with contextlib.suppress(OSError):
        fd = os.open(SOCKET_PATH + _LAST_WORDS, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(fd, 0)
            os.write(fd, text[-_LAST_WORDS_BYTES:])
        finally:
            os.close(fd)


def last_words() -> str:
    """Return the traceback of what last went wrong in this lab's supervisor, "" for nothing."""
    with contextlib.suppress(OSError):
        return read_text(SOCKET_PATH + _LAST_WORDS, _LAST_WORDS_BYTES)
    return ""


def fork_supervisor() -> None:
    """Fork the supervisor of this lab; afterwards its socket takes requests."""
    os.makedirs(os.path.dirname(SOCKET_PATH), 0o700, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(SOCKET_PATH)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        before = os.umask(0o177)
        try:
            listener.bind(SOCKET_PATH)
        finally:
            os.umask(before)
        listener.listen(128)
        if os.fork() == 0:
            _become_supervisor(listener)


def _become_supervisor(listener: socket.socket) -> NoReturn:
    try:
        prctl(PR_SET_PDEATHSIG, 0)
        signal.set_wakeup_fd(-1)
        os.setsid()
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        for target in range(3):
            os.dup2(null, target)
        keep_only(listener.fileno(), many_files())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        listener.setblocking(False)
        Supervisor(listener).serve()
    except BaseException as error:
        write_last_words(error)
        os._exit(1)
    finally:
        os._exit(0)


def ask(request: Request) -> Any:
    """Return a connection on which a supervisor has been sent a request.

    Raises `ConnectionError` or `FileNotFoundError` where there is none.

    """
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        line.settimeout(5.0)
        line.connect(SOCKET_PATH)
        line.sendall(json.dumps(request).encode())
        line.shutdown(socket.SHUT_WR)
    except BaseException:
        line.close()
        raise
    return line
