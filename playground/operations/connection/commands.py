"""Commands on a node: `run` one to its end, or `start` one that goes on."""

from __future__ import annotations

import codecs
import errno
import os
import signal as signals
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self, TypedDict, Unpack

from playground.errors import (
    AgentError,
    AgentGone,
    BadArgument,
    CommandFailed,
    CommandTimeout,
    NodeDied,
    NotReady,
    NotRunning,
    TooMuchOutput,
    show_in_one_line,
)
from playground.model.arguments import (
    LONGEST_S,
    check_seconds,
    is_number,
    is_whole,
    shown,
    tells_wrong_calls,
)
from playground.model.uncopyable import Single
from playground.operations.connection.client import AgentProcess
from playground.operations.connection.command_results import Result, command_text, failure_sentence
from playground.operations.connection.handles import Node

Command = str | Sequence[str]


class Surroundings(TypedDict, total=False):
    """The surroundings of a command: variables added, its directory, whose rights it has."""

    env: Mapping[str, str] | None
    cwd: str | None
    user: str | None


# How long a killed command may take to be gone: the kernel needs milliseconds,
# a machine with more labs than cores perhaps a second.
_KILL_LIMIT_S = 10.0

# Of a job that somebody has ended.
_TOLD_TO_END = (-signals.SIGTERM, -signals.SIGKILL, -signals.SIGINT)

# How much of what it printed an error shows.
_LAST_LINES = 10

# The most that a command may print on both streams, unless a caller says otherwise: more
# than anybody reads, and as text and bytes little of a machine's memory.
OUTPUT_LIMIT_MB = 64.0


def run(
    node: Node,
    command: Command,
    *,
    check: bool = True,
    timeout_s: float | None = 30,
    input: str | bytes | None = None,  # noqa: A002 - as subprocess has it
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    user: str | None = None,
    output_limit_mb: float | None = OUTPUT_LIMIT_MB,
) -> Result:
    r"""Run a command to its end and return its `Result`.

    Text is a line for ``sh -c``, with pipes and ``$VARIABLES``; a list is
    executed as it is, without a shell::

        h1.run("ip route | grep default").stdout
        h1.run(["grep", "two words", "/etc/motd"], check=False).returncode

    The command has the node's own environment with ``env`` added, starts
    in the node's working directory or in ``cwd``, and runs as root or as
    ``user``.  ``input`` is what it reads; without it there is nothing to
    read.  Its two output streams are kept apart.

    Raises `CommandFailed`, which holds the `Result`, when the exit status
    is not zero, unless ``check=False``; a command that is not there has the
    status 127.  Raises `CommandTimeout` after ``timeout_s`` seconds
    (``None``: no limit): the command and all that it started was killed
    then, and what it had printed is in the error's ``result``; likewise
    `TooMuchOutput` when it printed more than ``output_limit_mb`` on both
    streams together, of which the beginning is kept.  Raises
    `NodeDied` when the node's container has ended.

    Processes that it leaves in the background (a daemon, ``server &``) go on after it, as at
    a terminal, until they or the lab end, or ``h1.kill_background()`` ends them; the
    ``processes`` of a `Host` limit their number.

    """
    return run_shown(
        node,
        command,
        command,
        check=check,
        timeout_s=timeout_s,
        input=input,
        output_limit_mb=output_limit_mb,
        env=env,
        cwd=cwd,
        user=user,
    )


def run_shown(
    node: Node,
    command: Command,
    shown: Command,
    *,
    check: bool,
    timeout_s: float | None = 30,
    input: str | bytes | None = None,  # noqa: A002 - as subprocess has it
    output_limit_mb: float | None = OUTPUT_LIMIT_MB,
    **surroundings: Unpack[Surroundings],
) -> Result:
    """Run a command as `run` does; its result and its errors show it as ``shown``."""
    check_seconds("timeout_s", timeout_s)
    limit_bytes = megabytes("output_limit_mb", output_limit_mb)
    data = _input(input)
    deadline = time_limit(timeout_s)
    try:
        process = _spawn(
            node,
            command,
            stdin=data is not None,
            limit_s=timeout_s,
            shown=shown,
            **surroundings,
        )
    except _NoSuchCommand as missing:
        result = Result.from_bytes(shown, missing.returncode, b"", str(missing).encode())
        return _checked(node, result) if check else result
    try:
        stdout, stderr = process.communicate(data, time_left(deadline), limit_bytes)
    except TimeoutError:
        raise _timed_out(node, shown, process, timeout_s) from None
    except BufferError:
        raise _too_much(node, shown, process, output_limit_mb) from None
    except AgentGone:
        raise
    except BaseException as error:  # Ctrl-C too: what was started here does not outlive us
        end_by(error, process, node)
        raise
    result = Result.from_bytes(shown, process.wait(0), stdout, stderr)
    if result.returncode == -signals.SIGKILL:
        ensure_alive(node)
    return _checked(node, result) if check else result


