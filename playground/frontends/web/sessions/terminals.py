"""Terminals on nodes, each for one or several who look at it.

A terminal is a shell of the node on a pseudoterminal there, and a thread here that reads
what it prints.  Each who looks has a place of his own in that; a shell prints no faster than the
quickest of them reads.  It ends when nobody is left who may type: those who only look keep no
shell of root's alive.

"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from contextlib import suppress

from playground.errors import AgentError, PlaygroundError
from playground.frontends.web.content.scrollback import Scrollback, common_size
from playground.operations.connection.client import AgentProcess
from playground.operations.connection.commands import kill, start_process
from playground.operations.connection.handles import Node

# Each is a thread here and a few processes there.
MOST_OF_A_NODE = 8
MOST_IN_ALL, MOST_OF_A_LAB = 64, 32

# What a shell may print before anybody has read it: a program that prints without end waits.
_AHEAD_BYTES = 64 << 10

# A shell that was hung up ends its jobs, and has this time for it.
_HANGUP_S = 1.0
_WRITE_LIMIT_S = 10.0

# An image of the user's may have no bash.
_SHELL = ("/bin/sh", "-c", "command -v bash >/dev/null 2>&1 && exec bash -l; exec sh -l")

Size = tuple[int, int]


class Looker:
    """One who looks at a terminal: how far he has read, and the size that he can show.

    ``wake`` is called from another thread when there is news.  ``size`` is None for one who only
    looks: he takes the size that the others have.

    """

    def __init__(self, wake: Callable[[], None], size: Size | None = None) -> None:
        self.wake = wake
        self.size = size
        self.offset = 0


class Terminal:
    """A shell on a node, that several may look at; `Terminals.open` makes one.

    ``number`` is its number on the node, ``user`` whose shell it is, None for root's.

    """

    def __init__(self, node: Node, number: int, user: str | None, size: Size) -> None:
        self.node = node.name
        self.number = number
        self.user = user
        self.size = size
        self._process: AgentProcess = start_process(
            node, _SHELL, env={"TERM": "xterm-256color"}, user=user, stdin=True, tty=size
        )
        self._kept = Scrollback()
        self._lookers: list[Looker] = []
        self._news = threading.Condition()
        self._ended = ""
        self._closed = False
        self._thread = threading.Thread(
            target=self._read, name=f"playground terminal of {node.name}", daemon=True
        )
        self._thread.start()

    def __repr__(self) -> str:
        return f"<terminal {self.number} of {self.node}: {self._ended or 'open'}>"

    @property
    def ended(self) -> str:
        """How it has ended, in words; "" as long as it has not."""
        return self._ended

    @property
    def lookers(self) -> int:
        """How many look at it."""
        return len(self._lookers)

    def is_first(self, looker: Looker) -> bool:
        """Tell whether this one came first: his terminal answers what programs ask of one."""
        with self._news:
            voters = [one for one in self._lookers if one.size is not None]
            return bool(voters) and voters[0] is looker

    # -- who looks -----------------------------------------------------------

    def join(self, looker: Looker) -> None:
        """Let somebody look: from the oldest line that is kept."""
        with self._news:
            self._lookers.append(looker)
            self._news.notify_all()
        looker.wake()

    def leave(self, looker: Looker) -> bool:
        """Let him go; return whether nobody is left who may type.  May be repeated."""
        with self._news:
            if looker in self._lookers:
                self._lookers.remove(looker)
            self._news.notify_all()
            return not any(one.size is not None for one in self._lookers)

    def take(self, looker: Looker, most_bytes: int) -> tuple[bytes, bool]:
        """Return what he has not read yet, and whether something before it is lost."""
        with self._news:
            data, looker.offset, lost = self._kept.since(looker.offset, most_bytes)
            self._news.notify_all()
        return data, lost

    # -- what is typed -------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Type something; what is typed after its end is lost.

        Raises `PlaygroundError` where nothing reads it for 10 seconds.

        """
        try:
            self._process.write(data, _WRITE_LIMIT_S)
        except TimeoutError:
            raise PlaygroundError(
                f"what runs in terminal {self.number} of {self.node} reads no input: press Ctrl-C"
            ) from None
        except AgentError:
            if not self._ended:
                raise

    def fit(self) -> None:
        """Take the size that all who look can show."""
        with self._news:
            size = common_size([one.size for one in self._lookers if one.size is not None])
            if size == self.size or self._ended:
                return
            self.size = size
        with suppress(AgentError):  # it has ended in this moment
            self._process.resize(*size)
        self._wake()

    # -- the end -------------------------------------------------------------

    def close(self) -> None:
        """End the shell and what it has started.  May be repeated."""
        with self._news:
            closed, self._closed = self._closed, True
            self._news.notify_all()
        if closed:
            return
        with suppress(PlaygroundError):
            if not self._ended:
                # As where a window is closed: the shell tells its jobs (bash(1), SIGNALS).
                self._process.signal(signal.SIGHUP)
                with suppress(TimeoutError):
                    self._process.wait(_HANGUP_S)
                    return
                kill(self._process)

    def _read(self) -> None:
        try:
            while self._may_go_on() and (data := self._process.read_stdout(None)):
                with self._news:
                    self._kept.append(data)
                self._wake()
            ended = f"ended with exit status {self._process.wait(_HANGUP_S)}"
        except (AgentError, TimeoutError):
            ended = "ended with its node"
        with self._news:
            self._ended = ended
        self._wake()

    def _may_go_on(self) -> bool:
        """Wait until somebody has read most of what was printed; tell whether to read more."""
        with self._news:
            self._news.wait_for(self._has_room)
            return True

    def _has_room(self) -> bool:
        # Once it is closed, or nobody looks, it may print its last words.
        if self._closed or not self._lookers:
            return True
        furthest = max(one.offset for one in self._lookers)
        return self._kept.end - furthest < _AHEAD_BYTES

    def _wake(self) -> None:
        with self._news:
            lookers = list(self._lookers)
        for one in lookers:
            one.wake()


