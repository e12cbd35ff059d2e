"""Connections to a node's own port, wherever it is that a server listens."""

from __future__ import annotations

import queue
import socket

import pytest

from playground.agent.ports.dialling import NodeNetwork, Target, dial
from tests.agent.ports.running import Running
from tests.support_agent import Namespaces, apart, needs_root


def dialled(running: Running, port: int) -> socket.socket | None:
    answers: queue.SimpleQueue[socket.socket | None] = queue.SimpleQueue()
    running.do(lambda: dial(running.poller, Target(NodeNetwork(None), "tcp", port), answers.put))
    return answers.get(timeout=10)


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::1", "::", "127.0.0.7"])
def test_a_server_is_reached_at_whatever_address_it_listens(running: Running, address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as server:
        made = dialled(running, server.getsockname()[1])
        assert made is not None
        made.close()


def test_where_nobody_listens_nobody_answers(running: Running) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert dialled(running, bound.getsockname()[1]) is None


def test_what_answered_comes_first_the_next_time() -> None:
    target = Target(NodeNetwork(None), "udp", 9)
    first, second, *_ = target.places()
    assert (first[1], second[1]) == ("127.0.0.1", "::1")
    target.answered(second)
    assert next(target.places()) == second


def _open_in(pid: int) -> bool:
    with NodeNetwork(pid).open(socket.AF_INET, socket.SOCK_STREAM) as made:
        made.setblocking(True)
        made.bind(("127.0.0.1", 4321))
        made.listen()
        found = NodeNetwork(pid).listening("tcp", 4321)
        return [place[1] for place in found] == ["127.0.0.1"] and not NodeNetwork(None).listening(
            "tcp", 4321
        )


@needs_root
def test_from_outside_a_socket_is_opened_in_the_node(
    pair: tuple[Namespaces, Namespaces],
) -> None:
    assert apart(_open_in, pair[0].pid)