def _checked(node: Node, result: Result) -> Result:
    if result.returncode != 0:
        raise CommandFailed(failure(node, result), result)
    return result


def failure(node: Node, result: Result) -> str:
    """Say how a command ended that failed, and what the node's limits may have to do with it."""
    live = None
    with suppress(NotRunning):  # stopped meanwhile
        live = node.running()
    return failure_sentence(
        node.name,
        result,
        memory_mb=live.plan.limits.memory_mb if live and live.plan else None,
        own_programs=live is None or live.own_programs,
        strange=live is not None and live.strange,
    )


def _timed_out(
    node: Node, command: Command, process: AgentProcess, timeout_s: float | None
) -> CommandTimeout:
    stdout = stderr = b""
    kill(process)
    # If even that takes longer, it hangs inside the kernel.
    with suppress(TimeoutError):
        stdout, stderr = process.communicate(None, _KILL_LIMIT_S)
    result = Result.from_bytes(command, -signals.SIGKILL, stdout, stderr)
    return CommandTimeout(
        f"{command_text(command)!r} on {node.name} had not ended after {timeout_s:g} s "
        "and was killed; allow it more with timeout_s=...",
        result,
    )


def _too_much(
    node: Node, command: Command, process: AgentProcess, limit_mb: float | None
) -> TooMuchOutput:
    stdout = stderr = b""
    with suppress(TimeoutError):
        stdout, stderr = process.communicate(None, _KILL_LIMIT_S)
    return TooMuchOutput(
        f"{command_text(command)!r} on {node.name} printed more than {limit_mb:g} MB and was "
        "killed; let it print into a file, or allow it more with output_limit_mb=...",
        Result.from_bytes(command, -signals.SIGKILL, stdout, stderr),
    )


def _late(node: Node, command: Command, limit_s: float | None) -> CommandTimeout:
    within = "" if limit_s is None else f" within {limit_s:g} s"
    return CommandTimeout(
        f"{command_text(command)!r} could not begin{within} and was given up: the machine may be "
        f"overloaded, or something on {node.name} stops all that starts there",
        Result.from_bytes(command, -signals.SIGKILL, b"", b""),
    )


def kill(process: AgentProcess) -> None:
    """Kill a process and all that it started, if it still runs."""
    with suppress(AgentError):  # the lab is down, and the process with it
        process.signal(signals.SIGKILL)


def end_by(error: BaseException, process: AgentProcess, node: Node) -> None:
    """Kill a process because of an error, an interrupt perhaps."""
    kill(process)
    show_in_one_line(error, f"what ran on {node.name} was ended")


class _NoSuchCommand(Exception):
    """A command could not be exec'd; str() is what a shell would print."""

    def __init__(self, message: str, returncode: int) -> None:
        super().__init__(message)
        self.returncode = returncode


