"""Python on a node: a script (`python`), or one function (`call`).

A node's python3 may be another version than ours, so a function crosses as
source text (`nodes.call_source`), and values cross as `nodes.call_remote`
encodes them, in both directions.

"""

from __future__ import annotations

import contextlib
import functools
import json
import linecache
import os
import signal as signals
import sys
import time
from codecs import getincrementaldecoder
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO

from playground.display.safe_text import visible
from playground.errors import (
    AgentGone,
    BadArgument,
    CallFailed,
    CommandFailed,
    CommandTimeout,
    NotReady,
    TransferFailed,
)
from playground.model.arguments import check_seconds, shown
from playground.operations.connection.client import AgentProcess
from playground.operations.connection.command_results import Result
from playground.operations.connection.commands import (
    OUTPUT_LIMIT_MB,
    as_bytes,
    end_by,
    ensure_alive,
    failure,
    kill,
    megabytes,
    run_shown,
    start_process,
    time_left,
    time_limit,
)
from playground.operations.connection.handles import Node

# Reads the far end's text and a request from standard input, to the byte: the
# rest of the input is the script's own.
_BOOTSTRAP = """\
import os
def part(size):
    data = b""
    while len(data) < size:
        more = os.read(0, size - len(data))
        if not more:
            raise SystemExit("playground: the request was cut short")
        data += more
    return data
def text():
    return part(int.from_bytes(part(8), "big"))
far = {"__name__": "far_end", "__file__": "<playground>"}
exec(compile(text(), "<playground>", "exec"), far)
far["main"](text())
"""


# How long a python3 may take to read what is to run, where nobody says it, and to end.
_READ_LIMIT_S = 60.0
_END_LIMIT_S = 10.0

# How long it may take here at least to put a value together.
_DECODE_LIMIT_S = 10.0


def python(
    node: Node,
    program: str | os.PathLike[str],
    *arguments: object,
    check: bool = True,
    timeout_s: float | None = 30,
    input: str | bytes | None = None,  # noqa: A002 - as subprocess has it
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    user: str | None = None,
    output_limit_mb: float | None = OUTPUT_LIMIT_MB,
) -> Result:
    """Run a script by the node's own python3 and return its `Result`.

    ``program`` is the path of a file here, or source text; ``arguments``
    become its ``sys.argv[1:]``, a node among them its name::

        h1.python("client.py", www, 80)
        h1.python("import socket; print(socket.gethostname())")

    The file itself stays here: nothing is left on the node, and modules
    beside it are not found there (`put` them first).  A traceback shows the
    name and the lines of the file.  The other arguments, and what is
    raised, are those of `run`; `TransferFailed` when there is no such file.

    """
    name, source = _script(program)
    words = [item.name if isinstance(item, Node) else str(item) for item in arguments]
    request = {"kind": "script", "name": name, "source": source, "arguments": words}
    data = b"" if input is None else as_bytes("input", input)
    return run_shown(
        node,
        ["python3", "-c", _BOOTSTRAP],
        ("python3", name, *words),
        check=check,
        timeout_s=timeout_s,
        input=_prelude(request) + data,
        env=env,
        cwd=cwd,
        user=user,
        output_limit_mb=output_limit_mb,
    )


def start_cell(
    node: Node, source: str, *, cwd: str | None = None, user: str | None = None
) -> AgentProcess:
    """Start what a notebook's cell holds by the node's python3; what it prints comes at once."""
    request = {
        "kind": "script",
        "name": "<cell>",
        "source": source,
        "arguments": [],
        "shows_last": True,
    }
    process = start_process(
        node,
        ["python3", "-c", _BOOTSTRAP],
        stdin=True,
        env={"PYTHONUNBUFFERED": "1"},
        cwd=cwd,
        user=user,
    )
    try:
        process.write(_prelude(request), _READ_LIMIT_S)
        process.close_stdin()
    except TimeoutError:
        kill(process)
        raise NotReady(
            f"python3 on {node.name} had not read the cell after {_READ_LIMIT_S:g} s and was killed"
        ) from None
    except BaseException:
        kill(process)
        raise
    return process


