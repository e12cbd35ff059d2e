"""Listening sockets of a network namespace, by the kernel's own list."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence

from playground.agent.kernel.syscalls import read_text
from playground.agent.links.netlink import NLM_F_DUMP, Message, Netlink, attributes
from playground.agent.network.routes import ADDRESS_BYTES
from playground.agent.nodes.entering import in_network
from playground.agent.protocol import Request

# linux/sock_diag.h, inet_diag.h, net/tcp_states.h; what waits for datagrams is closed.
NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
INET_DIAG_SKV6ONLY = 11
TCP_CLOSE = 7
TCP_LISTEN = 10


_PROTOCOLS = {"tcp": (6, 1 << TCP_LISTEN), "udp": (17, 1 << TCP_CLOSE)}


def tcp_ports(pid: int) -> list[int]:
    """Return the TCP ports on which anybody listens in a node; none where it has ended."""
    with contextlib.suppress(OSError), in_network(pid):
        return sorted({row["port"] for row in listening_sockets({}, ["tcp"])})
    return []


def listening(nodes: Sequence[Request]) -> list[list[bool] | None]:
    """Return for each node on which of its ports anybody listens; None of one that has ended."""
    return [_listens(node["pid"], node["ports"]) for node in nodes]


def _listens(pid: int, ports: Sequence[tuple[str, int]]) -> list[bool] | None:
    if not ports:
        return [] if os.path.exists(f"/proc/{pid}/ns/net") else None
    try:
        with in_network(pid):
            protocols = {protocol for protocol, _ in ports}
            heard = {(row["protocol"], row["port"]) for row in listening_sockets({}, protocols)}
    except OSError:
        return None
    return [(protocol, port) in heard for protocol, port in ports]


def listening_sockets(
    programs: Mapping[int, str], protocols: Iterable[str] = _PROTOCOLS
) -> Iterator[Request]:
    """Yield what listens in the present network namespace, by sock_diag(7).

    ``programs`` are the names of programs by the inode numbers of their sockets.

    /proc/net/tcp would go through all connections of the machine, of any namespace.

    """
    netlink = Netlink(None, NETLINK_SOCK_DIAG)
    for protocol in protocols:
        number, states_ = _PROTOCOLS[protocol]
        for family in ADDRESS_BYTES:
            body = struct.pack("BBBxI48x", family, number, 0, states_)
            try:
                answers = netlink.ask(
                    Message(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, body, "list sockets")
                )
            except OSError:
                yield from _proc_sockets(protocol, family, programs)
                continue
            for answer in answers:
                # struct inet_diag_msg
                port, peer = struct.unpack_from(">HH", answer, 4)
                if peer == 0:
                    only = attributes(answer[72:]).get(INET_DIAG_SKV6ONLY, b"\0")
                    yield {
                        "protocol": protocol,
                        "address": socket.inet_ntop(family, answer[8 : 8 + ADDRESS_BYTES[family]]),
                        "port": port,
                        "program": programs.get(struct.unpack_from("I", answer, 68)[0]),
                        "only_ipv6": only[0] == 1,
                    }
    netlink.close()


def _proc_sockets(protocol: str, family: int, programs: Mapping[int, str]) -> Iterator[Request]:
    """Yield the same from /proc/net/tcp (proc_net_tcp.txt): some kernels lack tcp_diag."""
    name = protocol + ("6" if family == socket.AF_INET6 else "")
    state = f"{TCP_LISTEN if protocol == 'tcp' else TCP_CLOSE:02X}"
    try:
        lines = read_text(f"/proc/thread-self/net/{name}").splitlines()[1:]
    except OSError:
        return
    for line in lines:
        words = line.split()
        address, port = words[1].split(":")
        if words[3] == state and int(words[2].rpartition(":")[2], 16) == 0:
            yield {
                "protocol": protocol,
                "address": _proc_address(address),
                "port": int(port, 16),
                "program": programs.get(int(words[9])),
                "only_ipv6": False,
            }


def _proc_address(digits: str) -> str:
    """Read an address as /proc/net/tcp has it: words of 32 bits in the machine's order."""
    words = [int(digits[start : start + 8], 16) for start in range(0, len(digits), 8)]
    packed = struct.pack(f"{len(words)}I", *words)
    return socket.inet_ntop(socket.AF_INET if len(words) == 1 else socket.AF_INET6, packed)
