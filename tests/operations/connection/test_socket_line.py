"""The line by which an agent hands sockets over, with an agent that is a child process."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from playground.errors import AgentGone
from playground.operations.connection.client import Client
from playground.operations.connection.socket_line import SocketLine, where_this_is
from tests.support_agent import Namespaces, connect, needs_root

pytestmark = needs_root

SIOCGSKNS = 0x894C  # linux/sockios.h

STREAM = (socket.AF_INET, socket.SOCK_STREAM, 0)


@pytest.fixture(scope="module")
def node() -> Iterator[Namespaces]:
    with Namespaces() as node:
        yield node


@pytest.fixture
def agent() -> Iterator[Client]:
    with connect() as client:
        yield client


def network_of(line: socket.socket) -> int:
    """Return the inode number of the network namespace that a socket lives in."""
    namespace = fcntl.ioctl(line, SIOCGSKNS)
    try:
        return os.fstat(namespace).st_ino
    finally:
        os.close(namespace)


def network_of_process(pid: int) -> int:
    return os.stat(f"/proc/{pid}/ns/net").st_ino


def test_a_socket_lives_in_the_node_and_the_agent_stays_where_it_is(
    agent: Client, node: Namespaces
) -> None:
    assert agent.ready_sockets() is None
    assert agent.ready_sockets() is None, "it is asked once"
    with socket.socket(*STREAM, fileno=agent.open_socket(node.pid, *STREAM)) as line:
        assert network_of(line) == network_of_process(node.pid)
        assert not line.get_inheritable()
    assert network_of_process(agent.hello()["pid"]) not in {
        network_of_process(node.pid),
        network_of_process(os.getpid()),
    }


def test_many_threads_ask_at_once(agent: Client, node: Namespaces) -> None:
    agent.ready_sockets()
    kinds = [socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW] * 4
    found: list[tuple[int, int]] = []

    def ask(kind: int) -> None:
        protocol = socket.IPPROTO_ICMP if kind == socket.SOCK_RAW else 0
        descriptor = agent.open_socket(node.pid, socket.AF_INET, kind, protocol)
        with socket.socket(fileno=descriptor) as line:
            found.append((kind, line.type))

    threads = [threading.Thread(target=ask, args=[kind]) for kind in kinds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted((kind, kind) for kind in kinds)


def test_what_the_kernel_refuses_is_its_own_error(agent: Client, node: Namespaces) -> None:
    agent.ready_sockets()
    with pytest.raises(OSError, match="Protocol not supported"):
        agent.open_socket(node.pid, socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_UDP)
    with pytest.raises(ProcessLookupError, match="gone"):
        agent.open_socket(2**22 + 1, *STREAM)


@pytest.mark.parametrize("family", [2**40, "internet", None], ids=str)
def test_what_is_no_number_of_the_kernels_does_the_agent_no_harm(
    agent: Client, node: Namespaces, family: Any
) -> None:
    agent.ready_sockets()
    with pytest.raises(OSError, match="int") as caught:
        agent.open_socket(node.pid, family, socket.SOCK_STREAM, 0)
    assert caught.value.errno == errno.EINVAL
    os.close(agent.open_socket(node.pid, *STREAM))
    assert agent.call("echo", value=5) == 5


def test_a_socket_of_the_machine_itself_is_never_handed_out(agent: Client) -> None:
    agent.ready_sockets()
    with pytest.raises(ProcessLookupError):
        agent.open_socket(os.getpid(), *STREAM)


def test_who_waits_or_asks_after_the_end_is_told(agent: Client, node: Namespaces) -> None:
    agent.ready_sockets()
    agent.close()
    with pytest.raises(AgentGone, match="the lab was stopped"):
        agent.open_socket(node.pid, *STREAM)


def test_an_agent_of_another_kernel_says_so(agent: Client) -> None:
    where = where_this_is()
    assert where is not None
    ours, theirs = SocketLine.pair()
    with theirs:
        there = {**where, "boot_id": "another", "descriptor": theirs.fileno()}
        assert "another machine" in agent.call("socket_line", **there)
        hidden = {**where, "pid_namespace": 1, "descriptor": theirs.fileno()}
        assert "does not see" in agent.call("socket_line", **hidden)
    ours.close()


@pytest.mark.parametrize("numbers", ["as here", "its own"])
def test_the_agent_finds_a_client_by_the_numbers_of_its_own_namespace(numbers: str) -> None:
    program = """
import sys
from playground.operations.connection.client import Client, SubprocessChannel
from tests.support_agent import connect
with connect(network=False) as agent:
    print(agent.ready_sockets())
"""
    enter = [] if numbers == "as here" else ["unshare", "--pid", "--fork", "--mount-proc"]
    done = subprocess.run(
        [*enter, sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "None\n"
