"""VLANs of switches: which of them a port carries, set and read.

Where the kernel's bridges filter VLANs, a switch is one bridge that does.  Elsewhere it
is a bridge for each VLAN, beside the one that bears its name and has no ports: an
access port is a port of one of them, and upon a trunk there is for each VLAN an interface
with its tag (see `links.tagged_interfaces`) that is a port of the VLAN's bridge.

"""

from __future__ import annotations

import errno
import re
import socket
import struct
from collections.abc import Iterable, Iterator

from playground.agent.kernel.syscalls import CLONE_NEWNET, unshare
from playground.agent.links.interfaces import (
    IFLA_ADDRESS,
    IFLA_IFNAME,
    IFLA_INFO_DATA,
    IFLA_INFO_KIND,
    IFLA_LINKINFO,
    RTM_DELLINK,
    RTM_GETLINK,
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
    NLM_F_DUMP,
    NLM_F_EXCL,
    Message,
    Netlink,
    attempt,
    attribute,
    attributes,
    each_attribute,
    text_attribute,
)
from playground.agent.links.tagged_interfaces import (
    ETH_P_8021AD,
    WITHOUT_KERNELS_OWN,
    make_tagged,
    remove_tagged,
)
from playground.agent.nodes.sysctls import disable_ipv6
from playground.agent.protocol import Request

# linux/rtnetlink.h, linux/if_link.h, linux/if_bridge.h, sys/socket.h
RTM_SETLINK = 19
RTEXT_FILTER_BRVLAN = 2
IFLA_AF_SPEC = 26
IFLA_EXT_MASK = 29
IFLA_BR_VLAN_FILTERING = 7
IFLA_BR_VLAN_PROTOCOL = 8
IFLA_BR_VLAN_DEFAULT_PVID = 39
IFLA_BRIDGE_VLAN_INFO = 2
BRIDGE_VLAN_INFO_PVID = 2
BRIDGE_VLAN_INFO_UNTAGGED = 4
AF_BRIDGE = 7

# The settings that a bridge of one VLAN shares with the switch's own: times, whether it
# speaks STP, priority, the groups that it passes, and snooping (linux/if_link.h).
COPIED_OPTIONS = (1, 2, 3, 4, 5, 6, 9, 23, 25, 34)


def filter_vlans(netlink: Netlink, bridge: str, qinq: bool = False) -> None:
    """Make a bridge tell VLANs apart, where the kernel can; none is on a port unless said.

    With ``qinq`` by tags of providers, so that those of customers are what is carried.

    """
    if WITHOUT_KERNELS_OWN:
        return
    options = attribute(IFLA_BR_VLAN_FILTERING, b"\1")
    options += attribute(IFLA_BR_VLAN_DEFAULT_PVID, struct.pack("H", 0))
    if qinq:
        options += attribute(IFLA_BR_VLAN_PROTOCOL, struct.pack("!H", ETH_P_8021AD))
    body = _bridge_body(bridge, options)
    attempt(netlink, Message(RTM_NEWLINK, 0, body, f"filter VLANs on {bridge}"), errno.EOPNOTSUPP)


def filters_vlans(netlink: Netlink, bridge: str) -> bool:
    """Tell whether the kernel does it."""
    return _options_of(_read(netlink, bridge)).get(IFLA_BR_VLAN_FILTERING, b"\0") != b"\0"


def carry(netlink: Netlink, bridge: str, port: str, wanted: Request, offload: bool = False) -> None:
    """Make an interface a port of a switch that carries these VLANs, and no others."""
    if filters_vlans(netlink, bridge):
        _filter(netlink, bridge, port, wanted)
    else:
        _split(netlink, bridge, port, wanted, offload)


def vlan_ways() -> list[str]:
    unshare(CLONE_NEWNET)
    netlink = Netlink(None)
    bridge = _bridge_body("trial", b"")
    made = Message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, bridge, "make a bridge")
    netlink.send([made])
    filter_vlans(netlink, "trial")
    make_tagged(netlink, "trial.1", "trial", 1, offload=True)
    own = not parts("q", interface_index("trial"))
    ways = {"8021q": own, "programs": not own, "filtering": filters_vlans(netlink, "trial")}
    netlink.close()
    return [way for way, used in ways.items() if used]


# -- a bridge that filters ----------------------------------------------------


def _filter(netlink: Netlink, bridge: str, port: str, wanted: Request) -> None:
    index = interface_index(port)
    netlink.send([set_link(port, up=True, master=interface_index(bridge))])
    untagged = BRIDGE_VLAN_INFO_PVID | BRIDGE_VLAN_INFO_UNTAGGED
    flags = dict.fromkeys(wanted["trunk"], 0)
    if wanted["vlan"] is not None:
        flags[wanted["vlan"]] = untagged
    messages = [Message(RTM_SETLINK, 0, vlans_body(index, flags), f"put {port} into VLANs")]
    gone = [vlan for vlan in read_ports(netlink).get(index, {}) if vlan not in flags]
    if gone:
        body = vlans_body(index, dict.fromkeys(gone, 0))
        messages.append(Message(RTM_DELLINK, 0, body, f"take {port} out of VLANs"))
    netlink.send(messages)


def vlans_body(index: int, flags: dict[int, int]) -> bytes:
    """Name VLANs of a port, each with its flags (struct bridge_vlan_info)."""
    infos = (
        attribute(IFLA_BRIDGE_VLAN_INFO, struct.pack("HH", flag, vlan))
        for vlan, flag in flags.items()
    )
    head = struct.pack("BxHiII", AF_BRIDGE, 0, index, 0, 0)
    return head + attribute(IFLA_AF_SPEC | NLA_F_NESTED, b"".join(infos))


