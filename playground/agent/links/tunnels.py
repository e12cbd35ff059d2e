"""Tunnels: interfaces whose packets leave within others, made in a node; ip-link(8)."""

from __future__ import annotations

import errno
import socket
import struct

from playground.agent.kernel.offloads import Offloads
from playground.agent.links.interfaces import (
    IFLA_ADDRESS,
    IFLA_IFNAME,
    IFLA_INFO_DATA,
    IFLA_INFO_KIND,
    IFLA_LINKINFO,
    IFLA_MTU,
    RTM_NEWLINK,
    delete_link,
    index_or_none,
    link_body,
)
from playground.agent.links.netlink import (
    NLA_F_NESTED,
    NLM_F_CREATE,
    NLM_F_EXCL,
    Message,
    Netlink,
    attribute,
    refusal,
    text_attribute,
)
from playground.agent.links.tun import make_lasting_tun
from playground.agent.protocol import Request

# linux/if_tunnel.h
IFLA_GRE_IFLAGS = 2
IFLA_GRE_OFLAGS = 3
IFLA_GRE_IKEY = 4
IFLA_GRE_OKEY = 5
IFLA_GRE_LOCAL = 6
IFLA_GRE_REMOTE = 7
IFLA_GRE_TTL = 8
IFLA_IPTUN_LOCAL = 2
IFLA_IPTUN_REMOTE = 3
IFLA_IPTUN_TTL = 4
GRE_KEY = 0x2000

# linux/if_link.h
IFLA_VXLAN_ID = 1
IFLA_VXLAN_GROUP = 2
IFLA_VXLAN_LOCAL = 4
IFLA_VXLAN_TTL = 5
IFLA_VXLAN_LEARNING = 7
IFLA_VXLAN_PORT = 15
IFLA_VXLAN_GROUP6 = 16
IFLA_VXLAN_LOCAL6 = 17


def make_tunnel(netlink: Netlink, name: str, wanted: Request, offload: bool) -> None:
    """Make one end of a tunnel in the present network namespace; it is left down.

    One that is there already stays.  On a failure nothing is left.

    """
    if index_or_none(name) is not None:
        return
    [(message, number, reason)] = netlink.attempt([new_tunnel(name, wanted)])
    if number == errno.EOPNOTSUPP and wanted["kind"] == "wireguard":
        # wireguard-go serves it, started in the node when all else is there.
        make_lasting_tun(name)
        body = link_body() + text_attribute(IFLA_IFNAME, name)
        body += attribute(IFLA_MTU, struct.pack("I", wanted["mtu_bytes"]))
        message = Message(RTM_NEWLINK, 0, body, f"set the MTU of {name}")
        [(message, number, reason)] = netlink.attempt([message])
    if number:
        raise refusal(message, number, reason)
    try:
        if not offload:
            Offloads().off(name)
    except BaseException:
        netlink.attempt([delete_link(name)])
        raise


def new_tunnel(name: str, wanted: Request) -> Message:
    kind = wanted["kind"]
    information = text_attribute(IFLA_INFO_KIND, kind)
    if kind != "wireguard":  # of which wg(8) tells all else
        information += attribute(IFLA_INFO_DATA | NLA_F_NESTED, _OPTIONS[kind](wanted))
    body = link_body() + text_attribute(IFLA_IFNAME, name)
    body += attribute(IFLA_MTU, struct.pack("I", wanted["mtu_bytes"]))
    if kind == "vxlan":
        body += attribute(IFLA_ADDRESS, bytes.fromhex(wanted["mac"].replace(":", "")))
    body += attribute(IFLA_LINKINFO | NLA_F_NESTED, information)
    purpose = (
        f"make {name}, the end of a tunnel of kind {kind} from {wanted['local']} to "
        f"{wanted['remote']}"
    )
    return Message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body, purpose)


def _gre(wanted: Request) -> bytes:
    options = (
        attribute(IFLA_GRE_LOCAL, socket.inet_aton(wanted["local"]))
        + attribute(IFLA_GRE_REMOTE, socket.inet_aton(wanted["remote"]))
        + attribute(IFLA_GRE_TTL, struct.pack("B", wanted["ttl"]))
    )
    if wanted["number"] is not None:
        flags, key = struct.pack("!H", GRE_KEY), struct.pack("!I", wanted["number"])
        for kind in (IFLA_GRE_IFLAGS, IFLA_GRE_OFLAGS):
            options += attribute(kind, flags)
        for kind in (IFLA_GRE_IKEY, IFLA_GRE_OKEY):
            options += attribute(kind, key)
    return options


def _ip_in_ip(wanted: Request) -> bytes:
    return (
        attribute(IFLA_IPTUN_LOCAL, socket.inet_aton(wanted["local"]))
        + attribute(IFLA_IPTUN_REMOTE, socket.inet_aton(wanted["remote"]))
        + attribute(IFLA_IPTUN_TTL, struct.pack("B", wanted["ttl"]))
    )


def _vxlan(wanted: Request) -> bytes:
    family, local, remote = socket.AF_INET, IFLA_VXLAN_LOCAL, IFLA_VXLAN_GROUP
    if ":" in wanted["remote"]:
        family, local, remote = socket.AF_INET6, IFLA_VXLAN_LOCAL6, IFLA_VXLAN_GROUP6
    return (
        attribute(IFLA_VXLAN_ID, struct.pack("I", wanted["number"]))
        + attribute(local, socket.inet_pton(family, wanted["local"]))
        # What it does not know yet, and all that is for many, it sends there too.
        + attribute(remote, socket.inet_pton(family, wanted["remote"]))
        + attribute(IFLA_VXLAN_TTL, struct.pack("B", wanted["ttl"]))
        + attribute(IFLA_VXLAN_PORT, struct.pack("!H", wanted["port"]))
    )


_OPTIONS = {"gre": _gre, "ipip": _ip_in_ip, "sit": _ip_in_ip, "vxlan": _vxlan}
