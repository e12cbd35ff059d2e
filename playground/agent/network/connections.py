"""Connection tracking: the connections that a node keeps in mind, read and forgotten."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from typing import Any

from playground.agent.kernel.netfilter import NETLINK_NETFILTER, big_endian, netfilter_body
from playground.agent.links.netlink import (
    NLA_F_NESTED,
    NLM_F_DUMP,
    Message,
    Netlink,
    attribute,
    attributes,
    refusal,
)
from playground.agent.protocol import Request

# linux/netfilter/nfnetlink_conntrack.h
CT_GET = 0x0101
CT_DELETE = 0x0102
CTA_TUPLE_ORIG = 1
CTA_TUPLE_REPLY = 2
CTA_STATUS = 3
CTA_PROTOINFO = 4
CTA_HELP = 5
CTA_TIMEOUT = 7
CTA_MARK = 8
CTA_COUNTERS_ORIG = 9
CTA_COUNTERS_REPLY = 10
CTA_ID = 12
CTA_TUPLE_IP = 1
CTA_TUPLE_PROTO = 2
# nf_conntrack_tcp.c: the names that /proc/net/nf_conntrack shows.
TCP_STATES = (
    "NONE",
    "SYN_SENT",
    "SYN_RECV",
    "ESTABLISHED",
    "FIN_WAIT",
    "CLOSE_WAIT",
    "LAST_ACK",
    "TIME_WAIT",
    "CLOSE",
    "SYN_SENT2",
)


def connections(pid: int, most: int | None = None) -> list[Request]:
    netlink = Netlink(pid, NETLINK_NETFILTER)
    message = Message(CT_GET, NLM_F_DUMP, netfilter_body(socket.AF_UNSPEC), "list connections")
    try:
        return [_connection(body) for body in netlink.ask(message, most)]
    finally:
        netlink.close()


def _connection(body: bytes) -> Request:
    parts = attributes(body[4:])
    original, reply = _tuple(parts[CTA_TUPLE_ORIG]), _tuple(parts[CTA_TUPLE_REPLY])
    found: Request = {"protocol": original[0]}
    for prefix, side in (("", original), ("reply_", reply)):
        names = ("source", "source_port", "destination", "destination_port")
        found |= {prefix + name: value for name, value in zip(names, side[1:], strict=True)}
    state = attributes(attributes(parts.get(CTA_PROTOINFO, b"")).get(1, b"")).get(1)
    counters = [
        attributes(parts[kind]) for kind in (CTA_COUNTERS_ORIG, CTA_COUNTERS_REPLY) if kind in parts
    ]
    help_name = attributes(parts.get(CTA_HELP, b"")).get(1, b"")
    return found | {
        "state": TCP_STATES[state[0]] if state and original[0] == socket.IPPROTO_TCP else None,
        "status": big_endian(parts.get(CTA_STATUS)),
        "expires_s": big_endian(parts.get(CTA_TIMEOUT)),
        "mark": big_endian(parts.get(CTA_MARK)),
        "packets": sum(big_endian(one.get(1)) for one in counters) if counters else None,
        "bytes": sum(big_endian(one.get(2)) for one in counters) if counters else None,
        "helper": help_name.rstrip(b"\0").decode(),
    }


def _tuple(data: bytes) -> tuple[int, str, int | None, str, int | None]:
    """Read who sends to whom: protocol, source, its port, destination, its port."""
    sides = attributes(data)
    addresses, ports = attributes(sides[CTA_TUPLE_IP]), attributes(sides[CTA_TUPLE_PROTO])
    family, first = (socket.AF_INET, 1) if 1 in addresses else (socket.AF_INET6, 3)
    source, destination = (socket.inet_ntop(family, addresses[kind]) for kind in (first, first + 1))
    # ICMP has an id (4, in IPv6 7) in the place of a port.
    numbers = [
        next((big_endian(ports[kind]) for kind in kinds if kind in ports), None)
        for kinds in ((2, 4, 7), (3,))
    ]
    return ports[1][0], source, numbers[0], destination, numbers[1]


def forget(pid: int, connections: Sequence[Request] | None) -> int:
    netlink = Netlink(pid, NETLINK_NETFILTER)
    ask = Message(CT_GET, NLM_F_DUMP, netfilter_body(socket.AF_UNSPEC), "list connections")
    gone = 0
    try:
        wanted = None if connections is None else {_key(entry) for entry in connections}
        messages = []
        for body in netlink.ask(ask):
            if wanted is not None and _key(_connection(body)) not in wanted:
                continue
            parts = attributes(body[4:])
            # With its number, so that nothing else of the same ports is meant.
            named = [
                attribute(CTA_TUPLE_ORIG | NLA_F_NESTED, parts[CTA_TUPLE_ORIG]),
                attribute(CTA_ID, parts[CTA_ID]),
            ]
            body = netfilter_body(body[0], *named)
            messages.append(Message(CT_DELETE, 0, body, "forget a connection"))
        for message, number, reason in netlink.attempt(messages):
            if number not in (0, errno.ENOENT):  # it has ended by itself
                raise refusal(message, number, reason)
            gone += number == 0
    finally:
        netlink.close()
    return gone


def _key(entry: Request) -> tuple[Any, ...]:
    names = ("protocol", "source", "source_port", "destination", "destination_port")
    return tuple(entry[name] for name in names)