def _script(program: str | os.PathLike[str]) -> tuple[str, str]:
    """Return the name and the text of a script given by its path, or as text."""
    if not isinstance(program, (str, os.PathLike)):
        raise BadArgument(
            f"python() takes the path of a script, or its source as text, not {program!r}"
        )
    text = os.fspath(program)
    is_source = isinstance(program, str) and ("\n" in text or not text.endswith(".py"))
    path = Path(text)
    if "\0" in text:
        raise BadArgument("python() was given text with a null byte, which no script has")
    try:
        if not is_source or ("\n" not in text and path.is_file()):
            return text, path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise TransferFailed(
            f"there is no file {text!r} here (in {Path.cwd()}): "
            "give the path of a script, or its source as text"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise TransferFailed(f"the script {text!r} cannot be read: {error}") from error
    return "<script>", text


def _prelude(request: dict[str, Any]) -> bytes:
    parts = (_far_end_text(), json.dumps(request).encode("ascii"))
    return b"".join(len(part).to_bytes(8, "big") + part for part in parts)


@functools.cache
def _far_end_text() -> bytes:
    from playground.operations.nodes import call_remote

    # It asks the module's loader where there is no such file, as in a zip file.
    return "".join(linecache.getlines(call_remote.__file__, vars(call_remote))).encode()


def call(
    node: Node,
    function: Callable[..., Any],
    /,
    *args: Any,
    call_timeout_s: float | None = 60,
    call_result_limit_mb: float | None = 32,
    **kwargs: Any,
) -> Any:
    """Call a function on the node: its value comes back, its exception is raised here.

    ::

        def fetch(host, port=80):
            with socket.create_connection((host, port)) as connection:
                connection.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
                return connection.recv(1000)

        h1.call(fetch, "www", port=80)

    The function crosses as source: any ``def`` or ``lambda`` of a file or
    of a notebook's cell, ``async`` too, without decorators.  What it uses
    of its surroundings crosses with it: imported modules are imported
    there, other functions follow, variables go by value.  Arguments, values
    and results are plain data: numbers, text, bytes, lists, tuples, sets,
    dicts, dates, decimals, addresses, paths, exceptions; a node among the
    arguments arrives as its name.  What the function prints is shown here
    as it comes.

    An exception of Python's own library is raised here as it was there,
    with the node's traceback as a note; any other as `CallFailed`.  Raises
    `BadArgument` for what cannot cross, before anything runs, `CallFailed`
    for a result that cannot or that takes more than ``call_result_limit_mb`` on
    its way, and `CommandTimeout` after ``call_timeout_s`` seconds.

    """
    from playground.operations.nodes.call_source import Shipment

    check_seconds("call_timeout_s", call_timeout_s)
    limit_bytes = megabytes("call_result_limit_mb", call_result_limit_mb)
    while isinstance(function, functools.partial):
        args, kwargs = (*function.args, *args), {**function.keywords, **kwargs}
        function = function.func
    if not callable(function):
        raise BadArgument(
            f"call() takes a function, and {shown(function)} is none; for text use python()"
        )
    title = f"{getattr(function, '__name__', 'function')}()"
    shipment = Shipment()
    start = shipment.item(function, title)
    if start[0] == "value":
        raise BadArgument(f"call() takes a function, and {function!r} is none")
    request = {
        "kind": "call",
        "start": start,
        "args": [
            shipment.item(_named(value), f"argument {number} of {title}")
            for number, value in enumerate(args, 1)
        ],
        "kwargs": {
            name: shipment.item(_named(value), f"the argument {name!r} of {title}")
            for name, value in kwargs.items()
        },
        "functions": shipment.functions,
    }
    process = start_process(node, ["python3", "-c", _BOOTSTRAP], stdin=True)
    deadline = time_limit(call_timeout_s)
    conversation = _Conversation(process, deadline, limit_bytes)
    try:
        process.write(_prelude(request), time_left(deadline))
        process.close_stdin()
        outcome = conversation.outcome()
    except BufferError:
        kill(process)
        raise CallFailed(
            f"{title} on {node.name} sent back more than {call_result_limit_mb:g} MB; allow it "
            "more with call_result_limit_mb=..., or write it to a file there and get() that"
        ) from None
    except TimeoutError:
        kill(process)
        raise CommandTimeout(
            f"{title} on {node.name} had not returned after {call_timeout_s:g} s and was killed; "
            "allow it more with call_timeout_s=...",
            Result.from_bytes(title, -signals.SIGKILL, *conversation.printed),
        ) from None
    except AgentGone:
        raise
    except BaseException as error:
        end_by(error, process, node)
        raise
    if outcome is None:
        raise _ended_early(node, title, process)
    return _delivered(node, title, outcome, deadline)


def _named(value: Any) -> Any:
    """A node crosses as its name, which the other nodes can use."""
    return value.name if isinstance(value, Node) else value


class _Conversation:
    """The frames that `far_end` sends while a function runs."""

    def __init__(
        self, process: AgentProcess, deadline: float | None, limit_bytes: int | None
    ) -> None:
        self._process = process
        self._deadline = deadline
        self._limit_bytes = limit_bytes
        self._buffer = bytearray()
        self._streams = {"o": StreamCopy(sys.stdout), "e": StreamCopy(sys.stderr)}

    @property
    def printed(self) -> tuple[bytes, bytes]:
        return bytes(self._streams["o"].seen), bytes(self._streams["e"].seen)

    def outcome(self) -> bytes | None:
        """Show what is printed until the outcome comes; ``None`` if none does."""
        while True:
            head = self._take(5)
            size = 0 if head is None else int.from_bytes(head[1:], "big")
            if self._limit_bytes is not None and size > self._limit_bytes:
                raise BufferError
            body = head and self._take(size)
            if head is None or body is None:
                return None
            if head[:1] == b"r":
                return body
            stream = self._streams.get(head[:1].decode("latin-1"))
            if stream is None:
                return None
            stream.write(body)

    def _take(self, size: int) -> bytes | None:
        while len(self._buffer) < size:
            left = time_left(self._deadline)
            if left is not None and left <= 0:
                raise TimeoutError
            data = self._process.read_stdout(left)
            if not data:
                return None
            self._buffer += data
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken


# Of what a function prints, so much is kept for the error of one that hangs.
_KEPT_BYTES = 1 << 20


class StreamCopy:
    """Shows bytes on a text stream of ours, and keeps the last of them.

    A terminal, which would obey them, gets control characters made visible; a file, a pipe and
    a notebook get what came.

    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._decoder = getincrementaldecoder("utf-8")("replace")
        self._at_terminal = stream.isatty()
        self._held = ""  # a carriage return, until it is known what follows
        self.seen = bytearray()

    def write(self, data: bytes) -> None:
        """Show what came, or, where it is empty, what was held back until the end."""
        self.seen += data
        del self.seen[:-_KEPT_BYTES]
        text = self._held + self._decoder.decode(data)
        self._held = ""
        if self._at_terminal:
            if data and text.endswith("\r"):
                text, self._held = text[:-1], "\r"
            text = visible(text)
        self._stream.write(text)
        self._stream.flush()


def _ended_early(node: Node, title: str, process: AgentProcess) -> Exception:
    kill(process)
    stdout = stderr = b""
    returncode = -signals.SIGKILL
    with contextlib.suppress(TimeoutError):
        with contextlib.suppress(BufferError):
            process.communicate(None, _END_LIMIT_S, _KEPT_BYTES)
        stdout, stderr = process.communicate(None, _END_LIMIT_S)
        returncode = process.wait(_END_LIMIT_S)
    if returncode == -signals.SIGKILL:
        ensure_alive(node)
    result = Result.from_bytes(("python3", title), returncode, stdout, stderr)
    if returncode == 127:
        return CommandFailed(failure(node, result), result)
    return CallFailed(
        f"python3 on {node.name} ended before {title} had returned: " + failure(node, result),
        result.stderr,
    )


def _delivered(node: Node, title: str, outcome: bytes, deadline: float | None) -> Any:
    """Return the value of an outcome, or raise its exception."""
    from playground.operations.nodes import call_remote

    # The node is not trusted: whatever it sent becomes data or a CallFailed.
    try:
        data = json.loads(outcome)
        if "value" in data:
            until = time.monotonic() + _DECODE_LIMIT_S
            return call_remote.decode(
                data["value"], until if deadline is None else max(until, deadline)
            )
        error = _failure(node, title, data)
    except Exception as problem:
        raise CallFailed(
            f"{node.name} sent back what is no value for {title}: {problem!s:.200}"
        ) from problem
    raise error


def _missing_module(node: Node) -> str:
    """Say why a host lacks what this program imports, and what to do."""
    own = node.running().own_programs
    whose = "its image's" if own else "this machine's, /usr/bin/python3 say"
    return (
        f": functions run by {node.name}'s own python3 ({whose}), which lacks what is installed "
        "in the virtual environment of this program. Install it there too (with apt-get, as "
        f"python3-NAME{'' if own else ', on this machine'}), or put() it there; or stay here, and "
        f"use the module in a block `with {node.name.partition('.')[0]}.sockets():`, whose "
        f"connections are {node.name}'s"
    )


def _failure(node: Node, title: str, data: dict[str, Any]) -> Exception:
    from playground.operations.nodes import call_remote
    from playground.operations.nodes.call_source import PLAIN_DATA

    if "unsendable" in data:
        return CallFailed(
            f"{title} on {node.name} returned what cannot cross: {data['unsendable']}; {PLAIN_DATA}"
        )
    if "ended" in data:
        code = int(data["ended"])
        how = f"signal {-code}" if code < 0 else f"exit status {code}"
        return CallFailed(
            f"{title} on {node.name} ended its process with {how} and returned nothing"
        )
    described, trace = data["error"], str(data["traceback"])
    try:
        error = call_remote.decode_exception(described)
        if type(error) is ModuleNotFoundError:
            error.msg = f"{error.msg}{_missing_module(node)}"
            error.args = (error.msg,)
        error.add_note(visible(f"It was raised on {node.name}:\n{trace.rstrip()}"))
        str(error)
        return error
    except Exception:
        return CallFailed(
            f"{title} on {node.name} raised {described['module']}.{described['name']}: "
            f"{described['text']}",
            trace,
        )
