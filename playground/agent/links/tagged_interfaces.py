"""Interfaces whose frames carry the tag of a VLAN (IEEE 802.1Q): made and removed.

Where the kernel has 8021q they are its own.  Elsewhere one is an end of a veth pair:
what it sends comes in at the hidden other end, where a program puts the tag on and sends
it out of the trunk's interface; another there takes it off what comes in.  Captures,
counters and all that hangs on an interface are the same.  What is not: the interface
keeps its carrier when the trunk has lost its own, and lives on without the trunk.

"""

from __future__ import annotations

import errno
import os
import struct

from playground.agent.kernel.offloads import Offloads
from playground.agent.links import ebpf
from playground.agent.links.interfaces import (
    IFLA_IFALIAS,
    IFLA_IFNAME,
    IFLA_INFO_DATA,
    IFLA_INFO_KIND,
    IFLA_LINKINFO,
    RTM_GETLINK,
    RTM_NEWLINK,
    delete_link,
    index_or_none,
    interface_index,
    interface_row,
    link_body,
    new_veth,
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
    refusal,
    text_attribute,
)
from playground.agent.nodes.sysctls import disable_ipv6

# linux/if_link.h
IFLA_LINK = 5
IFLA_VLAN_ID = 1
IFLA_VLAN_PROTOCOL = 5
# linux/if_ether.h
ETH_P_8021AD = ebpf.ETH_P_8021AD

# PLAYGROUND_VLANS=programs leaves the kernel's own VLANs out, for tests.
WITHOUT_KERNELS_OWN = os.environ.get("PLAYGROUND_VLANS") == "programs"


def make_tagged(
    netlink: Netlink, name: str, parent: str, vlan: int, offload: bool, qinq: bool = False
) -> None:
    """Make an interface upon another, in the present network namespace; it is left down.

    With ``qinq`` its tags are those of providers (IEEE 802.1ad).  One that is there already stays.
    On a failure nothing is left.

    """
    if index_or_none(name) is not None:
        return
    if not WITHOUT_KERNELS_OWN:
        [(message, number, reason)] = netlink.attempt([new_vlan(name, parent, vlan, qinq)])
        if number not in (0, errno.EOPNOTSUPP):
            raise refusal(message, number, reason)
        if number == 0:
            try:
                if not offload:
                    Offloads().off(name)
            except BaseException:
                netlink.attempt([delete_link(name)])
                raise
            return
    try:
        _make_pair(netlink, name, parent, vlan, offload, qinq)
    except BaseException:
        remove_tagged(netlink, name, parent, vlan)
        raise


def new_vlan(name: str, parent: str, vlan: int, qinq: bool = False) -> Message:
    data = attribute(IFLA_VLAN_ID, struct.pack("H", vlan))
    if qinq:
        data += attribute(IFLA_VLAN_PROTOCOL, struct.pack("!H", ETH_P_8021AD))
    information = text_attribute(IFLA_INFO_KIND, "vlan")
    information += attribute(IFLA_INFO_DATA | NLA_F_NESTED, data)
    body = (
        link_body()
        + text_attribute(IFLA_IFNAME, name)
        + attribute(IFLA_LINK, struct.pack("I", interface_index(parent)))
        + attribute(IFLA_LINKINFO | NLA_F_NESTED, information)
    )
    purpose = _purpose(name, parent, vlan)
    return Message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body, purpose)


def _purpose(name: str, parent: str, vlan: int) -> str:
    return f"make the interface {name} of VLAN {vlan} upon {parent}"


def hidden_name(parent: int, vlan: int) -> str:
    """Return what the other end of the pair is called that stands upon an interface."""
    return f"q{parent}.{vlan}"


def _make_pair(
    netlink: Netlink, name: str, parent: str, vlan: int, offload: bool, qinq: bool
) -> None:
    below = interface_index(parent)
    body = link_body() + text_attribute(IFLA_IFNAME, parent)
    [answer] = netlink.ask(Message(RTM_GETLINK, 0, body, f"look at the interface {parent}"))
    row = interface_row(answer)
    hidden = hidden_name(below, vlan)
    own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        ends = (
            {"pid": None, "interface": name, "mac": row["mac"]},
            {"pid": None, "interface": hidden},
        )
        message = new_veth(*ends, row["mtu_bytes"], own)
        message.purpose = _purpose(name, parent, vlan)
        netlink.send([message])
    finally:
        os.close(own)
    disable_ipv6(hidden)
    # It has to be here: a program sends frames to interfaces of its own namespace alone.
    alias = f"the end of {name} that puts on and takes off its tags, for want of 8021q"
    body = link_body() + text_attribute(IFLA_IFNAME, hidden) + text_attribute(IFLA_IFALIAS, alias)
    netlink.send([Message(RTM_NEWLINK, 0, body, f"write the alias of {hidden}")])
    offloads = Offloads()
    for end in () if offload else (name, hidden):
        offloads.off(end)
    between = interface_index(hidden)
    for index, handle, program in (
        (between, 1, ebpf.tagging(vlan, below, qinq)),
        (below, vlan, ebpf.untagging(vlan, between)),
    ):
        messages, descriptor = ebpf.arriving(index, handle, program)
        try:
            netlink.send(messages)
        finally:
            os.close(descriptor)
    netlink.send([set_link(hidden, up=True)])


def remove_tagged(netlink: Netlink, name: str, parent: str, vlan: int) -> None:
    """Remove such an interface; one that is gone already is no error."""
    attempt(netlink, delete_link(name), errno.ENODEV)
    if (below := index_or_none(parent)) is not None:
        attempt(netlink, ebpf.delete_arriving(below, vlan), errno.ENOENT, errno.EINVAL)
