"""A service of the user's own on a running node: a program that says when it is ready.

A service of ours is asked by the agent alone.  One of a user's may be ready by a command, by
a function, or by nothing but not ending; and what it was told may be wrong, so that it ends
at once, each time that the supervisor starts it.

"""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from typing import Any

from playground.errors import CommandTimeout, NotReady, TooMuchOutput
from playground.model.containers.own_service import TLS_FILES
from playground.model.services.settings import Probe, ServiceRow
from playground.operations.connection.commands import run
from playground.operations.connection.handles import Node
from playground.operations.programs.program import Program, end_words, log_tail, refuse_failure
from playground.operations.programs.ready_timeout import READY_TIMEOUT_S
from playground.planning.program_plans import ProgramPlan

# One that says nothing of its readiness is up once it has slept for so long, and not ended;
# one that never sleeps, after the second.
_ASLEEP_S = 0.3
_SETTLED_S = 3.0

# In which a process waits for nothing but an event: proc_pid_stat(5).
_SLEEPS = ("S", "I")

# A program that waits for another may end a few times before that is there; a shell that
# finds no program (126 and 127: sh(1)) says that no try will do.
_MOST_ENDINGS = 3
_HOPELESS = (126, 127)

# The agent asks for so long, then its endings are counted; for longer once it has not answered
# for a while, as an answer may take its time.
_SLICE_S = 0.25
_SLICE_SHARE = 0.5
_PAUSE_S = 0.02

# A command that did not end in less than this was cut off.
_WHOLE_S = 5.0

_TAIL_LINES = 10


