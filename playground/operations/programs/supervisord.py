"""Programs of a supervisord that runs in an image of the user's: controlled as ours are.

It is asked by its own supervisorctl, in the node and with the configuration that it was given:
so its socket, its password and its groups are its own affair.

"""

# https://supervisord.org/running.html, https://supervisord.org/subprocess.html

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from playground.errors import CommandFailed, NotReady, TooMuchOutput
from playground.operations.connection.command_results import Result
from playground.operations.connection.commands import run
from playground.operations.connection.handles import Node
from playground.operations.programs.log_lines import check_lines, last_lines
from playground.operations.programs.program import log_tail
from playground.operations.programs.single_program import SingleProgram

# Its states in words of ours; the others stay as they are, in small letters.
_WORDS = {"EXITED": "ended", "BACKOFF": "restarting", "FATAL": "failed"}
_ON_THE_WAY = ("STARTING", "BACKOFF", "STOPPING")

# It looks at its programs once a second, and counts one as running after another.
_SETTLED_TIMEOUT_S = 30.0
_PAUSE_S = 0.1

_COMMAND_TIMEOUT_S = 60.0
_LOG_BYTES = 1 << 20
# A thousand programs have 0.1 MB of states; a log is asked for by its size.
_ANSWER_MB = 2.0
_TAIL_LINES = 10

_ROW = re.compile(r"^(?P<name>\S+)\s+(?P<state>[A-Z]+)(?:\s+(?P<said>.*))?$", re.MULTILINE)
_CONFIGURATION = re.compile(r"\s(?:-c|--configuration)(?:\s+|=)?(\S+)")
# Started by its own name, or by that of Python and perhaps options.
_PROGRAM = re.compile(r"(?:\S*python[\d.]*\s+(?:-\w+\s+)*)?(\S*)supervisord(?=\s|$)")
_EXECUTABLE = re.compile(r"supervisord|python[\d.]*")


class Supervisord:
    """A supervisord of a running node; ``control`` asks it, as the user that it runs as."""

    def __init__(self, node: Node, control: tuple[str, ...], user: str) -> None:
        self._node = node
        self._control = control
        self._user = user

    def ask(self, *words: str) -> Result:
        """Run supervisorctl(1); its status says more than that all is well.

        Raises `NotReady` for one that says more than any that is well.

        """
        try:
            return self._run(words)
        except TooMuchOutput:
            # What it has printed is kept by nobody: it may be the same row for ever.
            raise NotReady(
                f"{self._control[0]} on {self._node.name} printed more than {_ANSWER_MB:g} MB when "
                f"it was asked for {words[0]}, and was killed: it is no supervisorctl that works"
            ) from None

    def _run(self, words: Sequence[str]) -> Result:
        return run(
            self._node,
            [*self._control, *words],
            check=False,
            timeout_s=_COMMAND_TIMEOUT_S,
            output_limit_mb=_ANSWER_MB,
            user=self._user,
        )

    def states(self) -> dict[str, tuple[str, str]]:
        """Return the state of each program in its words, and what it says of that.

        Raises `CommandFailed` where it does not answer, with what to write into its
        configuration.

        """
        result = self.ask("status")
        found = {
            row["name"]: (row["state"], row["said"] or "")
            for row in _ROW.finditer(result.stdout)
            # Others than supervisord itself would choose names that act on a terminal.
            if row["name"].isprintable()
        }
        # 3 is the status for "not all of them run", as of init scripts.
        if result.returncode not in (0, 3):
            raise CommandFailed(
                f"the supervisord of {self._node.name} cannot be asked: "
                f"{' '.join((result.stdout + result.stderr).split())[:300]}; let its "
                "configuration have [unix_http_server], [supervisorctl] and "
                "[rpcinterface:supervisor], as that of Debian's package has",
                result,
            )
        return found

    def wait_settled(self, timeout_s: float = _SETTLED_TIMEOUT_S) -> None:
        """Wait until its programs run, or have failed; raises `NotReady` for the latter."""
        deadline = time.monotonic() + timeout_s
        while True:
            problem = ""
            try:
                states = self.states()
            except CommandFailed as error:  # its socket comes a moment after it
                states, problem = {}, str(error)
            for name, (state, said) in states.items():
                if state == "FATAL":
                    log = SupervisordProgram(self._node, self, name).log(_TAIL_LINES)
                    raise NotReady(
                        f"{name}, a program of the supervisord of {self._node.name}, failed: "
                        f"{said}{log_tail(log)}"
                    )
                if state in _ON_THE_WAY:
                    problem = f"{name} is {state.lower()}"
            if not problem:
                return
            if time.monotonic() > deadline:
                raise NotReady(
                    f"the supervisord of {self._node.name} has not started its programs within "
                    f"{timeout_s:g} s: {problem}"
                )
            time.sleep(_PAUSE_S)


