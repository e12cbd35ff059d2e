"""A job: one command that runs in a node, the pipes to it, and how it is started."""

from __future__ import annotations

import os
import socket
from typing import Any

from playground.agent.line.job_input import JobInput
from playground.agent.nodes.commands import Command, start_in_node
from playground.agent.nodes.entering import find_node
from playground.agent.nodes.launcher import LAUNCH_BYTES
from playground.agent.nodes.launcher_clients import Launcher, Launches, start_request


class AgentJob:
    """A command that runs in a node, and the pipes to it."""

    def __init__(self, number: int, request_id: Any, stdin: JobInput) -> None:
        self.number = number
        self.request_id = request_id
        self.stdin = stdin
        self.pid = 0
        self.node = 0  # the first process of the node that it runs in
        self.launcher: Launcher | None = None
        self.start_by = 0.0
        self.given_up = False
        self.channel: socket.socket | None = None
        self.streams: dict[str, int] = {}
        self.terminal = False
        self.unconsumed = 0
        self.paused = False
        self.returncode: int | None = None
        self.exit_sent = False


def start_job(
    job: AgentJob,
    launches: Launches,
    pid: int,
    command: Command,
    *,
    stdin: bool,
    merge_stderr: bool,
) -> None:
    """Start a job's command in a node, by a launcher where one can, with pipes to it.

    What comes of it is told on the job's channel.  Nothing is left open after a failure.

    """
    job.node = pid
    theirs: list[int] = []
    ours: list[int] = []
    try:
        if command.tty is None:
            if stdin:
                reader, job.stdin.fd = os.pipe()
                ours.append(job.stdin.fd)
            else:
                reader = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
            theirs.append(reader)
            for name in ("stdout",) if merge_stderr else ("stdout", "stderr"):
                job.streams[name], writer = os.pipe()
                ours.append(job.streams[name])
                theirs.append(writer)
            if merge_stderr:
                theirs.append(os.dup(theirs[-1]))
            stdio = (theirs[0], theirs[1], theirs[2])
        else:
            stdio = None
        job.channel = _launch(job, launches, pid, command, stdio)
        if job.channel is None:
            job.pid, job.channel = start_in_node(pid, command, stdio)
    except BaseException:
        for fd in ours:
            os.close(fd)
        raise
    finally:
        for fd in theirs:
            os.close(fd)
    for fd in ours:
        os.set_blocking(fd, False)


def _launch(
    job: AgentJob,
    launches: Launches,
    pid: int,
    command: Command,
    stdio: tuple[int, int, int] | None,
) -> socket.socket | None:
    """Hand a command to a launcher; None if it needs a child of our own."""
    node = find_node(pid)
    if stdio is None or command.user is not None or (node.uid, node.gid) != (0, 0):
        return None
    if "HOME" not in node.environ and "HOME" not in command.env:
        return None
    if node.resource_limits:
        return None  # they would be the launcher's own
    if node.memory_is_limited:
        # Of all in the group a launcher may be the largest, and the kernel
        # would kill it for what another needs, and other nodes' jobs with it.
        return None
    asked = {
        "argv": command.argv,
        "env": {**node.environ, **command.env},
        "cwd": command.cwd,
    }
    packet = start_request(job.number, pid, asked, job.start_by)
    if len(packet) > LAUNCH_BYTES:
        return None
    here, there = socket.socketpair()
    with there:
        job.launcher = launches.send(node, packet, [*stdio, there.fileno()])
    if job.launcher is None:
        here.close()
        return None
    return here