def _spawn(
    node: Node,
    command: Command,
    *,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    user: str | None = None,
    stdin: bool = False,
    tty: tuple[int, int] | None = None,
    limit_s: float | None = None,
    shown: Command | None = None,
) -> AgentProcess:
    """Start a command and return its `AgentProcess`; ``str`` goes through sh."""
    live = node.running()
    argv = _argv(command)
    added = _environment(env)
    folder = None if cwd is None else _text("cwd", cwd, "the path of a directory on the host")
    name = None if user is None else _text("user", user, "a user's name, such as 'student'")
    try:
        return live.agent.spawn(
            live.pid,
            argv,
            env={**live.env, **added} or None,
            cwd=folder,
            user=name,
            stdin=stdin,
            tty=tty,
            limit_s=limit_s,
        )
    except AgentGone:
        raise
    except AgentError as error:
        if error.errno == errno.ETIMEDOUT:
            raise _late(node, command if shown is None else shown, limit_s) from error
        if error.errno == errno.ESRCH:
            raise died(node) from error
        if any(given is not None and repr(given) in str(error) for given in (cwd, user)):
            raise BadArgument(f"{command_text(command)!r} on {node.name}: {error}") from error
        if error.errno == errno.ENOENT and (live.strange or not isinstance(command, str)):
            # 127 and 126: POSIX.1-2017, Shell Command Language, 2.8.2.
            raise _NoSuchCommand(f"{argv[0]}: not found\n", 127) from error
        if error.errno == errno.EAGAIN:
            raise AgentError(
                f"{command_text(command)!r} could not begin on {node.name}, which has as many "
                f"processes as it may have: {node.name}.kill_background() ends what commands have "
                "left there, or allow it more with processes=",
                error.op,
                error.errno,
            ) from error
        if error.errno == errno.EACCES:
            raise _NoSuchCommand(f"{argv[0]}: permission denied\n", 126) from error
        raise


def start_process(
    node: Node,
    command: Command,
    *,
    stdin: bool = False,
    tty: tuple[int, int] | None = None,
    **surroundings: Unpack[Surroundings],
) -> AgentProcess:
    """Start a command, or raise `CommandFailed` when there is no such command."""
    try:
        return _spawn(node, command, stdin=stdin, tty=tty, **surroundings)
    except _NoSuchCommand as missing:
        result = Result.from_bytes(command, missing.returncode, b"", str(missing).encode())
        raise CommandFailed(failure(node, result), result) from None


def _argv(command: Command) -> list[str]:
    if isinstance(command, str):
        argv = ["/bin/sh", "-c", command] if command.strip() else []
    elif not isinstance(command, (list, tuple)) or not all(
        isinstance(part, (str, os.PathLike)) for part in command
    ):
        raise BadArgument(
            f"a command is text or a list of texts, not {command!r}: "
            "turn each number into text with str() first"
        )
    else:
        argv = [os.fspath(part) for part in command]
    if not argv or not argv[0]:
        raise BadArgument("the command is empty: give one, such as 'ip route'")
    return [_text("a command", part, "text") for part in argv]


def megabytes(name: str, value: object) -> int | None:
    """Return a limit in bytes; refuse what is no size in MB above zero, or None for none."""
    if value is None:
        return None
    if not is_number(value, 0, 1e9) or not value:
        raise BadArgument(
            f"{name}={shown(value)} is no number of megabytes above zero; "
            f"write for example {name}=500"
        )
    return round(value * 1e6)


def _check_wait(timeout_s: object) -> None:
    """Refuse what is no time to wait: a number, 0 for a look, or None for no limit."""
    if timeout_s is not None and not is_number(timeout_s, 0, LONGEST_S):
        raise BadArgument(
            f"timeout_s={shown(timeout_s)} is no number of seconds; write timeout_s=5"
        )


def _input(value: object) -> bytes | None:
    return None if value is None else as_bytes("input", value)


