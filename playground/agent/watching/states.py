"""The kernel's view of each node's network, read in one go; for `evidence.network_state`."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Iterator, Sequence

from playground.agent.kernel.syscalls import read_text
from playground.agent.links.bridges import NDA_LLADDR, RTM_GETNEIGH
from playground.agent.links.interfaces import (
    IFLA_INFO_KIND,
    IFLA_LINKINFO,
    IFLA_MASTER,
    RTM_GETLINK,
    interface_row,
    link_body,
)
from playground.agent.links.netlink import NLM_F_DUMP, Message, Netlink, attributes, read_number
from playground.agent.network.addresses import IFA_ADDRESS, IFA_LOCAL, NDA_DST, RTM_GETADDR
from playground.agent.network.autoconfiguration import heard_of_routers
from playground.agent.network.connections import connections
from playground.agent.network.listening import listening_sockets
from playground.agent.network.nft_listing import ended_listing, start_listing
from playground.agent.network.nft_rulesets import filter_tables
from playground.agent.network.policy_routing import policy_rules
from playground.agent.network.routes import ADDRESS_BYTES, RTM_GETROUTE, route_rows
from playground.agent.protocol import Request

# linux/rtnetlink.h, neighbour.h, if_addr.h, fib_rules.h
NDA_MULTICAST_TYPE = 5
NUD_STATES = {
    0x01: "incomplete",
    0x02: "reachable",
    0x04: "stale",
    0x08: "delay",
    0x10: "probe",
    0x20: "failed",
    0x40: "noarp",
    0x80: "permanent",
}
IFA_F_TENTATIVE = 0x40
IFA_F_DADFAILED = 0x08
IFA_FLAGS = 8
IFLA_LINK = 5
_ASKED_SYSCTLS = (
    "net.ipv4.ip_forward",
    "net.ipv6.conf.all.forwarding",
    "net.ipv6.conf.all.disable_ipv6",
    "net.ipv4.conf.all.rp_filter",
    "net.ipv4.icmp_echo_ignore_all",
)
_PER_INTERFACE = (
    "net/ipv4/conf/{}/forwarding",
    "net/ipv4/conf/{}/rp_filter",
    "net/ipv6/conf/{}/disable_ipv6",
    "net/ipv6/conf/{}/forwarding",
    "net/ipv6/conf/{}/accept_ra",
)


def states(pids: Sequence[int], with_connections: bool = True) -> list[Request]:
    programs = _programs(pids)
    rows, listing = [], []
    for pid in pids:
        row = _state(pid, programs)
        if with_connections:
            row["connections"] = _known_connections(pid)
        rows.append(row)
        if row["tables"]:
            listing.append((row, start_listing()))
    for row, started in listing:
        row["firewall"] = ended_listing(started)
    return rows


def _state(pid: int, programs: dict[int, str]) -> Request:
    netlink = Netlink(pid)
    names = dict(socket.if_nameindex())
    interfaces_ = {}
    for answer in netlink.ask(Message(RTM_GETLINK, NLM_F_DUMP, link_body(), "list interfaces")):
        (index,) = struct.unpack_from("i", answer, 4)
        found = attributes(answer[16:])
        row = interface_row(answer)
        del row["statistics"]
        information = attributes(found.get(IFLA_LINKINFO, b""))
        kind = information.get(IFLA_INFO_KIND, b"").rstrip(b"\0").decode() or None
        # The number of a veth's other end is that of another namespace.
        below = read_number(found, IFLA_LINK) if kind != "veth" else None
        row |= {
            "name": names.get(index, ""),
            "kind": kind,
            "below": names.get(below or 0),
            "master": names.get(read_number(found, IFLA_MASTER) or 0),
            "addresses": [],
        }
        row["settings"] = _interface_settings(row["name"])
        row["settings"]["ipv6.heard"] = heard_of_routers(answer)
        interfaces_[index] = row
    for answer in netlink.ask(
        Message(RTM_GETADDR, NLM_F_DUMP, struct.pack("BBBBi", 0, 0, 0, 0, 0), "list addresses")
    ):
        family, length, flags, _, index = struct.unpack_from("BBBBi", answer)
        found = attributes(answer[8:])
        if family in ADDRESS_BYTES and index in interfaces_:
            flags = read_number(found, IFA_FLAGS) or flags
            own = found.get(IFA_LOCAL, found.get(IFA_ADDRESS, bytes(ADDRESS_BYTES[family])))
            peer = found.get(IFA_ADDRESS, own)
            interfaces_[index]["addresses"].append(
                {
                    "address": f"{socket.inet_ntop(family, own)}/{length}",
                    "peer": socket.inet_ntop(family, peer) if peer != own else None,
                    "refused": bool(flags & IFA_F_DADFAILED),
                    "tentative": bool(flags & IFA_F_TENTATIVE),
                }
            )
    routes_: list[Request] = []
    question = struct.pack("BBBBBBBBI", *[0] * 9)
    for answer in netlink.ask(Message(RTM_GETROUTE, NLM_F_DUMP, question, "read the routes")):
        routes_ += route_rows(answer, names)
    found_state = {
        "interfaces": list(interfaces_.values()),
        "routes": routes_,
        "neighbours": list(_neighbours(netlink, names)),
        "sysctls": {name: _setting(name.replace(".", "/")) for name in _ASKED_SYSCTLS},
    }
    netlink.close()
    return found_state | {
        "rules": policy_rules(pid),
        "sockets": list(listening_sockets(programs)),
        "connections": [],
        "tables": filter_tables(pid),
        "firewall": [],
    }


def _interface_settings(name: str) -> dict[str, str | None]:
    return {
        path.split("/")[1] + "." + path.split("/")[-1]: _setting(path.format(name))
        for path in _PER_INTERFACE
    }


def _setting(path: str) -> str | None:
    try:
        return read_text(f"/proc/sys/{path}").strip()
    except OSError:
        return None  # a kernel without IPv6, or an interface that has just gone


def _neighbours(netlink: Netlink, names: dict[int, str]) -> Iterator[Request]:
    body = struct.pack("BxxxiHBB", 0, 0, 0, 0, 0)
    for answer in netlink.ask(Message(RTM_GETNEIGH, NLM_F_DUMP, body, "list neighbours")):
        family, index, state, _, kind = struct.unpack_from("BxxxiHBB", answer)
        found = attributes(answer[12:])
        if family in ADDRESS_BYTES and kind != NDA_MULTICAST_TYPE and NDA_DST in found:
            yield {
                "interface": names.get(index, ""),
                "address": socket.inet_ntop(family, found[NDA_DST]),
                "mac": found[NDA_LLADDR].hex(":") if NDA_LLADDR in found else None,
                "state": NUD_STATES.get(state, "none"),
            }


def _programs(pids: Sequence[int]) -> dict[int, str]:
    """Return which program holds each socket (by inode) of these nodes."""
    spaces = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            spaces.add(os.readlink(f"/proc/{pid}/ns/net"))
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        with contextlib.suppress(OSError):  # it has ended, or is not ours to look at
            if os.readlink(f"/proc/{name}/ns/net") not in spaces:
                continue
            program = read_text(f"/proc/{name}/comm").strip()
            for fd in os.listdir(f"/proc/{name}/fd"):
                target = os.readlink(f"/proc/{name}/fd/{fd}")
                if target.startswith("socket:["):
                    found[int(target[8:-1])] = program
    return found


def _known_connections(pid: int) -> list[Request]:
    # To list them takes 50 ms: the table is that of all namespaces of the machine.
    if _setting("net/netfilter/nf_conntrack_count") in (None, "0"):
        return []
    return connections(pid)
