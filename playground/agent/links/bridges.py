"""Bridges, which are a lab's switches: made, changed, mirrored, read."""

from __future__ import annotations

import errno
import socket
import struct
import sys
from collections.abc import Mapping, Sequence

from playground.agent.links.bridge_vlans import (
    AF_BRIDGE,
    IFLA_BR_VLAN_FILTERING,
    RTM_SETLINK,
    bridges_of,
    carry,
    port_row,
    read_ports,
    trunk_of,
)
from playground.agent.links.filters import (
    MIRROR_INFO,
    RTM_DELTFILTER,
    TC_H_CLSACT_EGRESS,
    TC_H_CLSACT_INGRESS,
    mirror_messages,
)
from playground.agent.links.interfaces import (
    IFLA_CARRIER,
    IFLA_IFALIAS,
    IFLA_IFNAME,
    IFLA_INFO_DATA,
    IFLA_INFO_KIND,
    IFLA_INFO_SLAVE_DATA,
    IFLA_LINKINFO,
    IFLA_MASTER,
    RTM_GETLINK,
    RTM_NEWLINK,
    index_or_none,
    interface_index,
    link_body,
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
    read_number,
    text_attribute,
)
from playground.agent.links.queues import queue_body
from playground.agent.protocol import Request

# linux/rtnetlink.h, linux/if_link.h
RTM_GETNEIGH = 30
IFLA_BR_FORWARD_DELAY = 1
IFLA_BR_HELLO_TIME = 2
IFLA_BR_MAX_AGE = 3
IFLA_BR_AGEING_TIME = 4
IFLA_BR_STP_STATE = 5
IFLA_BR_PRIORITY = 6
IFLA_BR_GROUP_FWD_MASK = 9
IFLA_BR_ROOT_ID = 10
IFLA_BR_BRIDGE_ID = 11
IFLA_BR_ROOT_PATH_COST = 13
IFLA_BR_MCAST_SNOOPING = 23
IFLA_BR_MCAST_QUERIER = 25
IFLA_BR_MCAST_QUERY_RESPONSE_INTVL = 34
IFLA_BRPORT_STATE = 1
IFLA_BRPORT_PRIORITY = 2
IFLA_BRPORT_GROUP_FWD_MASK = 31
IFLA_BRPORT_ISOLATED = 33
IFLA_PROTINFO = 12
IFLA_BRPORT_COST = 3
# linux/if_bridge.h, BR_STATE_*
PORT_STATES = ("disabled", "listening", "learning", "forwarding", "blocking")

# linux/neighbour.h
NDA_LLADDR = 2
NDA_CACHEINFO = 3
NDA_VLAN = 5
NDA_MASTER = 9
NUD_PERMANENT = 0x80

# All groups but the three that IEEE 802.1D keeps for the bridge itself, which
# the kernel does not let anyone forward (net/bridge/br_private.h).
GROUP_FORWARD_MASK = 0xFFF8
# Of a port alone the third of these can be asked for: LACP (net/bridge/br_input.c).
LACP = 0x4


# RFC 2236 has 10 s, in which a lesson would see everything sent to everybody.
RESPONSE = 100  # hundredths of a second


def new_bridge(device: str, settings: Request | None = None) -> Message:
    options = (
        bridge_options(settings)
        if settings
        else attribute(IFLA_BR_FORWARD_DELAY, struct.pack("I", 0))
        + attribute(IFLA_BR_STP_STATE, struct.pack("I", 0))
    )
    options += attribute(IFLA_BR_GROUP_FWD_MASK, struct.pack("H", GROUP_FORWARD_MASK))
    if settings is None:
        options += attribute(IFLA_BR_MCAST_SNOOPING, struct.pack("B", 0))
    body = _bridge_body(device, options)
    return Message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body, f"make the bridge {device}")


def change_bridge(device: str, settings: Request) -> list[Message]:
    purpose = f"change the bridge {device}"
    messages = [Message(RTM_NEWLINK, 0, _bridge_body(device, bridge_options(settings)), purpose)]
    if not settings["stp"]:
        # The kernel looks at the delay first, and refuses 0 as long as it speaks STP.
        off = attribute(IFLA_BR_STP_STATE, struct.pack("I", 0))
        messages.insert(0, Message(RTM_NEWLINK, 0, _bridge_body(device, off), purpose))
    return messages


