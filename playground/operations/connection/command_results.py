"""A command on a node that has ended: `Result`, and the sentence for one that failed.

Pure: text that a program printed goes in, data comes out.

"""

from __future__ import annotations

import re
import shlex
import signal
from collections.abc import Sequence
from dataclasses import field

from playground.display.safe_text import visible
from playground.display.tables import Table, Tabular, html_table
from playground.model.records import dataclass

# How much of each stream a repr shows: two lines of a terminal.
_REPR_CHARACTERS = 160


@dataclass(frozen=True)
class ResultRow:
    """A `Result` as the one row of a table, its command as one would type it."""

    command: str
    returncode: int
    stdout: str
    stderr: str


@dataclass(frozen=True, repr=False)
class Result(Tabular):
    r"""A command that has ended, and all that it printed.

    ``args`` is the command as it was given.  ``returncode`` is the exit
    status, or ``-N`` when signal N ended the command.  ``stdout`` and
    ``stderr`` are text: bytes that are not UTF-8 show as U+FFFD, and the exact
    bytes are in ``stdout_bytes`` and ``stderr_bytes``.  As text it is what was printed:
    stdout, then stderr, without the last end of line and with control characters to see.

    >>> Result.from_bytes("hostname", 0, b"h1\n", b"")
    Result(args='hostname', returncode=0, stdout='h1\n', stderr='')

    """

    args: str | tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str
    stdout_bytes: bytes = field(default=b"", compare=False)
    stderr_bytes: bytes = field(default=b"", compare=False)

    @classmethod
    def from_bytes(
        cls, args: str | Sequence[str], returncode: int, stdout: bytes, stderr: bytes
    ) -> Result:
        """Build a result from what came over the two streams."""
        return cls(
            args if isinstance(args, str) else tuple(args),
            returncode,
            stdout.decode("utf-8", "replace"),
            stderr.decode("utf-8", "replace"),
            stdout,
            stderr,
        )

    @property
    def ok(self) -> bool:
        """Whether the exit status is zero."""
        return self.returncode == 0

    def table(self) -> Table[ResultRow]:
        """Return the command and what it came to as a table of one row."""
        command = self.args if isinstance(self.args, str) else shlex.join(self.args)
        return Table([ResultRow(command, self.returncode, self.stdout, self.stderr)])

    def _repr_html_(self) -> str:
        # Columns of such long lines would be too narrow beside each other.
        [row] = self.rows
        streams = [
            {"stream": name, "text": row[name].rstrip("\n")}
            for name in ("stdout", "stderr")
            if row[name]
        ]
        return html_table(
            streams, f"{row['command']}: exit status {self.returncode}", "printed nothing"
        )

    def __str__(self) -> str:
        """Return what was printed, as it is shown: stdout, then stderr."""
        gap = "\n" if self.stdout and self.stderr and not self.stdout.endswith("\n") else ""
        return visible(f"{self.stdout}{gap}{self.stderr}".removesuffix("\n"))

    def __repr__(self) -> str:
        return (
            f"Result(args={self.args!r}, returncode={self.returncode}, "
            f"stdout={_shortened(self.stdout)}, stderr={_shortened(self.stderr)})"
        )


def _shortened(text: str) -> str:
    if len(text) <= _REPR_CHARACTERS:
        return repr(text)
    left_out = len(text) - _REPR_CHARACTERS
    return f"{text[:_REPR_CHARACTERS]!r}... and {left_out} characters more"


def command_text(command: str | Sequence[str]) -> str:
    """Return a command as one would type it, shortened to one line.

    >>> command_text(["grep", "two words", "file"])
    "grep 'two words' file"

    """
    text = command if isinstance(command, str) else shlex.join(command)
    first, newline, _ = text.strip().partition("\n")
    if len(first) > 72 or newline:
        first = first[:69].rstrip() + "..."
    return first


def failure_sentence(
    node: str,
    result: Result,
    memory_mb: int | None = None,
    own_programs: bool = True,
    strange: bool = False,
) -> str:
    """Say how a command whose exit status is not zero ended.

    ``memory_mb`` is the node's limit, which the kernel keeps by SIGKILL; without
    ``own_programs`` the node has those of the machine that it runs on; a ``strange`` one has
    those of an image of the user's.

    >>> failure_sentence("h1", Result("false", 1, "", ""))
    "'false' on h1 ended with exit status 1"

    """
    command = command_text(result.args)
    if result.returncode == 127:
        missing = _missing_command(result)
        if missing == "/bin/sh" and strange:
            return (
                f"the image of {node} has no shell, /bin/sh: write a command as a list of its "
                'words, such as ["/bin/server", "--help"]'
            )
        if missing and strange:
            return f"there is no command {missing!r} on {node}, whose image lacks it"
        if missing:
            return f"there is no command {missing!r} on {node}" + (
                ""
                if own_programs
                else ", which has this machine's programs: install it here, or give "
                f"{node} a service such as ssh, and so the programs of an image"
            )
    cause = ""
    # A shell's exit status for a program that a signal ended is 128 and the signal.
    if memory_mb is not None and result.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL):
        cause = f"; it may have needed more memory than {node} has with memory_mb={memory_mb}"
    if result.returncode < 0:
        name = _signal_name(-result.returncode)
        return f"{command!r} on {node} was ended by signal {name}{cause}"
    return f"{command!r} on {node} ended with exit status {result.returncode}{cause}"


def _missing_command(result: Result) -> str | None:
    """Return the name of the command that was not found, if that was the cause."""
    # dash: "sh: 1: foo: not found"; bash: "bash: line 1: foo: command not found";
    # ours for a command without a shell: "foo: not found".
    for line in reversed(result.stderr[-10_000:].splitlines()):
        match = re.search(r"(?:^|: )([^:]+): (?:command )?not found$", line)
        if match:
            return match.group(1)
    return None


def _signal_name(number: int) -> str:
    try:
        return f"{signal.Signals(number).name} ({number})"
    except ValueError:  # a real-time signal has no name of its own
        return str(number)
