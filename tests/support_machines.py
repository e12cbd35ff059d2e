"""Machines of a swarm without a swarm: agents here, each with a way out of its own.

`board` is the switchboard over them, and the client that speaks with it.

"""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from playground.agent.machines.lines import ServerLine
from playground.agent.machines.machine_lines import MachineLine, MachineServers
from playground.agent.machines.numbers import global_pid, machine_number
from playground.agent.machines.switchboard import Switchboard
from playground.agent.machines.tasks import RemoteError
from playground.agent.protocol import Request
from playground.engines.seam import Channel
from playground.operations.connection.client import Client
from tests.support_agent import Namespaces, agent_argv

# As Swarm would call them.
IDS = ("000001aaaaaaaaaaaaaaaaaaa", "000002bbbbbbbbbbbbbbbbbbb")
M1, M2 = map(machine_number, IDS)


class AgentsHere(MachineServers):
    """Servers of machines that are all here: each starts an agent as a process."""

    def __init__(self, underlays: Iterable[Namespaces]) -> None:
        super().__init__("playground", None)
        self._underlays = list(underlays)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.told: list[Request] = []
        # Ports that belong to other labs.
        self.taken: set[int] = set()

    def discover(self) -> None:
        for number, (name, under) in enumerate(zip(IDS, self._underlays, strict=True), 1):
            greeting = {
                "name": f"m{number}",
                "id": name,
                "address": f"198.18.0.{number}",
                "underlay": under.pid,
            }
            self.machines.setdefault(machine_number(name), MachineLine(greeting))

    def open(self, machine: MachineLine, request: Request) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(agent_argv(), stdin=theirs, stdout=theirs)
        self.processes[machine.name] = process
        line = ServerLine(ours)
        machine.hello = line.hear(20)["hello"]
        line.become_stream()
        machine.line = line

    def tell(self, machines: Iterable[MachineLine], request: Request) -> None:
        if request["port"] in self.taken:
            message = f"on the machine m1: the port {request['port']} belongs to another lab"
            raise RemoteError({"type": "OSError", "errno": 5, "message": message})
        self.told.append(request)

    def close(self) -> None:
        for process in self.processes.values():
            process.wait(20)


class _Socket:
    """The library's end of a line to the switchboard."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line

    def read(self, n: int, /) -> bytes:
        return self._line.recv(n)

    def write(self, data: bytes, /) -> None:
        self._line.sendall(data)

    def close(self) -> None:
        with suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)

    def stderr_tail(self) -> str:
        return ""


WANTED: Request = {
    "do": "serve",
    "lab": "lab-1",
    "name": "lab-1._helper",
    "config": {},
    "keep": False,
    "service": "playground",
    "machines": [],
    "new": True,
}


@contextmanager
def _served(servers: MachineServers, **changed: Any) -> Iterator[tuple[_Socket, Switchboard]]:
    """Run a switchboard in a thread; yield the library's end of its line."""
    ours, theirs = socket.socketpair()
    out = os.dup(theirs.fileno())
    made = Switchboard(theirs.fileno(), out, WANTED | changed, servers)
    made.open_lines(IDS[0])

    def serve() -> None:
        try:
            made.serve()
        finally:
            made.close()
            theirs.close()
            os.close(out)

    loop = threading.Thread(target=serve)
    loop.start()
    try:
        yield _Socket(ours), made
    finally:
        ours.close()
        loop.join(20)


@contextmanager
def board(servers: MachineServers, **changed: Any) -> Iterator[tuple[Client, Switchboard]]:
    """Run a switchboard in a thread; yield the client that speaks with it."""
    with _served(servers, **changed) as (line, made), Client(line) as client:
        client.hello(20)
        yield client, made


@contextmanager
def channel(servers: MachineServers, **changed: Any) -> Iterator[Channel]:
    """Run a switchboard in a thread; yield the bare line to it."""
    with _served(servers, **changed) as (line, _):
        yield line


def on(machine: int, node: Namespaces) -> int:
    """Return the number that a node's first process has on a machine."""
    return global_pid(machine, node.pid)