def read_ports(netlink: Netlink) -> dict[int, dict[int, int]]:
    """Return the VLANs of all ports of bridges that filter, by index, and each one's flags."""
    body = struct.pack("BxHiII", AF_BRIDGE, 0, 0, 0, 0)
    body += attribute(IFLA_EXT_MASK, struct.pack("I", RTEXT_FILTER_BRVLAN))
    question = Message(RTM_GETLINK, NLM_F_DUMP, body, "look at the VLANs of ports")
    found: dict[int, dict[int, int]] = {}
    for answer in netlink.ask(question):
        (index,) = struct.unpack_from("i", answer, 4)
        specification = attributes(answer[16:]).get(IFLA_AF_SPEC, b"")
        for kind, data in each_attribute(specification):
            if kind == IFLA_BRIDGE_VLAN_INFO:
                flags, vlan = struct.unpack("HH", data)
                found.setdefault(index, {})[vlan] = flags
    return found


def port_row(flags: dict[int, int]) -> Request:
    """Return which VLANs a port carries, of what `read_ports` says of it."""
    untagged = [vlan for vlan, flag in flags.items() if flag & BRIDGE_VLAN_INFO_UNTAGGED]
    return {
        "vlan": untagged[0] if untagged else None,
        "trunk": sorted(vlan for vlan in flags if vlan not in untagged),
    }


# -- a bridge for each VLAN ---------------------------------------------------


def bridge_of(index: int, vlan: int) -> str:
    """Return what a VLAN's bridge is called, beside that of the whole switch.

    No device that a plan names has a dot in its name.

    """
    return f"b{index}.{vlan}"


def tagged_port(index: int, vlan: int) -> str:
    """Return what stands upon a trunk for a VLAN."""
    return f"t{index}.{vlan}"


def parts(letter: str, index: int) -> dict[int, str]:
    """Return the VLANs for which such devices are there, and what these are called."""
    found = (re.fullmatch(rf"{letter}{index}\.(\d+)", name) for _, name in socket.if_nameindex())
    return {int(match[1]): match[0] for match in found if match}


def standing_upon(end: Request) -> list[str]:
    """Return what stands upon an end that is a trunk of a switch, and has no cable of its own."""
    trunk = end.get("vlans", {}).get("trunk", ())
    if not trunk or end["pid"] is not None:
        return []
    index = interface_index(end["interface"])
    names = (tagged_port(index, vlan) for vlan in trunk)
    return [name for name in names if index_or_none(name) is not None]


def trunk_of(name: str) -> int | None:
    """Return the index of the trunk upon which an interface stands; None for all others."""
    match = re.fullmatch(r"t(\d+)\.\d+", name)
    return int(match[1]) if match else None


def _split(netlink: Netlink, bridge: str, port: str, wanted: Request, offload: bool) -> None:
    index = interface_index(port)
    for vlan, name in parts("t", index).items():
        if vlan not in wanted["trunk"]:
            remove_tagged(netlink, name, port, vlan)
    access = 0 if wanted["vlan"] is None else _vlan_bridge(netlink, bridge, wanted["vlan"])
    netlink.send([set_link(port, up=True, master=access)])
    for vlan in wanted["trunk"]:
        name = tagged_port(index, vlan)
        make_tagged(netlink, name, port, vlan, offload, wanted.get("qinq", False))
        disable_ipv6(name)
        netlink.send([set_link(name, up=True, master=_vlan_bridge(netlink, bridge, vlan))])


def _vlan_bridge(netlink: Netlink, bridge: str, vlan: int) -> int:
    """Return the index of a VLAN's bridge, which is made where it is missing."""
    name = bridge_of(interface_index(bridge), vlan)
    if index_or_none(name) is None:
        whole = _read(netlink, bridge)
        options = _options_of(whole)
        copied = b"".join(
            attribute(kind, options[kind]) for kind in COPIED_OPTIONS if kind in options
        )
        # The same MAC address makes it the same switch to those of others: trees are alike.
        body = _bridge_body(name, copied) + attribute(IFLA_ADDRESS, whole[IFLA_ADDRESS])
        purpose = f"make a bridge for VLAN {vlan} of {bridge}"
        netlink.send([Message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body, purpose)])
        disable_ipv6(name)
        netlink.send([set_link(name, up=True)])
    return interface_index(name)


def delete_parts(netlink: Netlink, names: Iterable[str]) -> None:
    """Remove what stands upon these bridges and ports; they themselves stay."""
    for name in names:
        if (index := index_or_none(name)) is not None:
            for part in (*parts("t", index).values(), *parts("b", index).values()):
                attempt(netlink, delete_link(part), errno.ENODEV)


def bridges_of(device: str) -> Iterator[tuple[str, int | None]]:
    """Yield the bridges that a switch is made of, and the VLAN of each, None for all."""
    found = parts("b", interface_index(device))
    if not found:
        yield device, None
    for vlan, name in sorted(found.items()):
        yield name, vlan


def _bridge_body(name: str, options: bytes) -> bytes:
    information = text_attribute(IFLA_INFO_KIND, "bridge")
    information += attribute(IFLA_INFO_DATA | NLA_F_NESTED, options)
    return (
        link_body()
        + text_attribute(IFLA_IFNAME, name)
        + attribute(IFLA_LINKINFO | NLA_F_NESTED, information)
    )


def _read(netlink: Netlink, bridge: str) -> dict[int, bytes]:
    body = link_body() + text_attribute(IFLA_IFNAME, bridge)
    [answer] = netlink.ask(Message(RTM_GETLINK, 0, body, f"look at the bridge {bridge}"))
    return attributes(answer[16:])


def _options_of(found: dict[int, bytes]) -> dict[int, bytes]:
    return attributes(attributes(found[IFLA_LINKINFO]).get(IFLA_INFO_DATA, b""))
