"""Results of commands on a node: `Result`, `Ping`, `Traceroute`.

Pure: text that a program printed goes in, data comes out.

"""

from __future__ import annotations

import re
import shlex
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from playground.display.tables import Table, Tabular, html_table
from playground.display.visible import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# How much of each stream a repr shows: two lines of a terminal.
_REPR_CHARACTERS = 160

# Of a line of ping's or traceroute's.
_LINE_CHARACTERS = 300


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


@dataclass(frozen=True)
class Echo:
    """One echo request of a ping: its number, when it was sent, and what came back.

    ``sent_s`` is in seconds since the first, by the interval that was asked for.
    ``rtt_ms`` is None for one that was lost, and so is ``ttl``, the hops that its
    reply might still have gone.

    """

    sequence: int
    sent_s: float
    rtt_ms: float | None
    ttl: int | None = None


@dataclass(frozen=True, repr=False)
class Ping(Tabular):
    """The result of a ping.

    It is true when at least one reply came back, so that ``if h1.ping(www):``
    reads as it should; ``ping.lost == 0`` asks for all of them.  ``sent`` and
    ``received`` count packets, and ``sent`` is 0 when the node had no route to
    send them by.  ``times_ms`` has the round trip of each reply in the order
    they came, ``rtt_ms`` their mean or ``None``.  ``problem`` is what the node
    or a router on the way said when there was no reply, "" when nobody said
    anything.  ``echoes`` has an `Echo` for each packet, and ``rows`` the same as dicts.

    """

    target: str
    sent: int
    received: int
    times_ms: tuple[float, ...] = ()
    problem: str = ""
    echoes: Table[Echo] = field(default=Table(), compare=False)

    @property
    def lost(self) -> int:
        """How many packets came to nothing."""
        return max(0, self.sent - self.received)

    @property
    def rtt_ms(self) -> float | None:
        """The mean round trip in milliseconds; ``None`` without a reply."""
        if not self.times_ms:
            return None
        return round(sum(self.times_ms) / len(self.times_ms), 3)

    def table(self) -> Table[Echo]:
        """Return a row for each packet that was sent."""
        return self.echoes

    def plot(self, ax: Axes | None = None) -> Axes:
        """Plot the round trips over time, and mark what was lost; return the axes.

        Raises `PlaygroundError` where matplotlib is not installed:
        ``pip install matplotlib``.

        >>> h1.ping(www, count=50).plot()

        """
        from playground.display import plots

        return plots.rtt(self, ax)

    def _repr_html_(self) -> str:
        mean = f", {self.rtt_ms} ms on average" if self.rtt_ms is not None else ""
        problem = f": {self.problem}" if self.problem else ""
        counts = f"{self.received} of {self.sent} came back"
        return html_table(self.rows, f"ping {self.target}: {counts}{mean}{problem}")

    def __bool__(self) -> bool:
        return self.received > 0

    def __repr__(self) -> str:
        problem = f", problem={self.problem!r}" if self.problem else ""
        return f"Ping(sent={self.sent}, received={self.received}, rtt_ms={self.rtt_ms}{problem})"


_REPLY = re.compile(
    r"^\d+ bytes from .*icmp_seq=(\d+)(?: ttl=(\d+))?.* time[=<]([\d.]+) ms(?!.*\(DUP!\))", re.M
)


def parse_ping(target: str, text: str, errors: str = "", interval_s: float = 1) -> Ping:
    """Read what ping(8) of iputils printed with ``-n``.

    ``text`` is its output and ``errors`` its error stream.  Packets were sent every
    ``interval_s`` seconds.

    """
    text, errors = _short_lines(text), _short_lines(errors)
    counts = re.search(r"^(\d+) packets transmitted, (\d+)(?: packets)? received", text, re.M)
    sent, received = (int(counts[1]), int(counts[2])) if counts else (0, 0)
    # A duplicate is a second answer to one request; ping does not count it either.
    replies = [
        (int(sequence), float(time), int(ttl) if ttl else None)
        for sequence, ttl, time in _REPLY.findall(text)
    ]
    known = {sequence: (rtt_ms, ttl) for sequence, rtt_ms, ttl in replies}
    echoes = Table(
        Echo(number, round((number - 1) * interval_s, 6), *known.get(number, (None, None)))
        for number in range(1, sent + 1)
    )
    times = tuple(rtt_ms for _, rtt_ms, _ in replies)
    problem = "" if received else _problem(text, errors)
    return Ping(target, sent, received, times, problem, echoes)


