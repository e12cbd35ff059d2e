"""The client of the agent, over any line of bytes.

`Client` speaks the protocol that the docstring of `playground.agent` lays down.
It knows nothing of containers: what carries the bytes is a `ByteLine`, from the
engine, or a `SubprocessChannel` where the agent is a process of this machine.

"""

from __future__ import annotations

import base64
import contextlib
import errno
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import IO, Any, Protocol

from playground.errors import AgentError, AgentGone
from playground.operations.connection.other_versions import misunderstood
from playground.operations.connection.socket_line import SocketLine, where_this_is
from playground.operations.connection.threads import start_child

PROTOCOL = 1

# A reply that takes longer never comes: the agent gives its own work up before.
# Operations with a limit of their own have that on top.
CALL_LIMIT_S = 120.0

# Input goes to a command in pieces of this size, two of them under way at once;
# the agent asks for more only when the command has taken a piece.
INPUT_PIECE_BYTES = 256 << 10
INPUT_PIECES = 2

# Told to the agent in one message; a quarter of the window it allows.
CREDIT_BYTES = 1 << 20

# A process that was killed is gone within milliseconds, unless the machine is
# in trouble.
KILL_LIMIT_S = 10.0


class ByteLine(Protocol):
    """A line of bytes to an agent; reading blocks, ``b""`` is its end.

    A channel may also have ``stderr_tail() -> str``: what the agent printed last, and
    ``socket_line``, a `SocketLine` to the same agent.

    """

    def read(self, n: int, /) -> bytes: ...

    def write(self, data: bytes, /) -> object: ...

    def close(self) -> None: ...


class _Pending:
    """A request under way.  ``then`` runs in the reader's thread, before the wake-up."""

    def __init__(self, op: str, then: Callable[[Any], None] | None = None) -> None:
        self.op = op
        self.result: Any = None
        self.error: AgentError | None = None
        self._then = then
        self._done = threading.Event()

    def finish(self, result: Any, error: AgentError | None) -> None:
        self.result = result
        self.error = error
        if self._then is not None:
            self._then(result if error is None else error)
        self._done.set()

    def done(self, limit_s: float) -> bool:
        return self._done.wait(limit_s)

    def wait(self, limit_s: float) -> Any:
        if not self._done.wait(limit_s):
            raise AgentError(
                f"the agent did not answer the operation {self.op!r} within {limit_s:g} s: "
                "the engine's machine may be overloaded; stop the lab and start it again",
                op=self.op,
                errno=errno.ETIMEDOUT,
            )
        if self.error is not None:
            # Made afresh: one exception object must not be raised in two threads.
            error = self.error
            raise type(error)(str(error), error.op, error.errno, error.remote_traceback)
        return self.result