class SupervisordProgram(SingleProgram):
    """One program of a supervisord, by the name that it has there ("group:name", of a group)."""

    def __init__(self, node: Node, supervisord: Supervisord, name: str) -> None:
        super().__init__(node, name)
        self._supervisord = supervisord

    def __repr__(self) -> str:
        return f"<program {self.name} of the supervisord of {self.node}>"

    def _state(self) -> tuple[str, str]:
        return self._supervisord.states().get(self.name, ("UNKNOWN", ""))

    def status(self) -> str:
        """Return "running", "stopped", "starting", "restarting", "ended" or "failed"."""
        state, _ = self._state()
        return _WORDS.get(state, state.lower())

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self._state()[0] == "RUNNING"

    def stop(self) -> None:
        """Stop the program, with the signal and the patience of its configuration."""
        self._do("stop", "not running")

    def start(self) -> None:
        """Start the program; it runs when this returns, for as long as ``startsecs`` says.

        Does nothing to one that runs.  Raises `NotReady`, with the end of its log, where
        supervisord gave it up.

        """
        self._do("start", "already started")
        self.wait_ready()

    def wait_ready(self, timeout_s: float = _SETTLED_TIMEOUT_S) -> None:
        """Wait until it is past its start; raises `NotReady`, with the end of its log."""
        deadline = time.monotonic() + timeout_s
        while (state := self._state()[0]) in _ON_THE_WAY and time.monotonic() < deadline:
            time.sleep(_PAUSE_S)
        if state not in ("RUNNING", "EXITED"):
            raise self._failed(f"is {self.status()}")

    def log(self, lines: int | None = None) -> str:
        """Return the last mebibyte that it has printed, or the last ``lines``.

        What it prints to its standard error comes after the rest.  Raises `BadArgument` for
        no number of lines, and `CommandFailed` where its configuration has no log of it.

        """
        check_lines(lines)
        text, refusals = "", []
        for stream in ("stdout", "stderr"):
            result = self._supervisord.ask("tail", f"-{_LOG_BYTES}", self.name, stream)
            # "apache2: ERROR (no log file)": of stderr, too, where it is in the other's.
            if re.match(rf"{re.escape(self.name)}: ERROR \(", result.stdout):
                refusals.append(result)
            else:
                text += result.stdout.removesuffix("\n")  # which it has added
        if len(refusals) == 2:
            raise CommandFailed(
                f"supervisord has no log of {self.name} on {self.node} "
                f"({refusals[0].stdout.strip()}); what goes to /dev/stdout is in "
                f'services["main"].log()',
                refusals[0],
            )
        return last_lines(text, lines)

    def _do(self, what: str, harmless: str) -> None:
        result = self._supervisord.ask(what, self.name)
        if "ERROR" in result.stdout and harmless not in result.stdout:
            raise self._failed(f"cannot be told to {what}: {result.stdout.strip()}")

    def _failed(self, what: str) -> NotReady:
        try:
            log = self.log(_TAIL_LINES)
        except CommandFailed:
            log = ""
        return NotReady(f"{self.name} of {self.node} {what}{log_tail(log)}")


def find(node: Node) -> Supervisord | None:
    """Return the supervisord that runs on a node with an image of the user's; None without."""
    live = node.running()
    if live.plan is None or live.plan.container.source is None:
        return None
    rows = live.agent.call("processes", pid=live.pid)
    if found := control_of(rows):
        control, user = found
        return Supervisord(node, control, user)
    return None


def control_of(rows: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, ...], str] | None:
    """Return what asks the supervisord that is among processes, and its user; None without one.

    Anybody on the node may call a process of theirs supervisord, and what lies beside it is
    run: so it is run as the user who started that, and one of root or of the node's first
    process goes before.

    >>> first = {"pid": 1, "user": "root", "command": "init", "executable": "/sbin/init"}
    >>> own = {"pid": 7, "user": "root", "executable": "/usr/bin/python3.11"}
    >>> own["command"] = "/usr/bin/python3 /usr/bin/supervisord -n -c /srv/s.conf"
    >>> control_of([first, own])
    (('/usr/bin/supervisorctl', '-c', '/srv/s.conf'), 'root')
    >>> control_of([first, {**own, "user": "student"}])[1]
    'student'

    """
    trusted = {"root", *(row["user"] for row in rows if row["pid"] == 1)}
    for row in sorted(rows, key=lambda row: row["user"] not in trusted):
        # Its command is what a process says of itself, and sudo(8) is of root at once.
        if not _EXECUTABLE.fullmatch(row["executable"].rpartition("/")[2]):
            continue
        if program := _PROGRAM.match(row["command"]):
            said = _CONFIGURATION.search(row["command"], program.end())
            words = (f"{program[1]}supervisorctl", *(("-c", said[1]) if said else ()))
            return words, row["user"]
    return None


def is_supervisord(command: str) -> bool:
    """Whether a process of our own that was started so may be a supervisord."""
    return _PROGRAM.match(command) is not None


def programs(node: Node) -> Mapping[str, SupervisordProgram]:
    """Return the programs of a node's supervisord by name; none where there is none."""
    supervisord = find(node)
    if supervisord is None:
        return {}
    return {name: SupervisordProgram(node, supervisord, name) for name in supervisord.states()}