class OwnService(Program):
    """A `Service` of a running node: what a `Program` is, with ports, and ready by an answer."""

    def __init__(self, node: Node, plan: ProgramPlan, row: ServiceRow) -> None:
        super().__init__(node, plan)
        self._row = row

    def __repr__(self) -> str:
        return f"<service {super().__repr__().removeprefix('<program ')}"

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports that it was declared with."""
        return tuple(port.number for port in self._row.ports)

    def start(self) -> None:
        """Start the service; it is ready when this returns.

        Does nothing to one that runs.  Raises `NotReady`, with the end of its log, where it
        cannot be started, ends again and again, or is not ready within a minute.

        """
        before = self._ask("status")
        status = self._ask("begin")
        refuse_failure(self._node, self._plan, status)
        self._wait(READY_TIMEOUT_S, before["restarts"])

    def wait_ready(self, timeout_s: float | None = None) -> None:
        """Wait until it is ready, as ``Service(ready=...)`` says.

        Raises `NotReady`, with the end of its log, after ``timeout_s`` seconds, by default a
        minute, or as soon as it has ended so often that it never will be.

        """
        limit_s = READY_TIMEOUT_S if timeout_s is None else timeout_s
        self._wait(limit_s, self._ask("status")["restarts"])

    def wait_begun(self, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Wait as `wait_ready`, for one that has just been started for the first time."""
        self._wait(timeout_s, 0)

    def _wait(self, timeout_s: float, restarts: int) -> None:
        """Wait; of how often it was started again before, ``restarts`` times do not count."""
        readiness = self._row.readiness
        assert readiness is not None  # it is a user's own
        quiet = not self._row.probes and not any(readiness)
        awake = began = time.monotonic()
        message: str | None = None
        while True:
            waited_s = time.monotonic() - began
            left_s = max(_PAUSE_S, timeout_s - waited_s)
            slice_s = min(left_s, max(_SLICE_S, _SLICE_SHARE * waited_s))
            message = self._not_yet(left_s, slice_s, message)
            status = self._ask("status")
            refuse_failure(self._node, self._plan, status)
            self._refuse_endings(status, status["restarts"] - restarts, quiet)
            now = time.monotonic()
            if status["state"] not in _SLEEPS:
                awake = now
            settled = now > min(awake + _ASLEEP_S, began + _SETTLED_S)
            if message is None and status["running"] and (settled or not quiet):
                return
            if now - began >= timeout_s:
                raise self._not_ready(f"{message or 'does not run'} within {timeout_s:g} s")
            time.sleep(_PAUSE_S)

    def _refuse_endings(self, status: Mapping[str, Any], restarts: int, quiet: bool) -> None:
        endings = restarts + int(status["restarting"])
        if endings <= 0:
            return
        if quiet or endings >= _MOST_ENDINGS or status["last_returncode"] in _HOPELESS:
            times = f", {endings} times by now" if endings > 1 else ""
            how = end_words({**status, "returncode": status["last_returncode"]})
            raise self._not_ready(f"{how} at once{times}")

    def _not_ready(self, what: str) -> NotReady:
        return NotReady(f"{self.name} of {self.node} {what}{log_tail(self.log(_TAIL_LINES))}")

    def _not_yet(self, left_s: float, slice_s: float, earlier: str | None) -> str | None:
        """Return what is wrong after a short look; None if it is ready.

        A command that the end of the time cuts off says nothing: ``earlier`` holds then.

        """
        readiness = self._row.readiness
        assert readiness is not None
        if readiness.function is not None:
            # It asks a server that is not there yet: whatever that raises.
            try:
                ready, problem = readiness.function(self._node), ""
            except Exception as error:
                if _is_slip(error, self._node):
                    raise self._not_ready(
                        "can never be ready: its function raises "
                        f"{type(error).__name__}: {error}; mend ready="
                    ) from error
                ready, problem = False, f": it raises {type(error).__name__}: {error}"
            return None if ready else f"is not ready, says its function{problem},"
        if readiness.command:
            try:
                result = run(self._node, readiness.command, timeout_s=left_s, check=False)
            except CommandTimeout:
                cut = earlier is not None and left_s < _WHOLE_S
                return earlier if cut else "is not ready: its command does not end"
            except TooMuchOutput:
                return "is not ready: its command prints more than anybody reads"
            if result.returncode == 0:
                return None
            said = "".join(f": {line}" for line in (result.stdout + result.stderr).split("\n")[:1])
            if result.returncode in _HOPELESS:
                raise self._not_ready(
                    "can never be ready: its command cannot be run "
                    f"(exit status {result.returncode}{said}); mend ready="
                )
            return f"is not ready, says its command (exit status {result.returncode}{said}),"
        return self._silent_port(slice_s) if self._row.probes else None

    def _silent_port(self, timeout_s: float) -> str | None:
        live = self._node.running()
        authority = None
        if self._row.tls:
            pem = live.agent.call("read_file", pid=live.pid, path=TLS_FILES["TLS_CA_FILE"])
            authority = base64.b64decode(pem).decode()
        checks = [
            probe_request(self._node, self.name, probe) | {"authority": authority}
            for probe in self._row.probes
        ]
        failures = live.agent.call("wait_ready", checks=checks, timeout_s=timeout_s)
        if not failures:
            return None
        # It may listen on an address of its host's alone.
        interfaces = live.plan.interfaces if live.plan is not None else ()
        for address in (str(one.ip) for item in interfaces for one in item.addresses):
            elsewhere = [item | {"address": address} for item in checks]
            if not live.agent.call("wait_ready", checks=elsewhere, timeout_s=_PAUSE_S):
                return None
        said = failures[0]["message"]
        if self._row.tls and "WRONG_VERSION_NUMBER" in said:
            said = "it speaks no TLS; have it load what TLS_CERT_FILE and TLS_KEY_FILE name"
        return f"did not answer on port {failures[0]['port']} ({said})"


def _is_slip(error: Exception, node: Node) -> bool:
    """Whether a function that raised this has a mistake that no server's answer mends.

    What a half-ready server answers may well raise a ValueError or KeyError, and a None where
    a match was hoped for an AttributeError or TypeError: these may be gone at the next look.

    """
    if isinstance(error, AttributeError):
        return error.obj is node
    if isinstance(error, TypeError):  # raised by the call itself: it takes no host
        return error.__traceback__ is not None and error.__traceback__.tb_next is None
    return isinstance(error, (NameError, ImportError, ZeroDivisionError, SyntaxError))


def probe_request(node: Node, service: str, probe: Probe) -> dict[str, Any]:
    """Return a question to a service's port as the agent's ``wait_ready`` takes it."""
    return {
        "pid": node.running().pid,
        "node": node.name,
        "service": service,
        "port": probe.port,
        "protocol": probe.protocol,
        "tls": probe.tls,
        "send": None if probe.send is None else base64.b64encode(probe.send).decode(),
        "expect": probe.expect,
        "other_port": probe.other_port,
    }
