"""Interfaces and veth pairs: messages to make, change and read them, rtnetlink(7)."""

from __future__ import annotations

import errno
import socket
import struct
import time
from collections.abc import Sequence

from playground.agent.links.netlink import (
    NLA_F_NESTED,
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_EXCL,
    Message,
    Netlink,
    attribute,
    attributes,
    each_attribute,
    plain_text,
    sockets_to,
    text_attribute,
)
from playground.agent.protocol import Request

# linux/rtnetlink.h
RTM_NEWLINK = 16
RTM_DELLINK = 17
RTM_GETLINK = 18

# linux/if_link.h
IFF_UP = 1
IFF_LOOPBACK = 8
IFLA_ADDRESS = 1
IFLA_IFNAME = 3
IFLA_MTU = 4
IFLA_MASTER = 10
IFLA_TXQLEN = 13
IFLA_OPERSTATE = 16
IFLA_LINKINFO = 18
IFLA_IFALIAS = 20
IFLA_STATS64 = 23
IFLA_NET_NS_FD = 28
IFLA_EXT_MASK = 29
IFLA_CARRIER = 33
IFLA_INFO_KIND = 1
IFLA_INFO_DATA = 2
IFLA_INFO_SLAVE_DATA = 5
VETH_INFO_PEER = 1
IF_OPER_UP = 6  # linux/if.h
# linux/rtnetlink.h: answers without counters, which take the kernel as long as all the rest.
RTEXT_FILTER_SKIP_STATS = 1 << 3
# The first of struct rtnl_link_stats64, in its order.
STATISTICS = (
    "rx_packets",
    "tx_packets",
    "rx_bytes",
    "tx_bytes",
    "rx_errors",
    "tx_errors",
    "rx_dropped",
    "tx_dropped",
)


def link_body(flags: int = 0, mask: int = 0) -> bytes:
    """Build a struct ifinfomsg that names no interface by number."""
    return struct.pack("BxHiII", socket.AF_UNSPEC, 0, 0, flags, mask)


def set_link(name: str, up: bool, master: int | None = None) -> Message:
    body = link_body(IFF_UP if up else 0, IFF_UP) + text_attribute(IFLA_IFNAME, name)
    if master is not None:
        body += attribute(IFLA_MASTER, struct.pack("I", master))
    return Message(RTM_NEWLINK, 0, body, f"set the interface {name} {'up' if up else 'down'}")


def delete_link(name: str) -> Message:
    body = link_body() + text_attribute(IFLA_IFNAME, name)
    return Message(RTM_DELLINK, 0, body, f"remove the interface {name}")


def new_veth(a: Request, b: Request, mtu_bytes: int, b_namespace: int) -> Message:
    """A veth pair: ``a`` where the message is sent, ``b`` in another namespace.

    Each end is made where it is to be, so that none is ever seen elsewhere.

    """
    peer = _veth_end(b, mtu_bytes) + attribute(IFLA_NET_NS_FD, struct.pack("I", b_namespace))
    body = _veth_end(a, mtu_bytes) + attribute(
        IFLA_LINKINFO | NLA_F_NESTED,
        text_attribute(IFLA_INFO_KIND, "veth")
        + attribute(IFLA_INFO_DATA | NLA_F_NESTED, attribute(VETH_INFO_PEER | NLA_F_NESTED, peer)),
    )
    purpose = f"make the link from {end_name(a)} to {end_name(b)}"
    return Message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body, purpose)


def _veth_end(end: Request, mtu_bytes: int) -> bytes:
    body = (
        link_body()
        + text_attribute(IFLA_IFNAME, end["interface"])
        + attribute(IFLA_MTU, struct.pack("I", end.get("mtu_bytes", mtu_bytes)))
    )
    if end.get("mac"):
        body += attribute(IFLA_ADDRESS, bytes.fromhex(end["mac"].replace(":", "")))
    return body


def end_name(end: Request) -> str:
    place = "the lab's own namespace" if end["pid"] is None else f"the node of pid {end['pid']}"
    return f"{end['interface']} in {place}"


def interface_index(name: str) -> int:
    try:
        return socket.if_nametoindex(name)
    except OSError as error:
        raise OSError(error.errno or errno.ENODEV, f"there is no interface {name}") from None


def index_or_none(interface: str) -> int | None:
    try:
        return socket.if_nametoindex(interface)
    except OSError:
        return None  # what it had went with it