class Terminals:
    """All terminals that the pages of a server have open, by lab and node."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], list[Terminal]] = {}
        # The numbers of those that begin, which may take as long as an agent likes.
        self._begun: dict[tuple[str, str], set[int]] = {}
        self._closed = False
        # Held for moments only: the event loop asks `of`.
        self._lock = threading.Lock()

    def of(self, lab: str, node: str) -> list[Terminal]:
        """Return the terminals that are open on a node now."""
        with self._lock:
            return [one for one in self._open.get((lab, node), ()) if not one.ended]

    def open(self, lab: str, node: Node, user: str | None, size: Size, looker: Looker) -> Terminal:
        """Open a terminal on a node, and let somebody look at it.

        Raises `PlaygroundError` where too many are open, or the node does not run.

        """
        key = (lab, node.name)
        number = self._reserve(key)
        try:
            terminal = Terminal(node, number, user, common_size([size]))
        except BaseException:
            with self._lock:
                self._forget(key, number)
            raise
        terminal.join(looker)
        with self._lock:
            self._forget(key, number)
            if not self._closed:
                self._open.setdefault(key, []).append(terminal)
                return terminal
        terminal.close()
        raise PlaygroundError("this page was closed: no terminal is opened any more")

    def _forget(self, key: tuple[str, str], number: int) -> None:
        self._begun[key].discard(number)
        if not self._begun[key]:
            del self._begun[key]

    def _reserve(self, key: tuple[str, str]) -> int:
        """Return the number of a terminal that begins now."""
        with self._lock:
            here = self._open.setdefault(key, [])
            here[:] = [one for one in here if not one.ended or one.lookers]
            taken = {one.number for one in here} | self._begun.get(key, set())
            rows = [(one[0], len(row)) for one, row in self._open.items()]
            rows += [(one[0], len(row)) for one, row in self._begun.items()]
            of_lab = sum(number for lab, number in rows if lab == key[0])
            in_all = sum(number for _, number in rows)
            if len(taken) >= MOST_OF_A_NODE or of_lab >= MOST_OF_A_LAB or in_all >= MOST_IN_ALL:
                raise PlaygroundError(
                    f"{len(taken)} terminals are open on {key[1]}, {of_lab} on this lab, "
                    f"{in_all} in all, and no more may be: close one"
                )
            number = next(n for n in range(1, MOST_OF_A_NODE + 1) if n not in taken)
            self._begun.setdefault(key, set()).add(number)
            return number

    def leave(self, lab: str, terminal: Terminal, looker: Looker) -> None:
        """Let somebody go; a terminal at which nobody is left who may type is closed."""
        with self._lock:
            if not terminal.leave(looker):
                return
            here = self._open.get((lab, terminal.node), [])
            if terminal in here:
                here.remove(terminal)
            if not here:
                self._open.pop((lab, terminal.node), None)
        terminal.close()

    def close(self) -> None:
        """Close all."""
        with self._lock:
            self._closed = True
            left = [one for row in self._open.values() for one in row]
            self._open.clear()
        for one in left:
            one.close()