def bridge_options(settings: Request) -> bytes:
    options = b"".join(
        attribute(kind, struct.pack("I", settings[name]))
        for kind, name in (
            (IFLA_BR_FORWARD_DELAY, "forward_delay"),
            (IFLA_BR_HELLO_TIME, "hello_time"),
            (IFLA_BR_MAX_AGE, "max_age"),
            (IFLA_BR_AGEING_TIME, "ageing"),
        )
    )
    options += attribute(IFLA_BR_STP_STATE, struct.pack("I", settings["stp"]))
    snooping = settings.get("igmp_snooping", False)
    # It asks itself, for where no router of groups does nobody would tell; and answers are
    # awaited so long before it believes that it knows the members.
    options += attribute(IFLA_BR_MCAST_SNOOPING, struct.pack("B", snooping))
    options += attribute(IFLA_BR_MCAST_QUERIER, struct.pack("B", snooping))
    if snooping:
        options += attribute(IFLA_BR_MCAST_QUERY_RESPONSE_INTVL, struct.pack("Q", RESPONSE))
    return options + attribute(IFLA_BR_PRIORITY, struct.pack("H", settings["priority"]))


def _bridge_body(device: str, options: bytes) -> bytes:
    return (
        link_body()
        + text_attribute(IFLA_IFNAME, device)
        + attribute(
            IFLA_LINKINFO | NLA_F_NESTED,
            text_attribute(IFLA_INFO_KIND, "bridge")
            + attribute(IFLA_INFO_DATA | NLA_F_NESTED, options),
        )
    )


def switch(bridges: Sequence[Request]) -> None:
    netlink = Netlink(None)
    for row in bridges:
        for bridge in {row["device"], *(name for name, _ in bridges_of(row["device"]))}:
            netlink.send(change_bridge(bridge, row["settings"]))
        for wanted in row.get("ports", []):
            carry(netlink, row["device"], wanted["port"], wanted)
        netlink.send([set_port(wanted) for wanted in row.get("port_settings", [])])
        # One that was to be as usual again may be gone, with its link.
        usual = [wanted for wanted in row.get("usual", []) if index_or_none(wanted["port"])]
        netlink.send([set_port(wanted) for wanted in usual])
        for port in row["unmirror"]:
            if (index := index_or_none(port)) is not None:
                for hook in (TC_H_CLSACT_INGRESS, TC_H_CLSACT_EGRESS):
                    body = queue_body(index, hook, 0, MIRROR_INFO)
                    message = Message(RTM_DELTFILTER, 0, body, f"take a mirror from {port}")
                    attempt(netlink, message, errno.ENOENT, errno.EINVAL)
        if row["mirror"] is not None:
            to = interface_index(row["mirror"]["to"])
            for name, hook in (("entering", TC_H_CLSACT_INGRESS), ("leaving", TC_H_CLSACT_EGRESS)):
                for port in row["mirror"][name]:
                    netlink.send(mirror_messages(interface_index(port), hook, to))
    netlink.close()


def set_port(wanted: Request) -> Message:
    """Give a port its place in the spanning tree, and isolate it from others that are."""
    settings = (
        attribute(IFLA_BRPORT_PRIORITY, struct.pack("H", wanted["priority"]))
        + attribute(IFLA_BRPORT_COST, struct.pack("I", wanted["cost"]))
        + attribute(IFLA_BRPORT_ISOLATED, struct.pack("B", wanted["isolated"]))
        + attribute(IFLA_BRPORT_GROUP_FWD_MASK, struct.pack("H", LACP * wanted["passes_lacp"]))
    )
    index = interface_index(wanted["port"])
    body = struct.pack("BxHiII", AF_BRIDGE, 0, index, 0, 0)
    body += attribute(IFLA_PROTINFO | NLA_F_NESTED, settings)
    return Message(RTM_SETLINK, 0, body, f"set the port {wanted['port']}")


