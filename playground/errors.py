"""Everything that can go wrong, as one tree.

::

    PlaygroundError
     |- TopologyError (ValueError)      a declaration that cannot become a network
     |- NotRunning                      something asked of a node or lab that is not started
     |- LabNotFound (LookupError)       no lab of that name, or more than one
     |- NoSuchNode (KeyError)           a lab has no machine of that name
     |- EngineError                     the container engine is missing, too old, full, refuses
     |   |- ImageError                  an image could not be built; holds the log
     |   '- NodeDied                    a node's first process ended; may hold its log
     |- AgentError                      the agent could not do an operation
     |   '- AgentGone                   the agent's end of the line is closed
     |- CommandFailed                   a command's exit status was not zero; holds the Result
     |   |- CommandTimeout (TimeoutError)
     |   '- TooMuchOutput               a command printed more than it may; it was killed
     |- CallFailed                      a called function's exception that cannot be rebuilt here
     |- TransferFailed (OSError)        a file could not be put, got, read or written
     |- BadArgument (ValueError)        an operation was given what it cannot use
     |   '- WrongCall (TypeError)        it has no such argument, or needs one more
     |- UnknownName (KeyError)          a mapping of a node has no such key
     |- CheckFailed (AssertionError)    what `lab.check` was told is not so; holds the explanation
     '- NotReady (TimeoutError)         a wait that came to its limit; says for what

And one that warns: `LabWarning` (UserWarning), of what ``Lab(strict=False)`` takes.

Messages are sentences for a student: what is wrong, where, what to do next.
Nothing but these classes and their text lives here.

"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from playground.display.safe_text import visible


class Finished(Protocol):
    """A command that has ended, as its error shows it; the `Result` has more."""

    @property
    def args(self) -> str | Sequence[str]: ...

    @property
    def returncode(self) -> int: ...

    @property
    def stdout(self) -> str: ...

    @property
    def stderr(self) -> str: ...


class Explained(Protocol):
    """The fate of a packet, as an error tells it; the `Explanation` has more."""

    @property
    def cause(self) -> str: ...

    @property
    def sentence(self) -> str: ...

    @property
    def advice(self) -> str: ...


class PlaygroundError(Exception):
    """The base of every error that playground raises on purpose.

    Its text is made to be shown, whatever a host has to do with it: see `visible`.

    """

    def __str__(self) -> str:
        # That of a KeyError would be in quotes.
        return visible(Exception.__str__(self) + self._further())

    def _further(self) -> str:
        """Return what stands below the sentence."""
        return ""

    def _render_traceback_(self) -> list[str]:
        """Return what a notebook shows: the lines of the cell, and the sentence.

        IPython asks an error for it.  What led there within libraries would bury both.

        """
        import sysconfig
        import traceback
        from pathlib import Path

        libraries = [sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")]
        hidden = (str(Path(__file__).parent), *libraries)
        shown = []
        for frame in traceback.extract_tb(self.__traceback__):
            if not frame.filename.startswith(hidden):
                # ipykernel's name for the file that a cell would be, or IPython's.
                is_cell = "ipykernel" in frame.filename or frame.filename.startswith("<ipython")
                where = "In a cell" if is_cell else f'File "{frame.filename}"'
                shown.append(f"{where}, line {frame.lineno}\n    {frame.line}\n")
        return [*shown, f"{type(self).__name__}: {self}"]


def show_in_one_line(error: BaseException, sentence: str) -> None:
    """Have a notebook show an interrupt as one line, and not by all that led there."""
    if isinstance(error, KeyboardInterrupt):
        line = visible(f"{type(error).__name__}: {sentence}")
        # As IPython asks an error, see PlaygroundError.
        error._render_traceback_ = lambda: [line]  # type: ignore[attr-defined]


class TopologyError(PlaygroundError, ValueError):
    """A declaration cannot become a network; nothing was made."""


class NotRunning(PlaygroundError):
    """Something was asked of a node or a lab that is not started."""


class LabNotFound(PlaygroundError, LookupError):
    """No running lab has that name, or more than one has it."""


class NoSuchNode(PlaygroundError, KeyError):
    """A lab has no host, router or switch of that name."""


class EngineError(PlaygroundError):
    """The container engine is missing, refuses, is too old or has no room."""


class ImageError(EngineError):
    """An image could not be found or built.

    ``log`` holds what the build printed, which may be empty.

    """

    def __init__(self, message: str, log: str = "") -> None:
        super().__init__(message)
        self.log = log

    def _further(self) -> str:
        return _tail("the build's last lines", self.log)


class NodeDied(EngineError):
    """A node's first process ended; ``log`` holds what its container printed, if it was one."""

    def __init__(self, message: str, log: str = "") -> None:
        super().__init__(message)
        self.log = log

    def _further(self) -> str:
        return _tail("its last lines", self.log)