def as_bytes(name: str, value: object) -> bytes:
    """Return text or bytes as bytes, or raise `BadArgument`."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if not isinstance(value, str):
        raise BadArgument(f"{name} is text or bytes, not {value!r}: turn it into text with str()")
    try:
        # surrogateescape: what `read` could not decode goes back as it was.
        return value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise BadArgument(f"{name} cannot be written as UTF-8: {value!r:.200}") from None


def _environment(env: object) -> dict[str, str]:
    if env is None:
        return {}
    if not isinstance(env, Mapping):
        raise BadArgument(f"env={env!r} is no mapping: write for example env={{'LANG': 'C'}}")
    checked = {}
    for name, value in env.items():
        if not isinstance(name, str) or not name or "=" in name:
            raise BadArgument(f"{name!r} cannot be the name of an environment variable")
        checked[_text("a name in env", name, "text")] = _text(f"env[{name!r}]", value, "text")
    return checked


def _text(name: str, value: object, meaning: str) -> str:
    """Return text as the system takes it; a path is as good."""
    text = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(text, str):
        raise BadArgument(f"{name} is {meaning}, not {value!r}")
    if "\0" in text:
        raise BadArgument(f"{name} cannot hold a NUL byte: give such data as input=...")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadArgument(f"{name} cannot be written as UTF-8: {text!r}") from None
    return text


def ensure_alive(node: Node) -> None:
    """Raise `NodeDied` if the node's container has ended by itself.

    For use after something on it was killed; takes 0.2 s where all is well.

    """
    live = node.running()
    # Where a container ends, its processes are gone before it is seen to be.
    for _ in range(10):
        try:
            live.agent.spawn(live.pid, ["/bin/true"]).wait(_KILL_LIMIT_S)
        except AgentGone:
            raise
        except AgentError as error:
            if error.errno == errno.ESRCH:
                raise died(node) from error
        except TimeoutError:
            pass
        time.sleep(0.02)


def died(node: Node) -> NodeDied:
    """Return the error that says that a node's first process has ended."""
    return NodeDied(
        f"{node.name} has died: its first process ended; lab.stop() and lab.start() bring the lab "
        "back"
    )


@tells_wrong_calls
class Lines:
    """One stream of a `Job`, read line by line as the lines come.

    Iterating gives each line as text without its newline, and ends when the
    stream does; it waits as long as the command goes on.  Bytes that are not
    UTF-8 come as U+FFFD.  A line of more than 64 MB comes in pieces.

    """

    def __init__(self, job: Job, stream: str) -> None:
        self._job = job
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._lines: deque[str] = deque()
        self._begun: list[str] = []  # pieces of a line whose end has not come yet
        self._ended = False
        self._characters = 0  # of lines and pieces, unread
        # Any thread may read, but one at a time asks the process for more.
        self._changed = threading.Condition()
        self._reading = False

    def __repr__(self) -> str:
        return f"<{self._stream} of {command_text(self._job.args)!r} on {self._job.node}>"

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._line(None)
        if line is None:
            raise StopIteration
        return line

    def readline(self, timeout_s: float | None = 30) -> str | None:
        """Return the next line without its newline, ``None`` at the end.

        Raises `NotReady` when no whole line came in time; what had come of it
        is not lost.

        """
        _check_wait(timeout_s)
        try:
            return self._line(timeout_s)
        except TimeoutError:
            raise NotReady(
                f"{command_text(self._job.args)!r} on {self._job.node} printed no line "
                f"on {self._stream} within {timeout_s:g} s"
            ) from None

    def read(self, timeout_s: float | None = 30) -> str:
        """Return all the rest as one text, once the stream has ended.

        Raises `NotReady` when it did not end in time; nothing is lost then.

        """
        deadline = time_limit(timeout_s)
        try:
            while not self._ended:
                if self._is_full():
                    raise NotReady(
                        f"{self._stream} of {command_text(self._job.args)!r} on {self._job.node} "
                        f"has more than {OUTPUT_LIMIT_MB:g} MB, and goes on: read it line by line"
                    )
                self._fill(deadline)
        except TimeoutError:
            raise NotReady(
                f"{self._stream} of {command_text(self._job.args)!r} on {self._job.node} "
                f"had not ended after {timeout_s:g} s"
            ) from None
        with self._changed:
            text = "".join([line + "\n" for line in self._lines] + self._begun)
            self._lines.clear()
            self._begun.clear()
            self._characters = 0
            return text

    def waiting(self) -> list[str]:
        """Return the lines that nobody has read yet of a command that has ended."""
        with suppress(TimeoutError, AgentError):
            deadline = time_limit(_KILL_LIMIT_S)
            while not self._ended and not self._is_full():
                self._fill(deadline)
        with self._changed:
            return [*self._lines, *filter(None, ["".join(self._begun)])]

    def _line(self, timeout_s: float | None) -> str | None:
        deadline = time_limit(timeout_s)
        while True:
            with self._changed:
                if self._lines:
                    line = self._lines.popleft()
                    self._characters -= len(line) + 1
                    return line
                if self._ended or self._is_full():
                    # A line without an end comes in pieces.
                    line = "".join(self._begun)
                    self._begun.clear()
                    self._characters = 0
                    return line or None
            self._fill(deadline)

    def _fill(self, deadline: float | None) -> None:
        """Wait until more has come or the stream has ended."""
        with self._changed:
            if self._ended:
                return
            if self._reading:
                if not self._changed.wait(time_left(deadline)):
                    raise TimeoutError
                return
            self._reading = True
        data = None
        try:
            data = self._job._read(self._stream, time_left(deadline))
        finally:
            with self._changed:
                self._reading = False
                if data is not None:
                    self._add(self._decoder.decode(data, final=not data))
                    self._ended = not data
                self._changed.notify_all()

    def _is_full(self) -> bool:
        return self._characters > OUTPUT_LIMIT_MB * 1e6

    def _add(self, text: str) -> None:
        self._characters += len(text)
        first, *more = text.split("\n")
        self._begun.append(first)
        if more:
            self._lines.append("".join(self._begun))
            self._lines.extend(more[:-1])
            self._begun = [more[-1]]

    def _drain(self) -> None:
        """Keep what comes until the stream ends, so that its writer does not wait.

        Of one that nobody reads no more than a limit: then its writer waits.

        """
        try:
            while not self._ended:
                if self._is_full() and self._job.poll() is None:
                    time.sleep(0.1)
                    continue
                self._fill(None)
        except AgentError:
            with self._changed:
                self._ended = True
                self._changed.notify_all()


