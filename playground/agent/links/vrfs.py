"""VRFs: interfaces that stand for tables of routes, and interfaces put into them; ip-vrf(8)."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Sequence

from playground.agent.links.interfaces import (
    IFLA_IFNAME,
    IFLA_INFO_DATA,
    IFLA_INFO_KIND,
    IFLA_LINKINFO,
    IFLA_MASTER,
    RTM_GETLINK,
    RTM_NEWLINK,
    delete_link,
    index_or_none,
    interface_index,
    interface_kind,
    link_body,
    set_link,
)
from playground.agent.links.netlink import (
    NLA_F_NESTED,
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_EXCL,
    NLM_F_REPLACE,
    Message,
    Netlink,
    attempt,
    attribute,
    text_attribute,
)
from playground.agent.nodes.sysctls import quiet_ipv6
from playground.agent.protocol import Request

# linux/if_link.h
IFLA_VRF_TABLE = 1

# linux/rtnetlink.h, linux/fib_rules.h
RTM_NEWROUTE = 24
RTM_DELROUTE = 25
RTM_NEWRULE = 32
RTM_DELRULE = 33
RTA_PRIORITY = 6
RTA_TABLE = 15
RT_TABLE_LOCAL = 255
RTPROT_STATIC = 4
RTN_UNREACHABLE = 7
FRA_PRIORITY = 6
FR_ACT_TO_TBL = 1

# Documentation/networking/vrf: the last metric that FRR and the kernel would choose.
UNREACHABLE_METRIC = 4278198272
# Before "main", after the kernel's own rule for VRFs, which is 1000.
LOCAL_PRIORITY = 32765

_FAMILIES = (socket.AF_INET, socket.AF_INET6)


def make_vrfs(netlink: Netlink, wanted: Sequence[Request]) -> None:
    """Make VRFs in the present network namespace; one that is there already stays.

    What such a table has no way to is unreachable, and not looked up in "main".  The addresses
    that the node has outside of VRFs are looked up after them: another may have the same there.

    """
    for vrf in wanted:
        if index_or_none(vrf["name"]) is None:
            netlink.send([new_vrf(vrf["name"], vrf["table"])])
        quiet_ipv6(vrf["name"])
        netlink.send([set_link(vrf["name"], up=True)])
        for family in _FAMILIES:
            # The kernel has no route of IPv6 where that is off.
            attempt(netlink, _unreachable(family, vrf["table"]), errno.EACCES, errno.EOPNOTSUPP)
    if wanted:
        _move_local_rule(netlink, 0, LOCAL_PRIORITY)


def new_vrf(name: str, table: int) -> Message:
    information = text_attribute(IFLA_INFO_KIND, "vrf") + attribute(
        IFLA_INFO_DATA | NLA_F_NESTED, attribute(IFLA_VRF_TABLE, struct.pack("I", table))
    )
    body = link_body() + text_attribute(IFLA_IFNAME, name)
    body += attribute(IFLA_LINKINFO | NLA_F_NESTED, information)
    return Message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body, f"make the VRF {name}")


def put_into_vrf(netlink: Netlink, name: str, vrf: str | None) -> None:
    """Put an interface into a VRF, or with None into none, if it is not there already.

    The kernel takes its routes from the table that they were in (cycle_netdev() of
    drivers/net/vrf.c); its addresses it keeps.

    """
    master = 0 if vrf is None else interface_index(vrf)
    body = link_body() + text_attribute(IFLA_IFNAME, name)
    body += attribute(IFLA_MASTER, struct.pack("I", master))
    where = "out of its VRF" if vrf is None else f"into the VRF {vrf}"
    netlink.send([Message(RTM_NEWLINK, 0, body, f"put the interface {name} {where}")])


def remove_vrfs(netlink: Netlink, gone: Sequence[Request]) -> None:
    """Remove VRFs; one that is gone already is no error.

    With the last of the node, own addresses are looked up first again, as Linux does.

    """
    for vrf in gone:
        attempt(netlink, delete_link(vrf["name"]), errno.ENODEV)
        for family in _FAMILIES:
            attempt(netlink, _unreachable(family, vrf["table"], RTM_DELROUTE), errno.ESRCH)
    if gone and not _has_vrfs(netlink):
        _move_local_rule(netlink, LOCAL_PRIORITY, 0)


def _has_vrfs(netlink: Netlink) -> bool:
    links = netlink.ask(Message(RTM_GETLINK, NLM_F_DUMP, link_body(), "look for VRFs"))
    return any(interface_kind(link) == "vrf" for link in links)


def _move_local_rule(netlink: Netlink, before: int, after: int) -> None:
    """Look up the node's own addresses at another priority; at no time at none."""
    flags = NLM_F_CREATE | NLM_F_EXCL
    for family in _FAMILIES:
        attempt(netlink, _local_rule(RTM_NEWRULE, flags, family, after), errno.EEXIST)
        attempt(netlink, _local_rule(RTM_DELRULE, 0, family, before), errno.ENOENT)


def _unreachable(family: int, table: int, kind: int = RTM_NEWROUTE) -> Message:
    header = struct.pack("BBBBBBBBI", family, 0, 0, 0, 0, RTPROT_STATIC, 0, RTN_UNREACHABLE, 0)
    body = attribute(RTA_TABLE, struct.pack("I", table))
    body += attribute(RTA_PRIORITY, struct.pack("I", UNREACHABLE_METRIC))
    purpose = f"end the table {table} of a VRF"
    flags = NLM_F_CREATE | NLM_F_REPLACE if kind == RTM_NEWROUTE else 0
    return Message(kind, flags, header + body, purpose)


def _local_rule(kind: int, flags: int, family: int, priority: int) -> Message:
    header = struct.pack("BBBBBBBBI", family, 0, 0, 0, RT_TABLE_LOCAL, 0, 0, FR_ACT_TO_TBL, 0)
    # Not only for 0, which the kernel takes for "choose one": it is the one to delete.
    body = attribute(FRA_PRIORITY, struct.pack("I", priority))
    return Message(
        kind, flags, header + body, f"look up own addresses by a rule of priority {priority}"
    )