class AgentError(PlaygroundError):
    """The agent could not carry out an operation.

    ``op`` is the operation's name, ``errno`` the system's error number or
    ``None``, ``remote_traceback`` what the agent's interpreter printed.

    """

    def __init__(
        self,
        message: str,
        op: str = "",
        errno: int | None = None,
        remote_traceback: str = "",
    ) -> None:
        super().__init__(message)
        self.op = op
        self.errno = errno
        self.remote_traceback = remote_traceback


class AgentGone(AgentError):
    """The line to the agent is closed: the lab was stopped, or has died."""


class CommandFailed(PlaygroundError):
    """A command on a node ended with an exit status other than zero.

    ``result`` is the `Result`, with all that the command printed.

    """

    def __init__(self, message: str, result: Finished) -> None:
        super().__init__(message)
        self.result = result

    def _further(self) -> str:
        return _tail("stdout", self.result.stdout) + _tail("stderr", self.result.stderr)


class CommandTimeout(CommandFailed, TimeoutError):
    """A command did not end in time; its whole process group was killed."""


class TooMuchOutput(CommandFailed):
    """A command printed more than its limit; its whole process group was killed.

    ``result`` holds what it had printed up to the limit.

    """


class CallFailed(PlaygroundError):
    """A function called on a node raised what cannot be rebuilt here.

    ``remote_traceback`` is the traceback as the node's python3 printed it.

    """

    def __init__(self, message: str, remote_traceback: str = "") -> None:
        super().__init__(message)
        self.remote_traceback = remote_traceback


class TransferFailed(PlaygroundError, OSError):
    """A file could not be put on a node, got from it, read or written."""


class BadArgument(PlaygroundError, ValueError):
    """An operation was given what it cannot use; nothing was done."""


class WrongCall(BadArgument, TypeError):
    """A function was called with an argument that it has not, or without one that it needs."""


class UnknownName(PlaygroundError, KeyError):
    """A mapping of a node, such as its services, has no such key."""


class CheckFailed(PlaygroundError, AssertionError):
    """Something that should be true of a network is not.

    ``explanation`` is that of the packet that was lost, None where none was.

    """

    def __init__(self, message: str, explanation: Explained | None = None) -> None:
        super().__init__(message)
        self.explanation = explanation


class NotReady(PlaygroundError, TimeoutError):
    """A wait came to its limit; the message says what for, and the log's tail."""


# A screenful: enough to see the cause, short enough to stay below the
# sentence that matters.
_TAIL_LINES = 20
_LINE_CHARACTERS = 500


def _tail(title: str, text: str) -> str:
    # A command may have printed millions of lines: no list is made of all of them.
    text = text.rstrip()
    end = text[-_TAIL_LINES * _LINE_CHARACTERS :]
    lines = end.splitlines()
    if not lines:
        return ""
    shown = [
        line if len(line) <= _LINE_CHARACTERS else line[:_LINE_CHARACTERS] + "..."
        for line in lines[-_TAIL_LINES:]
    ]
    left_out = text.count("\n", 0, len(text) - len(end)) + len(lines) - len(shown)
    head = f"\n  {title}" + (f" ({left_out} lines before left out)" if left_out else "")
    return head + ":\n" + "\n".join("    " + line for line in shown)


class LabWarning(UserWarning):
    """A warning about a likely mistake, which a lab that is not strict accepts.

    Duplicate addresses and subnets, masks that differ, loops of switches that speak no
    spanning tree.

    """
