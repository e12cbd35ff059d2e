"""Addresses that an interface makes of router advertisements, waited for: RFC 4862."""

from __future__ import annotations

import base64
import contextlib
import socket
import struct
import time
from collections.abc import Sequence

from playground.agent.links.interfaces import IFLA_IFNAME, RTM_GETLINK, link_body
from playground.agent.links.netlink import (
    NLM_F_DUMP,
    Message,
    Netlink,
    attributes,
    events_of,
    in_each,
    read_number,
    text_attribute,
)
from playground.agent.network.addresses import IFA_ADDRESS, RTM_DELADDR, RTM_GETADDR
from playground.agent.nodes.files import read_file
from playground.agent.protocol import Request

_POLL_S = 0.02
# Of a resolv.conf, which a host may have made as large as it likes.
_MOST_BYTES = 1 << 16

# linux/if_addr.h
_IFA_FLAGS = 8
_IFA_F_DADFAILED = 0x08
_IFA_F_TENTATIVE = 0x40

# linux/rtnetlink.h
_RTMGRP_IPV6_IFADDR = 0x100

# linux/if_link.h: what IPv6 says of an interface; include/net/if_inet6.h has the flags.
_IFLA_AF_SPEC = 26
_IFLA_INET6_FLAGS = 1
_IF_RA_RCVD = 0x20
_IF_RA_MANAGED = 0x40
_IF_RA_OTHERCONF = 0x80


def autoconfigured(interfaces: Sequence[Request], timeout_s: float) -> list[Request]:
    deadline = time.monotonic() + timeout_s
    lines, events = [], []
    for _, line in in_each(interfaces):
        lines.append(line)
        heard = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        heard.bind((0, _RTMGRP_IPV6_IFADDR))
        events.append(heard)
    parts = list(zip(interfaces, lines, events, strict=True))
    answers = [_look(*one) for one in parts]
    while time.monotonic() < deadline:
        # What another has already does not come any more.
        waiting = [n for n, one in enumerate(answers) if not (one["ready"] or one["refused"])]
        if not waiting:
            break
        time.sleep(_POLL_S)
        for number in waiting:
            answers[number] = _look(*parts[number])
    return answers


def _look(wanted: Request, line: Netlink, events: socket.socket) -> Request:
    """Tell which addresses an interface has, and what it has heard."""
    name = wanted["interface"]
    body = link_body() + text_attribute(IFLA_IFNAME, name)
    [answer] = line.ask(Message(RTM_GETLINK, 0, body, f"look at the interface {name}"))
    (index,) = struct.unpack_from("i", answer, 4)
    usable, refused = [], [item for item in _taken_back(events) if item in wanted["addresses"]]
    for address, flags in _addresses(line, index):
        if flags & _IFA_F_DADFAILED:
            refused.append(address)
        elif not flags & _IFA_F_TENTATIVE:
            usable.append(address)
    flags = router_flags(answer)
    ready = set(wanted["addresses"]) <= set(usable)
    unserved = []
    if ready and wanted["servers"]:
        there = _name_servers(wanted["pid"])
        unserved = [item for item in wanted["servers"] if item not in there]
    return {
        "ready": ready and not unserved,
        **({"unserved": unserved} if unserved else {}),
        "addresses": [item for item in usable if not item.startswith("fe80:")],
        "refused": refused,
        "heard": bool(flags & _IF_RA_RCVD),
        "managed": bool(flags & _IF_RA_MANAGED),
        "other": bool(flags & _IF_RA_OTHERCONF),
    }


def _name_servers(pid: int) -> list[str]:
    """Return whom a node asks for names."""
    try:
        said = base64.b64decode(read_file(pid, "/etc/resolv.conf", _MOST_BYTES))
    except OSError:  # its client is just writing it anew
        return []
    lines = (line.split() for line in said.decode(errors="replace").splitlines())
    return [words[1] for words in lines if words[:1] == ["nameserver"] and len(words) > 1]


def _taken_back(events: socket.socket) -> list[str]:
    """Return the addresses that the kernel has taken away since the last look.

    One that it made of a prefix, and that another has, it does not keep as refused: it is gone
    at once (addrconf_dad_stop() of net/ipv6/addrconf.c).

    """
    found = []
    with contextlib.suppress(OSError):  # nothing more to read, or too much of it
        while True:
            for kind, body in events_of(events.recv(1 << 16)):
                parts = attributes(body[8:])
                if kind == RTM_DELADDR and len(parts.get(IFA_ADDRESS, b"")) == 16:
                    found.append(socket.inet_ntop(socket.AF_INET6, parts[IFA_ADDRESS]))
    return found


def router_flags(answer: bytes) -> int:
    """Return what IPv6 notes of an interface: whether a router was heard, and what it said."""
    specific = attributes(attributes(answer[16:]).get(_IFLA_AF_SPEC, b""))
    inet6 = attributes(specific.get(socket.AF_INET6, b""))
    return read_number(inet6, _IFLA_INET6_FLAGS) or 0


def heard_of_routers(answer: bytes) -> str:
    """Return what an interface has heard, of "router", "managed" and "other"; "" for nothing."""
    flags = router_flags(answer)
    words = ((_IF_RA_RCVD, "router"), (_IF_RA_MANAGED, "managed"), (_IF_RA_OTHERCONF, "other"))
    return " ".join(word for flag, word in words if flags & flag)


def _addresses(line: Netlink, index: int) -> list[tuple[str, int]]:
    header = struct.pack("BBBBI", socket.AF_INET6, 0, 0, 0, 0)
    found = []
    for answer in line.ask(Message(RTM_GETADDR, NLM_F_DUMP, header, "look at the addresses")):
        family, _, flags, _, at = struct.unpack_from("BBBBI", answer)
        parts = attributes(answer[8:])
        if family == socket.AF_INET6 and at == index and IFA_ADDRESS in parts:
            text = socket.inet_ntop(family, parts[IFA_ADDRESS])
            found.append((text, read_number(parts, _IFA_FLAGS) or flags))
    return found