def kind_or_none(netlink: Netlink, interface: str) -> str | None:
    """Return of which kind an interface is, as `ip -d link` names it; None where there is none.

    "" is the kind of one that the kernel made by itself, such as lo.

    """
    if index_or_none(interface) is None:
        return None
    body = link_body() + text_attribute(IFLA_IFNAME, interface)
    [answer] = netlink.ask(Message(RTM_GETLINK, 0, body, f"look at the interface {interface}"))
    return interface_kind(answer)


def interface_kind(answer: bytes) -> str:
    """Read the kind of an interface off what the kernel answers of it."""
    information = attributes(attributes(answer[16:]).get(IFLA_LINKINFO, b""))
    return plain_text(information.get(IFLA_INFO_KIND, b""))


def interfaces(ends: Sequence[Request]) -> list[Request]:
    rows = []
    with sockets_to(ends) as sockets:
        for end, netlink in zip(ends, sockets, strict=True):
            name = end["interface"]
            body = link_body() + text_attribute(IFLA_IFNAME, name)
            [answer] = netlink.ask(Message(RTM_GETLINK, 0, body, f"look at the interface {name}"))
            rows.append(interface_row(answer))
    return rows


def settle(netlink: Netlink) -> None:
    """Wait until each end of a link in a namespace that has a carrier takes packets.

    When the other end of a link comes up, a worker of the kernel's follows a moment
    later: until it has run, packets are dropped without a word and a bridge does not
    use the port.  To ask for one interface makes new kernels (6.9) do its work at
    once; older ones are waited for.

    """
    # net/core/link_watch.c; the comment in rtnl_getlink(), net/core/rtnetlink.c.
    deadline = time.monotonic() + _SETTLE_LIMIT_S
    body = link_body() + attribute(IFLA_EXT_MASK, struct.pack("I", RTEXT_FILTER_SKIP_STATS))
    links = netlink.ask(Message(RTM_GETLINK, NLM_F_DUMP, body, "list the interfaces"))
    for link in links:
        while _is_to_come(link) and time.monotonic() < deadline:
            (index,) = struct.unpack_from("i", link, 4)
            body = struct.pack("BxHiII", socket.AF_UNSPEC, 0, index, 0, 0)
            message = Message(RTM_GETLINK, 0, body, f"look at the interface number {index}")
            [link] = netlink.ask(message)
            if _is_to_come(link):
                time.sleep(0.001)


# The kernel takes a moment; a second where many changes come at once (linkwatch_schedule_work).
_SETTLE_LIMIT_S = 2.0


def _is_to_come(link: bytes) -> bool:
    """Whether an interface that is up has a carrier that the kernel has not acted on."""
    (flags,) = struct.unpack_from("I", link, 8)
    if flags & IFF_LOOPBACK or not flags & IFF_UP or _oper_state(link) == IF_OPER_UP:
        return False  # nearly all are, and the rest of what is said of them is left unread
    found = attributes(link[16:])
    # Of other kinds some stay "unknown" for ever.
    kind = attributes(found.get(IFLA_LINKINFO, b"")).get(IFLA_INFO_KIND)
    return kind == b"veth\0" and found.get(IFLA_CARRIER, b"\0")[0] == 1


def _oper_state(link: bytes) -> int | None:
    """Return the operational state of an interface: RFC 2863."""
    states = (value[0] for kind, value in each_attribute(link[16:]) if kind == IFLA_OPERSTATE)
    return next(states, None)


def interface_row(answer: bytes) -> Request:
    """Read a struct ifinfomsg and its attributes (rtnetlink(7))."""
    (flags,) = struct.unpack_from("I", answer, 8)
    found = attributes(answer[16:])
    counters = struct.unpack_from(f"{len(STATISTICS)}Q", found[IFLA_STATS64])
    return {
        "up": bool(flags & IFF_UP),
        "carrier": found.get(IFLA_CARRIER, b"\0")[0] == 1,
        "mtu_bytes": struct.unpack("I", found[IFLA_MTU])[0],
        # Of a tunnel that carries bare packets there is none, or an address of IP.
        "mac": address.hex(":") if len(address := found.get(IFLA_ADDRESS, b"")) == 6 else "",
        "statistics": dict(zip(STATISTICS, counters, strict=True)),
    }
