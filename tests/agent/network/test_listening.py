"""Listening sockets of a network namespace."""

from __future__ import annotations

import os
import socket

from playground.agent.network.listening import (
    _proc_sockets,
    listening,
    listening_sockets,
    tcp_ports,
)
from playground.agent.nodes.sockets import open_socket
from tests.support_agent import Namespaces, needs_root


def test_both_ways_to_ask_the_kernel_find_the_same() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.create_server(("::1", 0), family=socket.AF_INET6) as tcp6,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
    ):
        udp.bind(("127.0.0.1", 0))
        opened = {("tcp", tcp), ("tcp", tcp6), ("udp", udp)}
        wanted = {(kind, *one.getsockname()[:2]) for kind, one in opened}
        by_netlink = [*listening_sockets({})]
        by_proc = [
            row
            for protocol in ("tcp", "udp")
            for family in (socket.AF_INET, socket.AF_INET6)
            for row in _proc_sockets(protocol, family, {})
        ]
        for rows in (by_netlink, by_proc):
            assert wanted <= {(row["protocol"], row["address"], row["port"]) for row in rows}


@needs_root
def test_the_tcp_ports_of_a_node_are_known_from_outside(
    pair: tuple[Namespaces, Namespaces],
) -> None:
    h1, h2 = pair
    before = os.stat("/proc/self/ns/net").st_ino
    with (
        open_socket(h1.pid, socket.AF_INET, socket.SOCK_STREAM, 0) as tcp,
        open_socket(h1.pid, socket.AF_INET6, socket.SOCK_STREAM, 0) as tcp6,
        open_socket(h1.pid, socket.AF_INET, socket.SOCK_DGRAM, 0) as udp,
    ):
        tcp.bind(("0.0.0.0", 80))
        tcp.listen()
        tcp6.bind(("::", 443))
        tcp6.listen()
        udp.bind(("0.0.0.0", 53))
        assert tcp_ports(h1.pid) == [80, 443]
        assert tcp_ports(h2.pid) == []
    assert tcp_ports(h1.pid) == []
    assert os.stat("/proc/self/ns/net").st_ino == before
    assert tcp_ports(os.getpid()) == []  # no node


@needs_root
def test_only_ports_that_are_asked_for_are_told(pair: tuple[Namespaces, Namespaces]) -> None:
    h1, h2 = pair
    ports = [("tcp", 80), ("tcp", 443), ("udp", 53)]
    with (
        open_socket(h1.pid, socket.AF_INET, socket.SOCK_STREAM, 0) as tcp,
        open_socket(h1.pid, socket.AF_INET6, socket.SOCK_DGRAM, 0) as udp,
    ):
        tcp.bind(("0.0.0.0", 80))
        tcp.listen()
        udp.bind(("::", 53))
        asked = [{"pid": one.pid, "ports": ports} for one in (h1, h2)]
        assert listening(asked) == [[True, False, True], [False, False, False]]
    gone = 2**22 + 1  # more than any process has: proc(5), "pid_max"
    assert listening([{"pid": h1.pid, "ports": []}, {"pid": gone, "ports": []}]) == [[], None]
    assert listening([{"pid": gone, "ports": ports}]) == [None]
