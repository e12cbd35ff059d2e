"""Programs of the user's own that run on a node: look, stop, start, read their logs."""

from __future__ import annotations

import base64
import signal
import time
from collections.abc import Mapping, Sequence
from typing import Any

from playground.errors import (
    AgentError,
    CommandTimeout,
    NotReady,
    PlaygroundError,
    TooMuchOutput,
)
from playground.operations.connection.commands import run
from playground.operations.connection.handles import Node
from playground.operations.programs.log_lines import check_lines, last_lines
from playground.operations.programs.single_program import SingleProgram
from playground.planning.program_plans import MOST_HEALTH_S, ProgramPlan

# A program that ends so soon has not begun its work: most that fail do so at once.
_AT_ONCE_S = 0.25

# How long one may take until it listens on a port that is published or that its image exposes;
# an image may expose what nobody uses.
_LISTEN_LIMIT_S = 20.0
_LOOK_AGAIN_S = 0.02

# How often one that is not well yet is asked again, whatever its image says of the time
# between two looks at one that is.
_ASK_AGAIN_S = 0.2

# What a program that has ended leaves behind is well by then, or was none.
_LEFT_BEHIND_S = 5.0

_TAIL_LINES = 20
_TAIL_CHARACTERS = 500


class Program(SingleProgram):
    """A program of a running node: the image's own, that of ``command``, or one of ``programs``.

    ``name`` is its name, "main" for the first two, ``node`` that of where it runs.  It is
    started again as the node's ``restart`` says; what it prints is its `log`.

    ::

        db.services["main"].status()      # "running"
        db.services["main"].log(lines=5)
        db.services["main"].restart()

    """

    def __init__(self, node: Node, plan: ProgramPlan) -> None:
        super().__init__(node, plan.name)
        self._plan = plan

    def __repr__(self) -> str:
        try:
            status = self.status()
        except PlaygroundError:  # a repr never fails; the lab is down, or the node has died
            status = "not to be reached"
        return f"<program {self.name} of {self.node}: {status}>"

    def status(self) -> str:
        """Return "running", "restarting", "stopped", or how it ended: "ended with status 1"."""
        return status_words(self._ask("status"))

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return bool(self._ask("status")["running"])

    def stop(self) -> None:
        """Stop the program: send its signal, and kill it if it does not end in time.

        The signal is SIGTERM where the image names no other, the time 10 seconds where
        ``stop_timeout_s`` says nothing.  It stays down until `start`.

        """
        self._ask("stop")

    def start(self) -> None:
        """Start the program; it is well when this returns, as far as it says so itself.

        Does nothing to one that runs.  Raises `NotReady`, with the end of its log, where it
        ends at once with another status than 0, or its healthcheck does not succeed.

        """
        refuse_failure(self._node, self._plan, self._ask("begin"))
        self.wait_ready()

    def wait_ready(self, timeout_s: float | None = None) -> None:
        """Wait until its healthcheck succeeds; without one, until it has not ended at once.

        Where TCP ports are published, or its image exposes some: until it listens on one, for 20
        seconds at most.
        Raises `NotReady`, with the end of its log, after ``timeout_s`` seconds, by default
        after as many as the healthcheck's own words allow, ten minutes at most.

        """
        check = self._plan.healthcheck
        limit_s = timeout_s or (check.limit_s if check else 0.0)
        begin = time.monotonic()
        deadline = begin + limit_s
        failing_since = begin + (check.start_period_s if check else 0.0)
        problem, has_ended = "", False
        while True:
            status = self._ask("status")
            refuse_failure(self._node, self._plan, status)
            if check is None or status["stopped"]:
                if has_begun(self._plan, status):
                    return
                time.sleep(_LOOK_AGAIN_S)
                continue
            # One that has ended with status 0 may have left a daemon behind, which is asked too.
            if not (status["running"] or status["restarting"] or has_ended):
                has_ended = True
                deadline = min(deadline, time.monotonic() + _LEFT_BEHIND_S)
            if not status["restarting"]:
                left_s = max(deadline - time.monotonic(), _LOOK_AGAIN_S)
                look_s = min(check.timeout_s, left_s)
                found = self._problem(check.argv, look_s)
                # One that the end of the time cut off says less than those before.
                if found is not None or not problem or look_s == check.timeout_s:
                    problem = f"took longer than {look_s:g} s" if found is None else found
                if not problem:
                    return
            now = time.monotonic()
            failures = check.failures_due(now - failing_since)
            ill = timeout_s is None and failures >= check.retries
            if ill or now > deadline:
                ended = "" if status["running"] else f" {status_words(status)}, and"
                times = f" ({failures} times in a row; health_retries= allows more)" if ill else ""
                raise NotReady(
                    f"{_title(self._node, self._plan)}{ended} was not well after "
                    f"{now - begin:.3g} s: its healthcheck {problem}{times}"
                    + log_tail(self.log(_TAIL_LINES))
                )
            time.sleep(min(check.interval_s, _ASK_AGAIN_S))

    def wait_ended(self, timeout_s: float = MOST_HEALTH_S) -> None:
        """Wait until it has done its work: ended with status 0.

        Raises `NotReady`, with the end of its log, where it ends otherwise, or not within
        ``timeout_s`` seconds, by default ten minutes.

        """
        deadline = time.monotonic() + timeout_s
        while True:
            status = self._ask("status")
            refuse_failure(self._node, self._plan, status)
            if not (status["running"] or status["restarting"]):
                return
            if time.monotonic() > deadline:
                raise NotReady(
                    f"{_title(self._node, self._plan)} has not ended within {timeout_s:g} s, and "
                    "others wait for its end" + log_tail(self.log(_TAIL_LINES))
                )
            time.sleep(_LOOK_AGAIN_S * 5)

    def _problem(self, argv: tuple[str, ...], timeout_s: float) -> str | None:
        """Run the healthcheck once; return what is wrong, "" if nothing is, None for too slow."""
        try:
            result = run(self._node, argv, check=False, timeout_s=timeout_s)
        except CommandTimeout:
            return None
        except TooMuchOutput:
            return "printed more than anybody reads"
        if result.returncode == 0:
            return ""
        said = " ".join((result.stdout + result.stderr).split())
        return f"ended with status {result.returncode}" + (f": {said[:300]}" if said else "")

    def log(self, lines: int | None = None) -> str:
        """Return what the program has printed, of all its runs, or the last ``lines`` of it.

        The last mebibyte is kept.  Raises `BadArgument` for no number of lines.

        """
        check_lines(lines)
        live = self._node.running()
        answer = live.agent.call("programs", do="log", pid=live.pid, name=self.name)
        return last_lines(base64.b64decode(answer).decode(errors="replace"), lines)

    def _ask(self, do: str) -> Mapping[str, Any]:
        live = self._node.running()
        [status] = live.agent.call("programs", do=do, pid=live.pid, name=self.name)
        found: Mapping[str, Any] = status
        return found