def _short_lines(text: str) -> str:
    """Cut off what no such program prints: a search in it may take longer than its length."""
    return "\n".join(line[:_LINE_CHARACTERS] for line in text.splitlines())


def _problem(text: str, errors: str) -> str:
    said = re.search(r"^From (\S+?):? icmp_seq=\d+ (.+)$", text, re.M)
    if said:
        return f"{said[2]}, says {said[1]}"
    for line in errors.splitlines():
        words = re.sub(r"^ping6?: (?:connect: |sendmsg: )?", "", line.strip())
        if words and "source address" not in words:
            return words
    return ""


@dataclass(frozen=True, repr=False)
class Hop:
    """One step of a route: who answered, and after how long.

    ``address`` and ``rtt_ms`` are ``None`` for a machine that stayed silent.
    ``note`` is traceroute's mark, "!H" for "host unreachable" and the like.

    """

    address: str | None
    rtt_ms: float | None = None
    note: str = ""

    def __repr__(self) -> str:
        if self.address is None:
            return "Hop(None)"
        note = f", note={self.note!r}" if self.note else ""
        return f"Hop({self.address!r}, rtt_ms={self.rtt_ms}{note})"


@dataclass(frozen=True)
class HopRow:
    """One step of a route as a row of a table; ``number`` is its TTL."""

    number: int
    address: str | None
    rtt_ms: float | None
    note: str


@dataclass(frozen=True, repr=False)
class Traceroute(Tabular):
    """The machines that a packet passes on its way.

    ``hops`` has their addresses in order, the target's last, with ``None`` for
    a machine that stayed silent between two that answered; silent ones after
    the last answer are left out.  ``details`` has a `Hop` for each.
    ``reached`` says whether the target itself answered.

    """

    target: str
    details: tuple[Hop, ...]
    reached: bool

    @property
    def hops(self) -> list[str | None]:
        """The addresses, first hop first."""
        return [hop.address for hop in self.details]

    @property
    def rtts_ms(self) -> list[float | None]:
        """The round trip to each hop in milliseconds."""
        return [hop.rtt_ms for hop in self.details]

    def table(self) -> Table[HopRow]:
        """Return a row for each machine on the way."""
        return Table(
            HopRow(number, hop.address, hop.rtt_ms, hop.note)
            for number, hop in enumerate(self.details, start=1)
        )

    def _repr_html_(self) -> str:
        end = "reached" if self.reached else "not reached"
        return html_table(self.rows, f"traceroute {self.target}: {end}")

    def __bool__(self) -> bool:
        return self.reached

    def __repr__(self) -> str:
        return f"Traceroute({self.target!r}, hops={self.hops}, reached={self.reached})"


def parse_traceroute(target: str, text: str) -> Traceroute:
    """Read what traceroute(8) printed with ``-n -q 1``."""
    text = _short_lines(text)
    header = re.search(r"^traceroute to .*?\(([^)\s]+)\)", text, re.M)
    destination = header[1] if header else ""
    hops = []
    for line in text.splitlines():
        match = re.match(r"\s*\d+\s+(?:\*|(\S+)\s+([\d.]+) ms\s*(\S.*)?)", line)
        if match:
            rtt_ms = float(match[2]) if match[2] else None
            hops.append(Hop(match[1], rtt_ms, (match[3] or "").strip()))
    while hops and hops[-1].address is None:
        hops.pop()
    # A mark such as !H means that this machine answered, but only to say that
    # it cannot deliver; "!X" from the target itself is still the target.
    reached = bool(hops) and hops[-1].address == destination
    if reached and hops[-1].note.startswith(("!H", "!N")):
        reached = False
    return Traceroute(target, tuple(hops), reached)