def switches(devices: Sequence[str]) -> list[Request]:
    netlink = Netlink(None)
    question = Message(RTM_GETLINK, NLM_F_DUMP, link_body(), "look at the switches")
    places = {name: (device, vlan) for device in devices for name, vlan in bridges_of(device)}
    rows: dict[int, Request] = {}
    links: dict[int, dict[int, bytes]] = {}
    filtering = False
    for answer in netlink.ask(question):
        (index,) = struct.unpack_from("i", answer, 4)
        links[index] = found = attributes(answer[16:])
        name = _name(found)
        if name in places:
            device, vlan = places[name]
            bridge = attributes(attributes(found[IFLA_LINKINFO])[IFLA_INFO_DATA])
            filtering |= bridge.get(IFLA_BR_VLAN_FILTERING, b"\0") != b"\0"
            rows[index] = {
                "device": device,
                "vlan": vlan,
                "id": bridge[IFLA_BR_BRIDGE_ID].hex(),
                "root": bridge[IFLA_BR_ROOT_ID].hex(),
                "root_cost": read_number(bridge, IFLA_BR_ROOT_PATH_COST),
                "ports": [],
            }
    carried = read_ports(netlink) if filtering else {}
    netlink.close()
    for index, found in links.items():
        switch_row = rows.get(read_number(found, IFLA_MASTER) or 0)
        if switch_row is not None:
            switch_row["ports"].append(_port(index, links, carried, switch_row["vlan"]))
    order = {device: number for number, device in enumerate(devices)}
    return sorted(rows.values(), key=lambda row: (order[row["device"]], row["vlan"] or 0))


def _port(
    index: int,
    links: Mapping[int, dict[int, bytes]],
    carried: Mapping[int, dict[int, int]],
    vlan: int | None,
) -> Request:
    found = links[index]
    port = attributes(attributes(found[IFLA_LINKINFO])[IFLA_INFO_SLAVE_DATA])
    trunk = trunk_of(_name(found))
    cable = found if trunk is None else links.get(trunk, found)
    row = port_row(carried.get(index, {}))
    if vlan is not None:
        row = {"vlan": vlan, "trunk": []} if trunk is None else {"vlan": None, "trunk": [vlan]}
    return {
        "port": _name(cable),
        "state": PORT_STATES[port[IFLA_BRPORT_STATE][0]],
        "carrier": cable.get(IFLA_CARRIER, b"\0")[0] == 1,
        "cost": read_number(port, IFLA_BRPORT_COST),
        "alias": cable.get(IFLA_IFALIAS, b"").rstrip(b"\0").decode(errors="replace"),
        **row,
    }


def _name(found: dict[int, bytes]) -> str:
    return found[IFLA_IFNAME].rstrip(b"\0").decode()


def learned(device: str) -> list[Request]:
    netlink = Netlink(None)
    body = struct.pack("BxxxiHBB", AF_BRIDGE, 0, 0, 0, 0)
    question = Message(RTM_GETNEIGH, NLM_F_DUMP, body, f"read what {device} has learned")
    bridges = {interface_index(name): vlan for name, vlan in bridges_of(device)}
    names = dict(socket.if_nameindex())
    rows = []
    for answer in netlink.ask(question):
        _, index, state, _, _ = struct.unpack_from("BxxxiHBB", answer)
        found = attributes(answer[12:])
        bridge = read_number(found, NDA_MASTER) or 0
        if state & NUD_PERMANENT or bridge not in bridges or index not in names:
            continue
        # struct nda_cacheinfo: confirmed, used, updated, in hundredths of a second.
        _, _, updated, _ = struct.unpack("4I", found[NDA_CACHEINFO])
        trunk = trunk_of(names[index])
        rows.append(
            {
                "mac": found[NDA_LLADDR].hex(":"),
                "port": names[index] if trunk is None else names.get(trunk, names[index]),
                "vlan": int.from_bytes(found.get(NDA_VLAN, b""), sys.byteorder) or bridges[bridge],
                "age_s": updated / 100,
            }
        )
    netlink.close()
    return rows
