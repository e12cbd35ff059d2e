"""Cells of a notebook that run on a host: ``%%host``.

``%load_ext playground`` brings the magics.

"""

from __future__ import annotations

import argparse
import shlex
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from queue import Queue
from typing import Any, NoReturn

from playground.errors import AgentError, PlaygroundError
from playground.lab.lab import Lab
from playground.operations.connection.client import AgentProcess
from playground.operations.connection.commands import kill, start_process
from playground.operations.network import Machine
from playground.operations.nodes import call
from playground.operations.nodes.call import StreamCopy

try:
    from IPython.core.error import UsageError
except ImportError:
    raise PlaygroundError(
        "cells and terminals on hosts are for notebooks: pip install ipykernel; "
        "in a terminal write `playground shell HOST`"
    ) from None

# Of output, under way from the host to the cell; each is at most some 100 kB.
_PIECES = 16


def load(ipython: Any) -> None:
    """Make ``%%host`` and ``%host`` known to IPython; see `playground.load_ipython_extension`."""

    def host(line: str, cell: str | None = None) -> None:
        """Run a cell on a host of a lab: shell, or with the word "python" Python.

        ::

            %%host h1
            ping -c 3 www.example.com

            %%host h1 python
            import socket
            socket.gethostname()

            %host h1 ip route

        Output is shown as it comes.  The exit status is in ``_exit_code`` afterwards;
        with --check one that is not zero is an error.  To interrupt the cell ends what
        runs on the host.

            usage: %%host [--user USER] [--cwd FOLDER] [--check] HOST [python]

        HOST is a variable, or a name in a lab that runs.

        """
        __tracebackhide__ = True  # the cell is enough to see
        run(line, cell, ipython.user_ns)

    def complete(shell: Any, event: Any) -> list[str]:
        return completions(event.line, ipython.user_ns)

    ipython.register_magic_function(host, "line_cell", "host")
    for name in ("%%host", "%host"):
        ipython.set_hook("complete_command", complete, str_key=name)


# -- Cells -------------------------------------------------------------------


def run(line: str, cell: str | None, namespace: dict[str, Any]) -> None:
    """Run what a ``%%host`` cell holds, or the rest of a ``%host`` line."""
    options = _parsed(line, cell is None)
    node = found(options.host, namespace)
    there = {"user": options.user, "cwd": options.cwd}
    if cell is not None and options.command == ["python"]:
        process = call.start_cell(node, cell, **there)
    elif cell is not None and options.command:
        raise UsageError(
            f"after the host comes 'python' or nothing, and not {' '.join(options.command)!r}: "
            "what the host is to run are the lines below"
        )
    else:
        text = " ".join(options.command) if cell is None else cell
        process = start_process(node, text, **there)
    try:
        status = show(process)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"what ran on {node.name} was ended") from None
    namespace["_exit_code"] = status
    if status != 0:
        words = f"signal {-status}" if status < 0 else f"exit status {status}"
        if options.check:
            raise UsageError(f"the cell on {node.name} ended with {words}")
        print(f"[{node.short}: {words}]", file=sys.stderr)


class _Parser(argparse.ArgumentParser):
    """One that raises what IPython shows as a line, and never exits."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"%%host [--user USER] [--cwd FOLDER] [--check] HOST [python]: {message}")


def _parsed(line: str, is_line: bool) -> argparse.Namespace:
    parser = _Parser(prog="%%host", add_help=False, allow_abbrev=False)
    parser.add_argument("--user")
    parser.add_argument("--cwd")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("host")
    # Of a line all that follows is the command's own, with its quotes.
    parser.add_argument("command", nargs=argparse.REMAINDER if is_line else "*")
    try:
        words = shlex.split(line, posix=not is_line)
    except ValueError as error:
        raise UsageError(f"%%host: {error}") from None
    return parser.parse_args(words)


def show(process: AgentProcess) -> int:
    """Show what a process prints, as it comes, to its end; return its exit status.

    An interrupt kills it, and all that it started.

    """
    # Short: what nobody has shown yet waits on the host.
    arrived: Queue[tuple[StreamCopy, bytes]] = Queue(_PIECES)
    streams = {
        process.read_stdout: StreamCopy(sys.stdout),
        process.read_stderr: StreamCopy(sys.stderr),
    }

    def read(next_bytes: Callable[[], bytes], echo: StreamCopy) -> None:
        data = b""
        try:
            while data := next_bytes():
                arrived.put((echo, data))
        except AgentError:  # the lab was stopped; `wait` says so
            pass
        finally:
            arrived.put((echo, b""))

    readers = [
        threading.Thread(target=read, args=pair, name="playground cell", daemon=True)
        for pair in streams.items()
    ]
    for reader in readers:
        reader.start()
    left = len(readers)
    try:
        while left:
            echo, data = arrived.get()
            left -= not data
            echo.write(data)
        return process.wait()
    except BaseException:
        kill(process)
        # Else the readers would wait for ever with what they hold.
        while left:
            left -= not arrived.get()[1]
        raise


# -- Hosts by name -------------------------------------------------------------


def found(name: str, namespace: Mapping[str, Any]) -> Machine:
    """Return the host that a variable holds, or that a running lab calls so."""
    value = namespace.get(name)
    if isinstance(value, Machine):
        value.running()
        return value
    fitting = [
        node for lab in _labs(namespace) for node in _machines(lab) if name.lower() in node.calls
    ]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise UsageError(
            f"{len(fitting)} labs that run have a host {name!r}: give the name of a variable "
            f"that holds the one you mean, as in x = lab[{name!r}]"
        )
    known = ", ".join(sorted({node.name for lab in _labs(namespace) for node in _machines(lab)}))
    raise UsageError(
        f"there is no host {name!r} here; those that run: {known or 'none: start a lab first'}"
    )


def host_names(namespace: Mapping[str, Any]) -> set[str]:
    """Return what the hosts of running labs are called; a variable that holds one is no name.

    A loop leaves its variable behind, and a list of hosts with ``node`` in it misleads.

    """
    return {name for lab in _labs(namespace) for node in _machines(lab) for name in _names(node)}


def completions(line: str, namespace: Mapping[str, Any]) -> list[str]:
    """Return what may follow in a line that begins with ``%%host``."""
    words = line.split()
    if line[-1:].isspace():
        words.append("")
    given = [word for word in words[1:-1] if not word.startswith("-")]
    if given:
        return ["python"] if line.startswith("%%") and len(given) == 1 else []
    return sorted(name for name in host_names(namespace) if name.startswith(words[-1]))


def _labs(namespace: Mapping[str, Any]) -> Iterable[Lab]:
    labs = {id(value): value for value in namespace.values() if isinstance(value, Lab)}
    return [lab for lab in labs.values() if lab.running]


def _machines(lab: Lab) -> Iterable[Machine]:
    return [node for node in lab.nodes if isinstance(node, Machine)]


def _names(node: Machine) -> tuple[str, str]:
    return (node.name, node.short)
