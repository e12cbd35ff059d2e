"""Waiting for a user's own program: until it answers, or has ended too often.

A service of ours is asked by the agent alone.  One of a user's may be ready by a command, by
a function, or by nothing but not ending; and what it was told may be wrong, so that it ends
at once, each time that its supervisor starts it.

"""

from __future__ import annotations

import base64
import time
from contextlib import suppress
from typing import Any

from playground.errors import AgentError, CommandTimeout, NotReady
from playground.model.own_service import ENDED, TLS_FILES
from playground.model.services import Probe, ServiceRow
from playground.operations.connection.commands import run
from playground.operations.connection.handles import Node

# One that says nothing of its readiness is up once it has slept for so long, and not ended;
# one that never sleeps, after the second.
_ASLEEP_S = 0.3
_SETTLED_S = 3.0

# A program that waits for another may end a few times before that is there; a shell that
# cannot start it (126 and 127: sh(1)) says that no try will do.
_MOST_ENDINGS = 3
_HOPELESS = ("with exit status 126", "with exit status 127")

# In which a process waits for nothing but an event: proc_pid_stat(5).
_SLEEPS = ("S", "I")

# The agent asks for so long, then its endings are counted.
_SLICE_S = 0.25
_PAUSE_S = 0.02


def requests(node: Node, row: ServiceRow) -> list[dict[str, Any]]:
    """Return the questions to a service's ports as the agent's ``wait_ready`` takes them."""
    return [_request(node, row, probe) for probe in row.probes]


def wait_own(node: Node, row: ServiceRow, timeout_s: float) -> None:
    """Wait until a user's own service is ready; raise `NotReady`, which says how far it got."""
    if row.readiness is None:
        return
    here = f"{row.name} of {node.name}"
    deadline = time.monotonic() + timeout_s
    quiet = not row.probes and not any(row.readiness)
    awake = began = time.monotonic()
    while True:
        message = _not_yet(node, row, deadline)
        endings = _endings(node, row.name)
        if endings and (quiet or len(endings) >= _MOST_ENDINGS or endings[-1] in _HOPELESS):
            times = f", {len(endings)} times by now" if len(endings) > 1 else ""
            raise NotReady(f"{here} ended at once, {endings[-1]}{times}")
        now = time.monotonic()
        if quiet and not _sleeps(node, row):
            awake = now
        if message is None and (not quiet or now > min(awake + _ASLEEP_S, began + _SETTLED_S)):
            return
        if now >= deadline:
            raise NotReady(f"{here} {message} within {timeout_s:g} s")
        time.sleep(_PAUSE_S)


def forget_endings(node: Node, name: str) -> None:
    """Count from nought how often a service has ended."""
    run(node, ["rm", "-f", f"{ENDED}/{name}"])


def _not_yet(node: Node, row: ServiceRow, deadline: float) -> str | None:
    """Return what is wrong after a short look; None if it is ready."""
    assert row.readiness is not None
    left_s = max(_PAUSE_S, deadline - time.monotonic())
    if row.readiness.function is not None:
        problem = ""
        # It asks a server that is not there yet: whatever that raises.
        try:
            ready = row.readiness.function(node)
        except Exception as error:
            ready, problem = False, f": it raises {type(error).__name__}: {error}"
        return None if ready else f"is not ready, says its function{problem},"
    if row.readiness.command:
        with suppress(CommandTimeout):
            result = run(node, list(row.readiness.command), timeout_s=left_s, check=False)
            if result.returncode == 0:
                return None
            said = (result.stderr or result.stdout).strip().splitlines()[-1:]
            return (
                f"is not ready, says its command (exit status {result.returncode}"
                f"{': ' + said[0] if said else ''}),"
            )
        return "is not ready: its command does not end"
    if not row.probes:
        return None
    return _silent_port(node, row, min(_SLICE_S, left_s))


def _silent_port(node: Node, row: ServiceRow, timeout_s: float) -> str | None:
    live = node.running()
    authority = None
    if row.tls:
        pem = live.agent.call("read_file", pid=live.pid, path=TLS_FILES["TLS_CA_FILE"])
        authority = base64.b64decode(pem).decode()
    checks = [item | {"authority": authority} for item in requests(node, row)]
    failures = live.agent.call("wait_ready", checks=checks, timeout_s=timeout_s)
    if failures and live.plan is not None:
        # It may listen on an address of its host's alone.
        for address in (str(one.ip) for item in live.plan.interfaces for one in item.addresses):
            elsewhere = [item | {"address": address} for item in checks]
            if not live.agent.call("wait_ready", checks=elsewhere, timeout_s=_PAUSE_S):
                return None
    if not failures:
        return None
    first = failures[0]
    said = first["message"]
    if row.tls and "WRONG_VERSION_NUMBER" in said:
        said = "it speaks no TLS; have it load the files that TLS_CERT_FILE and TLS_KEY_FILE name"
    return f"did not answer on port {first['port']} ({said})"


def _sleeps(node: Node, row: ServiceRow) -> bool:
    """Tell whether a program waits for something, and has begun therefore."""
    live = node.running()
    with suppress(AgentError, ValueError):  # its supervisor writes its number only now
        path = f"/etc/sv/{row.programs[0]}/supervise/pid"
        number = int(base64.b64decode(live.agent.call("read_file", pid=live.pid, path=path)))
        for process in live.agent.call("processes", pid=live.pid):
            if process["pid"] == number:
                return process["state"] in _SLEEPS
    return False


def _endings(node: Node, name: str) -> list[str]:
    """Return how a service has ended, each time that nobody had asked for it."""
    live = node.running()
    with suppress(AgentError):  # there is no such file: it has not
        data = live.agent.call("read_file", pid=live.pid, path=f"{ENDED}/{name}", tail_bytes=4096)
        return base64.b64decode(data).decode(errors="replace").splitlines()
    return []


def _request(node: Node, row: ServiceRow, probe: Probe) -> dict[str, Any]:
    return {
        "pid": node.running().pid,
        "node": node.name,
        "service": row.name,
        "port": probe.port,
        "protocol": probe.protocol,
        "tls": probe.tls,
        "send": None if probe.send is None else base64.b64encode(probe.send).decode(),
        "expect": probe.expect,
    }
