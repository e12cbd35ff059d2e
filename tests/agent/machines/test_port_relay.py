"""Published ports of nodes on two machines, over one line."""

from __future__ import annotations

import os
import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from playground.agent.line.replies import Replies
from playground.agent.machines.frame_routes import Frames, packed
from playground.agent.machines.lines import ServerLine
from playground.agent.machines.machine_lines import MachineLine
from playground.agent.machines.numbers import global_pid, machine_number
from playground.agent.machines.port_relay import PortRelay
from playground.agent.machines.tasks import RemoteError
from playground.agent.ports.streams import DATA, OPEN, RESET
from playground.lab.outside.published_ports import PublishedPorts
from playground.model.containers.container import PublishedPort
from tests.support_agent import Namespaces, needs_root, run
from tests.support_machines import IDS, M1, M2, AgentsHere, board, channel, on


class Fake:
    """A machine whose agent is this test."""

    def __init__(self, name: str = IDS[0]) -> None:
        greeting = {"name": "m1", "id": name, "address": "", "underlay": 1}
        self.machine = MachineLine(greeting)
        self.ours, theirs = socket.socketpair()
        self.ours.settimeout(20)
        self.machine.line = ServerLine(theirs)
        self.machine.line.become_stream()

    def hear(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            data += self.ours.recv(count - len(data))
        return data


@pytest.fixture
def library() -> Iterator[tuple[socket.socket, list[Fake]]]:
    """The library's end of a relay, and the machines that it may reach."""
    ours, theirs = socket.socketpair()
    ours.settimeout(20)
    fakes: list[Fake] = []
    selector = selectors.DefaultSelector()
    out = os.dup(theirs.fileno())

    def reach(number: int) -> MachineLine:
        for fake in fakes:
            if fake.machine.number == number:
                return fake.machine
        raise RemoteError({"type": "OSError", "errno": 112, "message": "the machine m9 is gone"})

    relay = PortRelay(theirs.fileno(), Replies(selector, out), reach)
    loop = threading.Thread(target=relay.serve, args=(selector,))
    loop.start()
    yield ours, fakes
    ours.close()
    loop.join(20)
    assert not loop.is_alive()
    for fake in fakes:
        fake.ours.close()
        assert fake.machine.line is not None
        fake.machine.line.close()
    theirs.close()
    os.close(out)
    selector.close()


def frames(line: socket.socket, count: int) -> list[tuple[int, int, bytes]]:
    whole, found = Frames(), []
    while len(found) < count:
        found += whole.take(line.recv(1 << 16))
    return found


def test_an_agent_carries_before_it_is_sent_frames(
    library: tuple[socket.socket, list[Fake]],
) -> None:
    line, fakes = library
    fake = Fake()
    fakes.append(fake)
    asked = b'{"pid": %d, "protocol": "tcp", "port": 80}'
    line.sendall(packed(OPEN, 1, asked % global_pid(machine_number(IDS[0]), 7)))
    request = b'{"id": 0, "op": "carry"}\n'
    assert fake.hear(len(request)) == request
    # What it was asked before is answered first, and is no frame.
    fake.ours.sendall(b'{"id": 4, "result": null}\n{"id": 0, "res')
    fake.ours.sendall(b'ult": null}\n' + packed(DATA, 1))
    frame = packed(OPEN, 1, asked % 7)
    assert fake.hear(len(frame)) == frame
    assert frames(line, 1) == [(DATA, 1, b"")]
    fake.ours.close()
    [(kind, number, error)] = frames(line, 1)
    assert (kind, number) == (RESET, 1)
    assert b"the machine m1 is gone" in error


def test_a_machine_that_is_not_reached_breaks_off_what_was_meant_for_it(
    library: tuple[socket.socket, list[Fake]],
) -> None:
    line, _ = library
    asked = b'{"pid": %d, "protocol": "tcp", "port": 80}'
    line.sendall(packed(OPEN, 1, asked % global_pid(9, 7)) + packed(OPEN, 2, b'{"of": 1}'))
    first, second = frames(line, 2)
    assert (first[0], first[1], b"the machine m9 is gone" in first[2]) == (RESET, 1, True)
    assert second == (RESET, 2, b"")


_SERVER = (
    'python3 -c \'import socket as s; l = s.create_server(("127.0.0.1", 80)); '
    "print(flush=True); c, _ = l.accept(); c.sendall(c.recv(9) * %d); c.close()'"
)


@needs_root
def test_ports_of_nodes_on_two_machines_are_reached_from_here(
    nodes: tuple[Namespaces, Namespaces],
) -> None:
    count = 300_000
    with ExitStack() as stack:
        a, b = (stack.enter_context(Namespaces(name)) for name in ("a", "b"))
        servers = AgentsHere((a, b))
        stack.callback(servers.close)
        client, _ = stack.enter_context(board(servers))
        pids = [on(M1, nodes[0]), on(M2, nodes[1])]
        client.call("own", pids=pids)
        for pid in pids:
            run(client, pid, "ip link set lo up")
        listening = [client.spawn(pid, ["sh", "-c", _SERVER % count]) for pid in pids]
        for process in listening:
            process.read_stdout(20)
        others = AgentsHere((a, b))
        stack.callback(others.close)
        line = stack.enter_context(channel(others))
        ports = PublishedPorts(lambda: client, lambda: line)
        stack.callback(ports.close)
        for pid, word in zip(pids, (b"one", b"two"), strict=True):
            address = ports.publish("h", pid, PublishedPort(80))
            with socket.create_connection(("127.0.0.1", address.port), 20) as caller:
                caller.sendall(word)
                with caller.makefile("rb") as file:
                    assert file.read() == word * count
