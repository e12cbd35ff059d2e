"""Addresses of interfaces, and the MAC addresses of neighbours, rtnetlink(7)."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Sequence

from playground.agent.links.interfaces import index_or_none
from playground.agent.links.netlink import (
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_REPLACE,
    Message,
    Netlink,
    attempt,
    attribute,
    attributes,
    in_each,
)
from playground.agent.protocol import Request

# linux/rtnetlink.h, linux/neighbour.h
RTM_NEWADDR = 20
RTM_DELADDR = 21
RTM_GETADDR = 22
RTM_DELNEIGH = 29
NDA_DST = 1

# linux/if_addr.h
IFA_ADDRESS = 1
IFA_LOCAL = 2
IFA_BROADCAST = 4
IFA_F_NODAD = 2
RT_SCOPE_UNIVERSE = 0
RT_SCOPE_LINK = 253
RT_SCOPE_NOWHERE = 255


def packed_address(text: str) -> tuple[int, bytes]:
    """Return the address family and the bytes of an address."""
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    return family, socket.inet_pton(family, text)


def packed_prefix(text: str) -> tuple[int, bytes, int]:
    """Return family, bytes and prefix length of "address/length"."""
    address, _, length = text.partition("/")
    family, packed = packed_address(address)
    return family, packed, int(length) if length else len(packed) * 8


def new_address(name: str, index: int, text: str) -> Message:
    family, packed, length = packed_prefix(text)
    flags = 0
    body = attribute(IFA_LOCAL, packed) + attribute(IFA_ADDRESS, packed)
    if family == socket.AF_INET6:
        # RFC 4862 5.4 would keep the address out of use for a second.
        flags = IFA_F_NODAD
    elif length <= 30:
        host_bits = (1 << (32 - length)) - 1
        broadcast = int.from_bytes(packed, "big") | host_bits
        body += attribute(IFA_BROADCAST, broadcast.to_bytes(4, "big"))
    header = struct.pack("BBBBI", family, length, flags, RT_SCOPE_UNIVERSE, index)
    return Message(
        RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, header + body, f"give {name} the address {text}"
    )


def delete_address(name: str, index: int, text: str) -> Message:
    family, packed, length = packed_prefix(text)
    body = attribute(IFA_LOCAL, packed) + attribute(IFA_ADDRESS, packed)
    header = struct.pack("BBBBI", family, length, 0, RT_SCOPE_UNIVERSE, index)
    return Message(RTM_DELADDR, 0, header + body, f"take the address {text} from {name}")


def has_address(netlink: Netlink, index: int, text: str) -> bool:
    """Tell whether an interface has an address."""
    family, packed, _ = packed_prefix(text)
    header = struct.pack("BBBBI", family, 0, 0, 0, 0)
    question = Message(RTM_GETADDR, NLM_F_DUMP, header, "look at the addresses")
    return any(
        struct.unpack_from("I", answer, 4) == (index,)
        and attributes(answer[8:]).get(IFA_LOCAL) == packed
        for answer in netlink.ask(question)
    )


def forget_neighbours(nodes: Sequence[Request]) -> None:
    for node, netlink in in_each(nodes):
        index = index_or_none(node["interface"])
        for address in node["addresses"] if index is not None else ():
            family, packed = packed_address(address)
            # struct ndmsg of linux/neighbour.h
            body = struct.pack("BxxxiHBB", family, index, 0, 0, 0) + attribute(NDA_DST, packed)
            message = Message(RTM_DELNEIGH, 0, body, f"forget the neighbour {address}")
            attempt(netlink, message, errno.ENOENT)
