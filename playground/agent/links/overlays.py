"""Overlays: bridges of a node whose frames reach others by VXLAN, as BGP tells of them."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Sequence

from playground.agent.kernel.offloads import Offloads
from playground.agent.links.bridge_vlans import AF_BRIDGE, RTM_SETLINK
from playground.agent.links.bridges import IFLA_PROTINFO, new_bridge
from playground.agent.links.interfaces import (
    IFLA_IFNAME,
    IFLA_INFO_DATA,
    IFLA_INFO_KIND,
    IFLA_LINKINFO,
    IFLA_MASTER,
    IFLA_MTU,
    RTM_NEWLINK,
    delete_link,
    index_or_none,
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
    IFLA_VXLAN_ID,
    IFLA_VXLAN_LEARNING,
    IFLA_VXLAN_LOCAL,
    IFLA_VXLAN_PORT,
)
from playground.agent.nodes.sysctls import disable_ipv6
from playground.agent.protocol import Request

# linux/if_link.h
IFLA_BRPORT_LEARNING = 8


def make_vnis(netlink: Netlink, wanted: Sequence[Request]) -> None:
    """Make bridges with a way to others in the present network namespace; those there stay.

    Neither has addresses.  Who is behind which other end neither learns from frames: a daemon
    of BGP writes it down.

    """
    for vni in wanted:
        if index_or_none(vni["bridge"]) is None:
            netlink.send([new_bridge(vni["bridge"])])
        if index_or_none(vni["device"]) is None:
            netlink.send([new_vxlan(vni)])
            Offloads().off(vni["device"])
        for name in (vni["bridge"], vni["device"]):
            disable_ipv6(name)
        put_into_bridge(netlink, vni["device"], vni["bridge"])
        netlink.send(
            [
                _set_mtu(vni),
                _learning_off(interface_index(vni["device"]), vni["device"]),
                set_link(vni["device"], up=True),
                set_link(vni["bridge"], up=True),
            ]
        )


def new_vxlan(vni: Request) -> Message:
    options = (
        attribute(IFLA_VXLAN_ID, struct.pack("I", vni["number"]))
        + attribute(IFLA_VXLAN_LOCAL, socket.inet_aton(vni["local"]))
        + attribute(IFLA_VXLAN_LEARNING, b"\0")
        + attribute(IFLA_VXLAN_PORT, struct.pack("!H", vni["port"]))
    )
    information = text_attribute(IFLA_INFO_KIND, "vxlan")
    information += attribute(IFLA_INFO_DATA | NLA_F_NESTED, options)
    body = link_body() + text_attribute(IFLA_IFNAME, vni["device"])
    body += attribute(IFLA_MTU, struct.pack("I", vni["mtu_bytes"]))
    body += attribute(IFLA_LINKINFO | NLA_F_NESTED, information)
    purpose = f"make {vni['device']}, the way of VNI {vni['number']} to others"
    return Message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body, purpose)


def _set_mtu(vni: Request) -> Message:
    body = link_body() + text_attribute(IFLA_IFNAME, vni["device"])
    body += attribute(IFLA_MTU, struct.pack("I", vni["mtu_bytes"]))
    return Message(RTM_NEWLINK, 0, body, f"set the MTU of {vni['device']}")


def put_into_bridge(netlink: Netlink, name: str, bridge: str) -> None:
    """Make an interface a port of a bridge, if it is not one already."""
    body = link_body() + text_attribute(IFLA_IFNAME, name)
    body += attribute(IFLA_MASTER, struct.pack("I", interface_index(bridge)))
    netlink.send([Message(RTM_NEWLINK, 0, body, f"make {name} a port of {bridge}")])


def remove_vnis(netlink: Netlink, names: Sequence[str]) -> None:
    """Remove bridges and their ways to others; one that is gone already is no error."""
    for name in names:
        attempt(netlink, delete_link(name), errno.ENODEV)


def _learning_off(index: int, name: str) -> Message:
    body = struct.pack("BxHiII", AF_BRIDGE, 0, index, 0, 0)
    body += attribute(IFLA_PROTINFO | NLA_F_NESTED, attribute(IFLA_BRPORT_LEARNING, b"\0"))
    return Message(RTM_SETLINK, 0, body, f"let {name} learn nothing from frames")
