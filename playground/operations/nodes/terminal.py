"""An interactive command on a node, in the terminal that Python runs in."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from playground.errors import AgentError, PlaygroundError
from playground.operations.connection.client import AgentProcess
from playground.operations.connection.commands import Command, kill, start_process
from playground.operations.connection.handles import Node

if TYPE_CHECKING:
    from playground.operations.nodes.terminal_link import TerminalLink


def shell(node: Node, command: Command | None = None, *, user: str | None = None) -> int:
    """Open a shell, or another interactive command, in this terminal.

    Returns its exit status when it ends (Ctrl-D, ``exit``).  Raises
    `PlaygroundError` where there is no terminal, as in a notebook.

    """
    node.running()
    if not _is_terminal():
        raise PlaygroundError(
            "shell() needs a terminal, and Python does not run in one here (in a notebook, or "
            f"with its input redirected): type `playground shell {node.name}` in a terminal"
        )
    size = os.get_terminal_size(1)
    process = start_process(
        node,
        ["/bin/bash", "-l"] if command is None else command,
        env={"TERM": os.environ.get("TERM", "xterm")},
        user=user,
        stdin=True,
        tty=(size.columns, size.lines),
    )
    try:
        return _attend(process)
    except BaseException:
        kill(process)
        raise


def terminal(node: Node, *, user: str | None = None) -> TerminalLink:
    """Return what opens a terminal on this node from a notebook.

    In JupyterLab it is a button, which opens a terminal of JupyterLab's own in
    which a shell of the node runs, also from another machine's browser; elsewhere it
    says what to type in a terminal.  Needs ipykernel.  The terminal
    ends with the shell, or with the lab.

    """
    from playground.operations.nodes.terminal_link import TerminalLink

    return TerminalLink(node, user)


def _is_terminal() -> bool:
    try:
        # Of the descriptors, not of sys.stdin: a notebook replaces the latter.
        return os.isatty(0) and os.isatty(1) and sys.stdin is not None and sys.stdin.fileno() == 0
    except (OSError, ValueError, AttributeError):
        return False


def _attend(process: AgentProcess) -> int:
    """Carry keys one way and output the other until the command ends."""
    sys.stdout.flush()
    # Written to from elsewhere to wake the loop below: "e" the command has
    # ended, "w" the window has another size.
    waking, wake = os.pipe()
    os.set_blocking(wake, False)

    def show() -> None:
        try:
            while data := process.read_stdout(None):
                _write_all(1, data)
        except (AgentError, OSError):
            pass
        finally:
            os.write(wake, b"e")

    shower = threading.Thread(target=show, name="playground shell", daemon=True)
    try:
        with _raw_mode(), _window_changes(wake):
            shower.start()
            _forward(process, waking)
            shower.join(10)
            return process.wait(10)
    finally:
        if not shower.is_alive():
            os.close(wake)
            os.close(waking)


def _forward(process: AgentProcess, waking: int) -> None:
    """Send keys and window sizes to the command until it has ended."""
    while True:
        ready, _, _ = select.select([0, waking], [], [])
        if waking in ready:
            news = os.read(waking, 4096)
            if b"e" in news:
                return
            size = os.get_terminal_size(1)
            with suppress(AgentError):
                process.resize(size.columns, size.lines)
        if 0 in ready:
            try:
                keys = os.read(0, 4096)
            except OSError:  # EIO: the terminal was closed
                keys = b""
            if not keys:
                kill(process)
                return
            with suppress(AgentError):  # it has ended in this moment
                process.write(keys)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


@contextmanager
def _raw_mode() -> Iterator[None]:
    """Give every key to the node, Ctrl-C too, and set all back at the end."""
    before = termios.tcgetattr(0)
    try:
        tty.setraw(0)
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)


@contextmanager
def _window_changes(wake: int) -> Iterator[None]:
    """Write "w" to a descriptor whenever the window changes its size."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread gets signals
        return

    def changed(signum: int, frame: Any) -> None:
        # No more than this: a handler interrupts any line, also one with a lock.
        with suppress(BlockingIOError):
            os.write(wake, b"w")

    before = signal.signal(signal.SIGWINCH, changed)
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)