def has_begun(plan: ProgramPlan, status: Mapping[str, Any]) -> bool:
    """Whether a program that says nothing of its health is at its work, or has done it.

    One that listens is: on a port that is published, or that its image exposes, if any is.

    """
    if not status["running"]:
        return True
    if plan.ports:
        begun = bool(set(plan.ports).intersection(status["ports"]))
        return begun or status["seconds"] > _LISTEN_LIMIT_S
    return bool(status["ports"]) or status["seconds"] > _AT_ONCE_S


def status_words(status: Mapping[str, Any]) -> str:
    """Return what the agent says of a program in a word or a few."""
    if status["running"]:
        return "running"
    if status["restarting"]:
        return "restarting"
    if status["stopped"]:
        return "stopped"
    return end_words(status)


def end_words(status: Mapping[str, Any]) -> str:
    """Return how a program has ended, or why it was not started."""
    if status["error"]:
        return f"not started: {status['error']['message']}"
    returncode = status["returncode"]
    if returncode is None:
        return "not started"
    if returncode < 0:
        try:
            return f"killed by {signal.Signals(-returncode).name}"
        except ValueError:
            return f"killed by signal {-returncode}"
    return f"ended with status {returncode}"


def ended_words(plan: ProgramPlan) -> str:
    """Return what is said of a program that has ended with status 0 while its lab starts.

    >>> ended_words(ProgramPlan("main", ("bash",)))
    'its program main (bash) has ended with status 0: it has done its work, and is not started ...'

    """
    return (
        f"its program {plan.name} ({_short(plan)}) has ended with status 0: it has done its work, "
        'and is not started again (a server stays in the foreground; restart="always" starts it '
        "again)"
    )


def silent_words(plan: ProgramPlan, ports: Sequence[int]) -> str:
    """Return what is said of a program that listens on none of its published ports in time.

    >>> silent_words(ProgramPlan("main", ("serve",)), [80])
    "its program main (serve) runs, and nothing listens on its published port 80 after 20 s; ..."

    """
    places = f"port{'s' * (len(ports) > 1)} {', '.join(map(str, ports))}"
    return (
        f"its program {plan.name} ({_short(plan)}) runs, and nothing listens on its published "
        f"{places} after {_LISTEN_LIMIT_S:g} s; services[{plan.name!r}].log() says what it does"
    )


def refuse_failure(node: Node, plan: ProgramPlan, status: Mapping[str, Any]) -> None:
    """Raise `NotReady` for a program that could not be started, or has failed."""
    failed = status["error"] or status["returncode"] not in (None, 0)
    if status["running"] or status["restarting"] or status["stopped"] or not failed:
        return
    try:
        log = Program(node, plan).log(_TAIL_LINES)
    except AgentError:
        log = ""
    raise NotReady(f"{_title(node, plan)} {end_words(status)}{log_tail(log)}")


def log_tail(log: str) -> str:
    """Return the last lines of a log as an error shows them; "" for none."""
    lines = (line[:_TAIL_CHARACTERS] for line in log.splitlines()[-_TAIL_LINES:])
    tail = "".join(f"\n    {line}" for line in lines)
    return f"\n  the end of its log:{tail}" if tail else ""


def _title(node: Node, plan: ProgramPlan) -> str:
    return f"the program {plan.name} of {node.name} ({_short(plan)})"


def _short(plan: ProgramPlan) -> str:
    words = " ".join(plan.argv)
    return words if len(words) <= 60 else f"{words[:57]}..."