def time_limit(timeout_s: float | None) -> float | None:
    """Return the moment, by `time.monotonic`, at which so many seconds are over."""
    return None if timeout_s is None else time.monotonic() + timeout_s


def time_left(deadline: float | None) -> float | None:
    """Return the seconds to such a moment, 0 when it is past."""
    return None if deadline is None else max(0.0, deadline - time.monotonic())


@tells_wrong_calls
class Job(Single):
    """A command that goes on while you do something else.

    ``stdout`` and ``stderr`` are iterated for lines as they come.  A ``with``
    block ends the command when it is left::

        with h1.start("tcpdump -n -i eth0 -l") as tcpdump:
            h1.ping("www")
            print(tcpdump.stdout.readline())

    ``args`` is the command as given, ``node`` the name of where it runs.

    """

    def __init__(self, node: Node, args: Command, process: AgentProcess) -> None:
        self.args = args if isinstance(args, str) else tuple(args)
        self.node = node.name
        self.stdout = Lines(self, "stdout")
        self.stderr = Lines(self, "stderr")
        self._process = process
        self._returncode: int | None = None
        self._drains: list[threading.Thread] = []

    def __repr__(self) -> str:
        returncode = self.returncode
        state = "running" if returncode is None else f"ended, returncode={returncode}"
        return f"<Job {command_text(self.args)!r} on {self.node}: {state}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def returncode(self) -> int | None:
        """The exit status, ``-N`` after signal N, ``None`` while it runs."""
        return self.poll()

    def poll(self) -> int | None:
        """Return the exit status, or ``None`` while the command runs."""
        if self._returncode is None:
            try:
                self._returncode = self._process.wait(0)
            except TimeoutError:
                return None
            except AgentGone:
                # The lab is down, and its commands with it.
                self._returncode = -signals.SIGKILL
        return self._returncode

    def wait(self, timeout_s: float | None = 30) -> int:
        """Wait for the command to end by itself and return its exit status.

        What it prints meanwhile is kept for ``stdout`` and ``stderr``, up to 64 MB
        of each that nobody reads; then it waits for a reader.  Raises `NotReady`
        after ``timeout_s`` seconds; the command goes on then.

        """
        _check_wait(timeout_s)
        if self._returncode is None:
            self._drain()
            try:
                self._returncode = self._process.wait(timeout_s)
            except KeyboardInterrupt as error:
                show_in_one_line(error, f"{command_text(self.args)!r} on {self.node} goes on")
                raise
            except TimeoutError:
                full = [name for name in ("stdout", "stderr") if getattr(self, name)._is_full()]
                waits = (
                    f"; it waits until somebody reads job.{full[0]}, which has more than "
                    f"{OUTPUT_LIMIT_MB:g} MB"
                    if full
                    else ""
                )
                raise NotReady(
                    f"{command_text(self.args)!r} on {self.node} had not ended after "
                    f"{timeout_s:g} s; it goes on: job.terminate() ends it{waits}"
                ) from None
        return self._returncode

    def _drain(self) -> None:
        # A command whose pipe is full waits for its reader, and we would wait
        # for the command: so somebody reads.
        if not self._drains:
            for stream in (self.stdout, self.stderr):
                thread = threading.Thread(target=stream._drain, daemon=True)
                thread.start()
                self._drains.append(thread)

    def _read(self, stream: str, timeout_s: float | None) -> bytes:
        if stream == "stdout":
            return self._process.read_stdout(timeout_s)
        return self._process.read_stderr(timeout_s)

    def write(self, data: str | bytes, timeout_s: float | None = 60) -> None:
        """Send text or bytes to the command's input, and wait until it took them.

        Raises `AgentError` when it reads no more, `NotReady` when it has not read them
        after ``timeout_s`` seconds.

        """
        check_seconds("timeout_s", timeout_s)
        try:
            self._process.write(as_bytes("what a command is sent", data), timeout_s)
        except AgentGone:
            raise
        except AgentError as error:
            raise AgentError(f"{error}{self.last_words()}", error.op, error.errno) from None
        except TimeoutError:
            raise NotReady(
                f"{command_text(self.args)!r} on {self.node} had not read its input after "
                f"{timeout_s:g} s; what it has not read still waits for it"
            ) from None

    def last_words(self) -> str:
        """Return how a command failed, and what it printed last to stderr, as lines; else "".

        Nothing of that is taken from ``stderr``.

        """
        returncode = self.poll()
        if returncode is None or returncode in (0, *_TOLD_TO_END):
            return ""
        lines = self.stderr.waiting()[-_LAST_LINES:]
        sentence = failure_sentence(self.node, Result.from_bytes(self.args, returncode, b"", b""))
        return "".join(f"\n{line}" for line in (sentence, *(f"    {line}" for line in lines)))

    def close_stdin(self) -> None:
        """End the command's input, as Ctrl-D does."""
        self._process.close_stdin()

    def signal(self, signum: int) -> None:
        """Send a signal to the command and all that it started.

        Nothing happens when it has ended already.

        """
        # signal(7): 0 only asks whether there is such a process, 64 is the last.
        if not is_whole(signum, 1, 64):
            raise BadArgument(f"{shown(signum)} is no signal; write for example signal.SIGUSR1")
        if self.poll() is None:
            try:
                self._process.signal(int(signum))
            except AgentError:
                if self.poll() is None:
                    raise

    def interrupt(self) -> None:
        """Send SIGINT, as Ctrl-C does."""
        self.signal(signals.SIGINT)

    def terminate(self) -> None:
        """Send SIGTERM, the polite way to end a program; see also `wait`."""
        self.signal(signals.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL, which no program can ignore."""
        self.signal(signals.SIGKILL)

    def stop(self, timeout_s: float = 2) -> int:
        """End the command, politely at first, and return its exit status.

        After ``timeout_s`` seconds it is killed.  Does nothing to a command
        that has ended.

        """
        self.terminate()
        try:
            return self.wait(timeout_s)
        except NotReady:
            self.kill()
            return self.wait(_KILL_LIMIT_S)


def start(
    node: Node,
    command: Command,
    *,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    user: str | None = None,
) -> Job:
    """Start a command that goes on, and return its `Job`.

    The command runs when this returns.  ``job.stdout`` and ``job.stderr``
    give lines as they come::

        with www.start("tail -f /var/log/nginx/access.log") as log:
            h1.run("curl -s http://www.example.com/")
            print(log.stdout.readline())

    The end of the ``with`` block ends the command; without a block,
    ``job.stop()`` or the end of the lab does.  Raises `CommandFailed` when
    a command given as a list is not there.

    """
    process = start_process(node, command, env=env, cwd=cwd, user=user, stdin=True)
    job = Job(node, command, process)
    node.running().jobs.append(job)
    return job


def failed_jobs(node: Node) -> str:
    """Return the last words of what was started on a node and has failed since, as lines."""
    with suppress(NotRunning):
        return "".join(job.last_words() for job in node.running().jobs)
    return ""
