"""Listening sockets of a network namespace."""

from __future__ import annotations

import socket

from playground.agent.network.listening import _proc_sockets, listening_sockets


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
