"""Route lookup: the way by which the kernel would send a packet, as `ip route get` asks it."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Sequence

from playground.agent.links.netlink import (
    Message,
    Netlink,
    NetlinkError,
    attribute,
    attributes,
    in_each,
    read_number,
)
from playground.agent.network.addresses import packed_address
from playground.agent.network.routes import (
    RTA_DST,
    RTA_OIF,
    RTA_PREFSRC,
    RTA_TABLE,
    RTM_GETROUTE,
    gateway_of,
)
from playground.agent.protocol import Request

RTA_SRC = 2
RTA_IIF = 3
RTA_METRICS = 8
RTA_MARK = 16
RTA_IP_PROTO = 27
RTA_SPORT = 28
RTA_DPORT = 29
RTAX_MTU = 2
RTM_F_LOOKUP_TABLE = 0x1000
RTM_F_FIB_MATCH = 0x2000


def look_up_routes(questions: Sequence[Request]) -> list[Request]:
    return [_way(question, netlink) for question, netlink in in_each(questions)]


def _way(question: Request, netlink: Netlink) -> Request:
    """Ask the kernel which way one packet would go (`ip route get`)."""
    family, destination = packed_address(question["destination"])
    bits = len(destination) * 8
    names = {name: index for index, name in socket.if_nameindex()}
    parts = attribute(RTA_DST, destination)
    source_bits = 0
    if question["source"] is not None:
        parts += attribute(RTA_SRC, packed_address(question["source"])[1])
        source_bits = bits
    if question["interface"] is not None:
        index = names.get(question["interface"], 0)
        parts += attribute(RTA_IIF, struct.pack("I", index))
    if question["mark"]:
        parts += attribute(RTA_MARK, struct.pack("I", question["mark"]))
    if question["port"] is not None:
        parts += attribute(RTA_IP_PROTO, struct.pack("B", question["protocol"]))
        parts += attribute(RTA_SPORT, struct.pack(">H", question["source_port"]))
        parts += attribute(RTA_DPORT, struct.pack(">H", question["port"]))

    def ask(flags: int) -> bytes:
        head = struct.pack("BBBBBBBBI", family, bits, source_bits, 0, 0, 0, 0, 0, flags)
        return netlink.ask(Message(RTM_GETROUTE, 0, head + parts, "find a way"))[0]

    try:
        answer = ask(RTM_F_LOOKUP_TABLE)
    except NetlinkError as error:
        return {"errno": error.errno, "message": os.strerror(error.errno or 0)}
    found = attributes(answer[12:])
    _, _, _, _, table, protocol, _, kind, _ = struct.unpack_from("BBBBBBBBI", answer)
    metrics = attributes(found.get(RTA_METRICS, b""))
    by_number = {index: name for name, index in names.items()}

    def address(kind: int) -> str | None:
        return socket.inet_ntop(family, found[kind]) if kind in found else None

    row = {
        "errno": None,
        "kind": kind,
        "via": gateway_of(family, found),
        "interface": by_number.get(read_number(found, RTA_OIF) or 0),
        "source": address(RTA_PREFSRC),
        "table": read_number(found, RTA_TABLE) or table,
        "mtu_bytes": read_number(metrics, RTAX_MTU),
        "protocol": protocol,
        "prefix": None,
    }
    with contextlib.suppress(NetlinkError):  # kernels before 5.3, and multipath of some
        entry = ask(RTM_F_FIB_MATCH)
        length, protocol = entry[1], entry[5]
        prefix = attributes(entry[12:]).get(RTA_DST, bytes(bits // 8))
        row |= {"prefix": f"{socket.inet_ntop(family, prefix)}/{length}", "protocol": protocol}
    return row