class Client:
    """One line to one agent.  Any number of threads may use it at once.

    ::

        with Client(SubprocessChannel(command)) as agent:
            agent.call("echo", value=5)      # 5

    """

    def __init__(self, channel: ByteLine) -> None:
        self._channel = channel
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._socket_line_making = threading.Lock()
        self._pending: dict[int, _Pending] = {}
        self._processes: dict[int, AgentProcess] = {}
        self._count = 0
        self._gone: AgentGone | None = None
        self._closed = False
        self._process_id = os.getpid()
        self._socket_line: SocketLine | None = getattr(channel, "socket_line", None)
        self._hello = _Pending("hello")
        self._reader = threading.Thread(target=self._read, name="playground agent", daemon=True)
        self._reader.start()

    def __repr__(self) -> str:
        state = "closed" if self._gone or self._closed else "open"
        return f"<Client of an agent, {state}>"

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def hello(self, timeout_s: float = CALL_LIMIT_S) -> dict[str, Any]:
        """Wait for the agent's first line and return it.

        It has ``protocol``, ``pid`` and ``python``.  Raises `AgentGone` if the
        agent ended instead, `AgentError` after ``timeout_s`` seconds or when it
        speaks another version of the protocol.

        """
        greeting: dict[str, Any] = self._hello.wait(timeout_s)
        if greeting.get("protocol") != PROTOCOL:
            raise AgentError(
                f"the agent speaks version {greeting.get('protocol')!r} of the protocol and this "
                f"playground version {PROTOCOL}: the lab was started by another playground; "
                "stop it and start it again",
                op="hello",
            )
        return greeting

    def call(self, op: str, /, **args: Any) -> Any:
        """Carry out one operation and return its result.

        Raises `AgentError` when the agent could not, `AgentGone` when the line
        is closed, before or meanwhile.

        """
        return self.begin(op, **args)()

    def begin(self, op: str, /, **args: Any) -> Callable[[], Any]:
        """Begin one operation; what this returns waits for its result, as `call` does.

        >>> result = agent.begin("echo", value=5)
        >>> do_something_else()
        >>> result()
        5

        """
        limit_s = CALL_LIMIT_S + float(args.get("timeout_s") or 0)
        pending = self._request(op, args)
        return lambda: pending.wait(limit_s)

    def spawn(
        self,
        pid: int,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        user: str | None = None,
        stdin: bool = False,
        tty: tuple[int, int] | None = None,
        merge_stderr: bool = False,
        limit_s: float | None = None,
    ) -> AgentProcess:
        """Start a command in the container whose first process is ``pid``.

        Returns when the command runs.  Raises `AgentError` when it cannot be
        started: errno ENOENT if there is no such command, ESRCH if the container
        has ended, ETIMEDOUT if it does not run after ``limit_s`` seconds, or 30.
        Without ``stdin`` its input is /dev/null.  ``tty`` is a terminal's size,
        (columns, lines); its output is all in stdout.

        """
        args = {
            "pid": pid,
            "argv": list(argv),
            "env": dict(env) if env else None,
            "cwd": cwd,
            "user": user,
            "stdin": stdin,
            "tty": list(tty) if tty else None,
            "merge_stderr": merge_stderr,
            "limit_s": limit_s,
        }
        return self.start_job("spawn", **args)

    def start_job(self, op: str, /, **args: Any) -> AgentProcess:
        """Carry out an operation that starts a job, such as ``spawn``; return the job.

        Raises as `call`.

        """
        made: list[AgentProcess] = []

        def adopt(result: Any) -> None:
            # In the reader's thread: the events that follow find the process.
            if not isinstance(result, AgentError):
                process = AgentProcess(self, result["job"], result["pid"])
                made.append(process)
                with self._lock:
                    self._processes[process.job] = process

        self._request(op, args, adopt).wait(CALL_LIMIT_S)
        return made[0]

    def ready_sockets(self) -> str | None:
        """Make `open_socket` possible; return why it is not, None if it is."""
        self._refuse_fork("socket_line")
        with self._socket_line_making:
            if self._socket_line is not None:
                return None
            where = where_this_is()
            if where is None:
                return "this program does not run on Linux"
            line, theirs = SocketLine.pair()
            with theirs:
                try:
                    refused: str | None = self.call(
                        "socket_line", **where, descriptor=theirs.fileno()
                    )
                except BaseException:
                    line.close()
                    raise
            if refused is None:
                self._socket_line = line
            else:
                line.close()
            return refused

    def open_socket(self, pid: int, family: int, kind: int, protocol: int) -> int:
        """Return the descriptor of a new socket in the node whose first process is ``pid``.

        It is the caller's to close.  After `ready_sockets` has returned None.  Raises
        `OSError` as socket(2) there does, `AgentGone` when the line is closed.

        """
        self._refuse_fork("socket")
        assert self._socket_line is not None
        return self._socket_line.open(pid, family, kind, protocol)

    def publish(self, pid: int, row: dict[str, Any], listener: socket.socket) -> None:
        """Have what comes by a bound socket carried to a node's port; raises as `open_socket`.

        After `ready_sockets` has returned None.  ``row`` stands in the protocol.

        """
        self._refuse_fork("publish")
        assert self._socket_line is not None
        self._socket_line.publish(pid, row, listener)

    def close(self) -> None:
        """Close the line; the agent ends, and all that it owns.  May be repeated."""
        if not self._closed:
            self._closed = True
            if self._socket_line is not None:
                self._socket_line.close()
            self._channel.close()
        if threading.current_thread() is not self._reader:
            self._reader.join(KILL_LIMIT_S)

    def _request(
        self, op: str, args: dict[str, Any], then: Callable[[Any], None] | None = None
    ) -> _Pending:
        self._refuse_fork(op)
        pending = _Pending(op, then)
        with self._lock:
            gone = self._gone
            if gone is None:
                self._count += 1
                number = self._count
                self._pending[number] = pending
        if gone is not None:
            pending.finish(None, gone)
            return pending
        try:
            self._write({"id": number, "op": op, "args": args})
        except (OSError, ValueError):
            # The reader's thread sees the end too, and knows why; it may be a
            # moment later.
            self._lose()
        except BaseException:
            with self._lock:
                self._pending.pop(number, None)
            raise
        return pending

    def _refuse_fork(self, op: str) -> None:
        if os.getpid() != self._process_id:
            # Nobody reads here: threads do not survive a fork.
            raise AgentGone(
                f"the lab belongs to process {self._process_id}, of which this one is a fork: "
                "enter it with Lab.attach(...), or use it there",
                op,
            )

    def _write(self, message: dict[str, Any]) -> None:
        line = json.dumps(message).encode() + b"\n"
        with self._writing:
            self._channel.write(line)

    def _credit(self, job: int, count: int) -> None:
        self._request("credit", {"job": job, "bytes": count})

    def _read(self) -> None:
        parts: list[bytes] = []
        try:
            while data := self._channel.read(1 << 18):
                *lines, rest = data.split(b"\n")
                for line in lines:
                    parts.append(line)
                    self._dispatch(b"".join(parts))
                    parts.clear()
                if rest:
                    parts.append(rest)
        except Exception as error:
            # Whatever a channel raises, the line is of no more use, and nobody
            # may be left waiting.
            self._lose(str(error))
        else:
            self._lose()

    def _dispatch(self, line: bytes) -> None:
        message = json.loads(line)
        if "event" in message:
            with self._lock:
                process = self._processes.get(message["job"])
                if process is not None and message["event"] == "exit":
                    del self._processes[message["job"]]
            if process is not None:
                process._event(message)
        elif "hello" in message:
            self._hello.finish(message["hello"], None)
        else:
            with self._lock:
                pending = self._pending.pop(message["id"], None)
            if pending is None:
                return
            if "error" not in message:
                pending.finish(message.get("result"), None)
                return
            error = message["error"]
            said = misunderstood(pending.op, error) or error["message"]
            told = AgentError(said, pending.op, error.get("errno"), error.get("traceback", ""))
            pending.finish(None, told)

    def _lose(self, reason: str = "") -> None:
        """Tell everyone who waits, and all who come later, that the line is closed."""
        sentence = (
            "the line to the lab's agent is closed: the lab was stopped, or its helper has died; "
            "lab.stop() and lab.start() bring it back"
        )
        if reason and not self._closed:
            sentence += f" ({reason})"
        tail = getattr(self._channel, "stderr_tail", None)
        if tail is not None and not self._closed and (text := tail().strip()):
            sentence += f"\nthe agent's last words:\n{text}"
        with self._lock:
            if self._gone is None:
                self._gone = AgentGone(sentence)
            gone = self._gone
            waiting = [*self._pending.values()]
            processes = [*self._processes.values()]
            self._pending.clear()
            self._processes.clear()
        if self._hello.result is None and self._hello.error is None:
            waiting.append(self._hello)
        for pending in waiting:
            pending.finish(None, AgentGone(str(gone), pending.op))
        for process in processes:
            process._lost(gone)


