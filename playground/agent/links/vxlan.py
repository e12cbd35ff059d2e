"""Tunnels of VXLAN: the way of a link from one machine to another (RFC 7348).

The device lives in the lab's own namespace, and its packets leave by the network of another
process, the "underlay": that in which a VXLAN device was made stays its way out.  Frames
go from the far end of a veth pair into the device and back by redirection (tc-mirred(8)), so
that none is looked at: reserved multicast and tags pass as on a cable.

A packet that is too large for the underlay is sent in fragments: DF is not set, and
the device's MTU is that of the link.

"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Sequence

from playground.agent.kernel.syscalls import CLONE_NEWNET, setns
from playground.agent.links.filters import TC_H_CLSACT_INGRESS, redirect_messages
from playground.agent.links.interfaces import (
    IFLA_IFNAME,
    IFLA_INFO_DATA,
    IFLA_INFO_KIND,
    IFLA_LINKINFO,
    IFLA_MTU,
    IFLA_NET_NS_FD,
    RTM_NEWLINK,
    delete_link,
    interface_index,
    link_body,
    set_link,
)
from playground.agent.links.netlink import (
    NLA_F_NESTED,
    NLM_F_CREATE,
    NLM_F_EXCL,
    Message,
    Netlink,
    attempt,
    attribute,
    text_attribute,
)
from playground.agent.links.tunnels import (
    IFLA_VXLAN_GROUP,
    IFLA_VXLAN_ID,
    IFLA_VXLAN_LEARNING,
    IFLA_VXLAN_LOCAL,
    IFLA_VXLAN_PORT,
    IFLA_VXLAN_TTL,
)
from playground.agent.nodes.sysctls import disable_ipv6
from playground.agent.protocol import Request

# linux/if_link.h
IFLA_VXLAN_PORT_RANGE = 10

_TTL = 64


def far_end(vni: int) -> str:
    """Return the name of the far end of a link's half, on each of its two machines."""
    return f"x{vni:06x}"


def tunnel_device(vni: int) -> str:
    return f"v{vni:06x}"


def tunnel(underlay: int, tunnels: Sequence[Request]) -> None:
    """Make tunnels whose far ends are there already; all that was made goes on a failure."""
    own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    made: list[str] = []
    outer = Netlink(underlay)  # in the underlay's namespace from here
    try:
        messages = [_new_vxlan(row, own) for row in tunnels]
        for row, (message, number, reason) in zip(tunnels, outer.attempt(messages), strict=True):
            if number:
                words = f"{os.strerror(number)}{f' ({reason})' if reason else ''}"
                raise OSError(number, f"cannot {message.purpose}: {words}")
            made.append(tunnel_device(row["vni"]))
        setns(own, CLONE_NEWNET)
        inner = Netlink(None)
        for row in tunnels:
            _join(inner, far_end(row["vni"]), tunnel_device(row["vni"]))
        inner.close()
    except BaseException:
        setns(own, CLONE_NEWNET)
        with_inner = Netlink(None)
        with_inner.attempt([delete_link(name) for name in made])
        with_inner.close()
        raise
    finally:
        setns(own, CLONE_NEWNET)
        outer.close()
        os.close(own)


def untunnel(vnis: Sequence[int]) -> None:
    """Remove tunnels, and the far ends with their veth pairs; one that is gone is passed over."""
    netlink = Netlink(None)
    for vni in vnis:
        for name in (tunnel_device(vni), far_end(vni)):
            attempt(netlink, delete_link(name), errno.ENODEV)
    netlink.close()


def _new_vxlan(row: Request, namespace: int) -> Message:
    name = tunnel_device(row["vni"])
    source = row["source_port"]
    data = (
        attribute(IFLA_VXLAN_ID, struct.pack("I", row["vni"]))
        + attribute(IFLA_VXLAN_GROUP, socket.inet_aton(row["remote"]))
        + attribute(IFLA_VXLAN_LOCAL, socket.inet_aton(row["local"]))
        + attribute(IFLA_VXLAN_TTL, struct.pack("B", _TTL))
        # There is one other end, and all goes there.
        + attribute(IFLA_VXLAN_LEARNING, b"\0")
        # One port alone: the second of the range is beyond it (udp_flow_src_port()).
        + attribute(IFLA_VXLAN_PORT_RANGE, struct.pack(">HH", source, source + 1))
        + attribute(IFLA_VXLAN_PORT, struct.pack(">H", row["port"]))
    )
    body = (
        link_body()
        + text_attribute(IFLA_IFNAME, name)
        + attribute(IFLA_MTU, struct.pack("I", row["mtu_bytes"]))
        + attribute(IFLA_NET_NS_FD, struct.pack("I", namespace))
        + attribute(
            IFLA_LINKINFO | NLA_F_NESTED,
            text_attribute(IFLA_INFO_KIND, "vxlan")
            + attribute(IFLA_INFO_DATA | NLA_F_NESTED, data),
        )
    )
    purpose = f"make the tunnel {name} to {row['remote']}"
    return Message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body, purpose)


def _join(netlink: Netlink, end: str, device: str) -> None:
    """Lead all frames from the far end into the tunnel, and from the tunnel to the far end."""
    disable_ipv6(device)
    netlink.send([set_link(device, up=True)])
    for one, other in ((end, device), (device, end)):
        netlink.send(
            redirect_messages(interface_index(one), TC_H_CLSACT_INGRESS, interface_index(other))
        )
