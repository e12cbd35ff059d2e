"""Route lookup: the way by which the kernel would send a packet."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from playground.agent.network.applied_settings import network
from playground.agent.network.route_lookup import look_up_routes
from tests.support_agent import Namespaces, apart, cable, needs_root, node


@pytest.fixture(scope="module")
def h1() -> Iterator[Namespaces]:
    with Namespaces("h1") as h:
        cable(h)
        routes = [
            {"destination": "10.9.0.0/16", "via": "10.0.0.2", "interface": "e0"},
            {"destination": "10.8.0.0/16", "via": None, "interface": "e0"},
        ]
        apart(network, [node(h.pid, "10.0.0.1/24", interface="e0", routes_add=routes)])
        yield h


def question(pid: int, destination: str, **more: Any) -> dict[str, Any]:
    names = ("source", "interface", "mark", "protocol", "source_port", "port")
    return {"pid": pid, "destination": destination, **dict.fromkeys(names), **more}


@needs_root
@pytest.mark.parametrize(
    ("destination", "via", "interface", "prefix"),
    [
        ("10.0.0.7", None, "e0", "10.0.0.0/24"),
        ("10.9.3.4", "10.0.0.2", "e0", "10.9.0.0/16"),
        ("10.8.3.4", None, "e0", "10.8.0.0/16"),
        ("10.0.0.1", None, "lo", "10.0.0.1/32"),
    ],
)
def test_the_way_of_a_packet(
    h1: Namespaces, destination: str, via: str | None, interface: str, prefix: str
) -> None:
    [way] = apart(look_up_routes, [question(h1.pid, destination)])
    assert (way["errno"], way["via"], way["interface"]) == (None, via, interface)
    assert (way["prefix"], way["source"]) == (prefix, "10.0.0.1")


@needs_root
def test_a_packet_without_a_way(h1: Namespaces) -> None:
    [way] = apart(look_up_routes, [question(h1.pid, "203.0.113.5")])
    assert way == {"errno": errno.ENETUNREACH, "message": "Network is unreachable"}


@needs_root
def test_a_packet_with_ports_has_the_same_way(h1: Namespaces) -> None:
    more = {"protocol": socket.IPPROTO_TCP, "source_port": 40000, "port": 80}
    plain, with_ports = apart(
        look_up_routes, [question(h1.pid, "10.9.3.4"), question(h1.pid, "10.9.3.4", **more)]
    )
    assert plain == with_ports