class AgentProcess:
    """A command that runs on a node; made by `Client.spawn`.

    Reading is for one thread a stream; all else may be called from any thread.
    ``pid`` is its process id, and that of its group, as the agent counts.

    """

    def __init__(self, client: Client, job: int, pid: int) -> None:
        self.job = job
        self.pid = pid
        self._client = client
        self._condition = threading.Condition()
        self._arrived: dict[str, deque[bytes]] = {"stdout": deque(), "stderr": deque()}
        self._consumed = 0
        self._returncode: int | None = None
        self._gone: AgentGone | None = None
        # The output that `communicate` has read; a second call goes on from there.
        # In one piece each: of many small ones the memory is not given back to the system.
        self._kept = {"stdout": bytearray(), "stderr": bytearray()}
        self._unsent: memoryview | None = None
        self._under_way = 0
        self._room: int | None = None
        self._overflowing = False
        self._input_refused = False
        self._input_closed = False

    def __repr__(self) -> str:
        state = "running" if self._returncode is None else f"ended with {self._returncode}"
        return f"<Process {self.job} on a node, {state}>"

    @property
    def closed(self) -> bool:
        """Whether the command has ended and both its streams were read."""
        with self._condition:
            return self._ended() and not any(self._arrived.values())

    def read_stdout(self, timeout_s: float | None = None) -> bytes:
        """Return the next bytes as they come, ``b""`` at the end.

        Raises `TimeoutError` when none came within ``timeout_s`` seconds.

        """
        return self._next("stdout", timeout_s)

    def read_stderr(self, timeout_s: float | None = None) -> bytes:
        """Return the next bytes of the error stream, likewise."""
        return self._next("stderr", timeout_s)

    def write(self, data: bytes, timeout_s: float | None = None) -> None:
        """Send bytes to the command's input, and wait until it has taken them.

        Raises `AgentError` with errno EPIPE when it reads no more, `TimeoutError`
        when it has not taken all within ``timeout_s`` seconds.

        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        view = memoryview(data)
        while view:
            piece, view = view[:INPUT_PIECE_BYTES], view[INPUT_PIECE_BYTES:]
            pending = self._client._request("write", self._input(piece))
            left = threading.TIMEOUT_MAX if deadline is None else deadline - time.monotonic()
            if not pending.done(max(0.0, left)):
                raise TimeoutError(f"the command did not read its input within {timeout_s:g} s")
            pending.wait(0)

    def close_stdin(self) -> None:
        """Tell the command that its input has ended.  May be repeated."""
        self._input_closed = True
        self._client.call("close_stdin", job=self.job)

    def wait(self, timeout_s: float | None = None) -> int:
        """Return the exit status, ``-N`` for signal N, as `subprocess` does.

        Raises `TimeoutError` when the command has not ended in time; it goes on.
        A command that prints more than about 4 MiB, which nobody reads, waits.

        """
        with self._condition:
            if not self._condition.wait_for(self._ended, timeout_s):
                raise TimeoutError(f"the command did not end within {timeout_s:g} s")
            return self._status()

    def communicate(
        self,
        input: bytes | None = None,  # noqa: A002 - as subprocess has it
        timeout_s: float | None = None,
        limit_bytes: int | None = None,
    ) -> tuple[bytes, bytes]:
        """Send all of ``input``, close it, and return both streams to their end.

        After ``timeout_s`` seconds the whole process group is killed, and
        `TimeoutError` raised; what was printed until then is returned when
        it is called once more.  Likewise `BufferError` when it prints more
        than ``limit_bytes`` on both together; what is more is thrown away.

        """
        if limit_bytes is not None:
            self._room = limit_bytes
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        if input is not None and self._unsent is None:
            self._unsent = memoryview(input)
        try:
            self._exchange(deadline)
        except TimeoutError:
            self.signal(signal.SIGKILL)
            self._input_refused = True
            with contextlib.suppress(TimeoutError):
                self._exchange(time.monotonic() + KILL_LIMIT_S)
            raise TimeoutError(
                f"the command did not end within {timeout_s:g} s and was killed"
            ) from None
        except BufferError:
            self._input_refused = True
            self._overflowing = True
            self.signal(signal.SIGKILL)
            with contextlib.suppress(TimeoutError):
                self._exchange(time.monotonic() + KILL_LIMIT_S)
            raise
        return self._take("stdout"), self._take("stderr")

    def signal(self, signum: int) -> None:
        """Send a signal to the command's whole process group.

        Nothing happens when the command has ended.

        """
        self._client.call("signal", job=self.job, signum=int(signum))

    def resize(self, columns: int, lines: int) -> None:
        """Tell the command the new size of its terminal, in characters."""
        self._client.call("resize", job=self.job, columns=columns, lines=lines)

    # Called by the reader's thread.

    def _event(self, message: dict[str, Any]) -> None:
        with self._condition:
            if message["event"] == "exit":
                self._returncode = message["returncode"]
            else:
                self._arrived[message["event"]].append(base64.b64decode(message["data"]))
            self._condition.notify_all()

    def _lost(self, gone: AgentGone) -> None:
        with self._condition:
            self._gone = gone
            self._condition.notify_all()

    # With the condition held.

    def _ended(self) -> bool:
        return self._returncode is not None or self._gone is not None

    def _status(self) -> int:
        if self._returncode is None:
            raise AgentGone(str(self._gone))
        return self._returncode

    def _next(self, name: str, timeout_s: float | None) -> bytes:
        arrived = self._arrived[name]
        with self._condition:
            if not self._condition.wait_for(lambda: arrived or self._ended(), timeout_s):
                raise TimeoutError(f"nothing came from the command within {timeout_s:g} s")
            if not arrived:
                self._status()
                return b""
            data = arrived.popleft()
        self._consume(len(data))
        return data

    def _consume(self, count: int) -> None:
        with self._condition:
            self._consumed += count
            if self._consumed < CREDIT_BYTES or self._ended():
                return
            count, self._consumed = self._consumed, 0
        self._client._credit(self.job, count)

    def _input(self, piece: memoryview) -> dict[str, Any]:
        return {"job": self.job, "data": base64.b64encode(piece).decode()}

    def _exchange(self, deadline: float | None) -> None:
        """Move input and output until the command has ended."""
        while True:
            self._send_pieces()
            with self._condition:
                left = None if deadline is None else deadline - time.monotonic()
                if not self._condition.wait_for(self._news, left):
                    raise TimeoutError
                count = 0
                overflows = False
                for name, arrived in self._arrived.items():
                    count += sum(map(len, arrived))
                    overflows |= not self._keep(name, arrived)
                    arrived.clear()
                if overflows and not self._overflowing:
                    raise BufferError("the command printed more than it may and was killed")
                if self._ended():
                    self._status()
                    return
            if count:
                self._consume(count)
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError

    def _keep(self, name: str, arrived: Iterable[bytes]) -> bool:
        """Keep what there is room for; return whether that was all."""
        for data in arrived:
            if self._room is None:
                self._kept[name] += data
                continue
            self._kept[name] += data[: self._room]
            if len(data) > self._room:
                self._room = 0
                return False
            self._room -= len(data)
        return True

    def _take(self, name: str) -> bytes:
        """Hand out what was kept of a stream; it may be large, and is not kept any longer."""
        kept, self._kept[name] = self._kept[name], bytearray()
        return bytes(kept)

    def _news(self) -> bool:
        return self._ended() or any(self._arrived.values()) or self._may_send()

    def _may_send(self) -> bool:
        if self._unsent is None or self._input_closed or self._input_refused:
            return False
        return self._under_way < (INPUT_PIECES if self._unsent else 1)

    def _send_pieces(self) -> None:
        while True:
            with self._condition:
                if not self._may_send() or self._unsent is None or self._ended():
                    return
                piece = self._unsent[:INPUT_PIECE_BYTES]
                if not piece:
                    break
                self._unsent = self._unsent[INPUT_PIECE_BYTES:]
                self._under_way += 1
            self._client._request("write", self._input(piece), self._taken)
        self.close_stdin()

    def _taken(self, result: Any) -> None:
        with self._condition:
            self._under_way -= 1
            if isinstance(result, AgentError):
                # A command may end without having read all, or any.
                self._input_refused = True
            self._condition.notify_all()


class PipeChannel:
    """The ends of an agent's pipes that are this process's.

    What the agent prints to its standard error is in a file in memory, for `stderr_tail`.

    """

    def __init__(self, stdin: IO[bytes], stdout: IO[bytes], stderr: IO[bytes]) -> None:
        self._stdin = stdin
        self._stdout = stdout
        self._stderr = stderr
        self._tail = ""
        self._closing = threading.Lock()
        self._has_reader = False

    @classmethod
    def make(cls) -> tuple[PipeChannel, tuple[IO[bytes], IO[bytes], IO[bytes]]]:
        """Return a channel, and what is to be the agent's stdin, stdout and stderr."""
        # Files and no numbers, so that nothing stays open after an interrupt.
        stdin, our_stdin = _pipe()
        our_stdout, stdout = _pipe()
        # In memory: a machine's disks may be full, or not for writing.
        stderr = os.fdopen(os.memfd_create("stderr"), "w+b")
        other = os.fdopen(os.dup(stderr.fileno()), "wb", 0)
        return cls(our_stdin, our_stdout, stderr), (stdin, stdout, other)

    def read(self, n: int, /) -> bytes:
        with self._closing:
            if self._stdout.closed:
                return b""
            self._has_reader = True
        data = self._stdout.read(n)
        if not data:
            with self._closing:
                if not self._stdout.closed:
                    self._stdout.close()
        return data or b""

    def write(self, data: bytes, /) -> None:
        view = memoryview(data)
        while view:
            view = view[self._stdin.write(view) or 0 :]

    def stderr_tail(self) -> str:
        """Return the last 4 kB that the agent printed to its standard error."""
        # The reader asks for it while whoever closes the line may close the file.
        with self._closing:
            if not self._stderr.closed:
                size = self._stderr.seek(0, 2)
                self._stderr.seek(max(0, size - 4096))
                self._tail = self._stderr.read().decode("utf-8", "replace")
        return self._tail

    def forget(self) -> None:
        """Close a fork's copies of these pipes; the agent is none of its own."""
        self._stdin.close()
        self._stdout.close()

    def close(self) -> None:
        """Close the agent's stdin, which is its end."""
        self.stderr_tail()
        with contextlib.suppress(BrokenPipeError):
            self._stdin.close()
        self._wait()
        with self._closing:
            # Else the reader closes it, which must not lose its descriptor.
            if not self._has_reader:
                self._stdout.close()
            self._stderr.close()

    def _wait(self) -> None:
        """Wait until the agent has ended, where that is a child of this process."""


def _pipe() -> tuple[IO[bytes], IO[bytes]]:
    reader, writer = os.pipe()
    return os.fdopen(reader, "rb", 0), os.fdopen(writer, "wb", 0)


class SubprocessChannel(PipeChannel):
    """An agent as a child process of this one: ``argv`` starts it.

    It has a session of its own, which no Ctrl-C reaches.

    """

    def __init__(self, argv: Sequence[str]) -> None:
        stderr = os.fdopen(os.memfd_create("stderr"), "w+b")
        try:
            self._process = start_child(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                bufsize=0,
                start_new_session=True,
            )
        except BaseException:
            stderr.close()
            raise
        assert self._process.stdin is not None and self._process.stdout is not None
        super().__init__(self._process.stdin, self._process.stdout, stderr)

    @property
    def pid(self) -> int:
        """The process id of what was started."""
        return self._process.pid

    def forget(self) -> None:
        super().forget()
        self._process.returncode = 0

    def _wait(self) -> None:
        try:
            self._process.wait(KILL_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
