"""Bridges, which are a lab's switches: made, changed, mirrored, read."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Sequence

from playground.agent.filters import (
    MIRROR_INFO,
    RTM_DELTFILTER,
    TC_H_CLSACT_EGRESS,
    TC_H_CLSACT_INGRESS,
    mirror_messages,
)
from playground.agent.links import (
    IFLA_CARRIER,
    IFLA_IFNAME,
    IFLA_INFO_DATA,
    IFLA_INFO_KIND,
    IFLA_LINKINFO,
    IFLA_MASTER,
    RTM_GETLINK,
    RTM_NEWLINK,
    index_or_none,
    interface_index,
    link_body,
)
from playground.agent.netlink import (
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
from playground.agent.protocol import Request
from playground.agent.queues import queue_body

# linux/rtnetlink.h, linux/if_link.h
RTM_GETNEIGH = 30
IFLA_INFO_SLAVE_DATA = 5
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
IFLA_BRPORT_STATE = 1
IFLA_BRPORT_COST = 3
# linux/if_bridge.h, BR_STATE_*
PORT_STATES = ("disabled", "listening", "learning", "forwarding", "blocking")

# linux/neighbour.h
AF_BRIDGE = 7
NDA_LLADDR = 2
NDA_CACHEINFO = 3
NDA_MASTER = 9
NUD_PERMANENT = 0x80

# All groups but the three that IEEE 802.1D keeps for the bridge itself, which
# the kernel does not let anyone forward (net/bridge/br_private.h).
GROUP_FORWARD_MASK = 0xFFF8


def new_bridge(device: str, settings: Request | None = None) -> Message:
    options = (
        bridge_options(settings)
        if settings
        else attribute(IFLA_BR_FORWARD_DELAY, struct.pack("I", 0))
        + attribute(IFLA_BR_STP_STATE, struct.pack("I", 0))
    )
    options += attribute(IFLA_BR_GROUP_FWD_MASK, struct.pack("H", GROUP_FORWARD_MASK))
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
        netlink.send(change_bridge(row["device"], row["settings"]))
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


def switches(devices: Sequence[str]) -> list[Request]:
    netlink = Netlink(None)
    question = Message(RTM_GETLINK, NLM_F_DUMP, link_body(), "look at the switches")
    rows: dict[int, Request] = {}
    ports = []
    for answer in netlink.ask(question):
        (index,) = struct.unpack_from("i", answer, 4)
        found = attributes(answer[16:])
        name = found[IFLA_IFNAME].rstrip(b"\0").decode()
        information = attributes(found.get(IFLA_LINKINFO, b""))
        if name in devices:
            bridge = attributes(information[IFLA_INFO_DATA])
            rows[index] = {
                "device": name,
                "id": bridge[IFLA_BR_BRIDGE_ID].hex(),
                "root": bridge[IFLA_BR_ROOT_ID].hex(),
                "root_cost": read_number(bridge, IFLA_BR_ROOT_PATH_COST),
                "ports": [],
            }
        elif IFLA_MASTER in found and IFLA_INFO_SLAVE_DATA in information:
            port = attributes(information[IFLA_INFO_SLAVE_DATA])
            row = {
                "port": name,
                "state": PORT_STATES[port[IFLA_BRPORT_STATE][0]],
                "carrier": found.get(IFLA_CARRIER, b"\0")[0] == 1,
                "cost": read_number(port, IFLA_BRPORT_COST),
            }
            ports.append((read_number(found, IFLA_MASTER), row))
    for master, row in ports:
        if master in rows:
            rows[master]["ports"].append(row)
    netlink.close()
    order = {device: number for number, device in enumerate(devices)}
    return sorted(rows.values(), key=lambda row: order[row["device"]])


def learned(device: str) -> list[Request]:
    netlink = Netlink(None)
    body = struct.pack("BxxxiHBB", AF_BRIDGE, 0, 0, 0, 0)
    question = Message(RTM_GETNEIGH, NLM_F_DUMP, body, f"read what {device} has learned")
    bridge, names = interface_index(device), dict(socket.if_nameindex())
    rows = []
    for answer in netlink.ask(question):
        _, index, state, _, _ = struct.unpack_from("BxxxiHBB", answer)
        found = attributes(answer[12:])
        if state & NUD_PERMANENT or read_number(found, NDA_MASTER) != bridge or index not in names:
            continue
        # struct nda_cacheinfo: confirmed, used, updated, in hundredths of a second.
        _, _, updated, _ = struct.unpack("4I", found[NDA_CACHEINFO])
        mac = found[NDA_LLADDR].hex(":")
        rows.append({"mac": mac, "port": names[index], "age_s": updated / 100})
    netlink.close()
    return rows
