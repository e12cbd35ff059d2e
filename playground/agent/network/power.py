"""Power of a node: taken away, so that it forgets all but its files."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import struct
from collections.abc import Collection, Sequence

from playground.agent.links.interfaces import set_link
from playground.agent.links.netlink import NLM_F_DUMP, Message, Netlink, attributes
from playground.agent.network.addresses import IFA_ADDRESS, IFA_LOCAL, RTM_DELADDR, RTM_GETADDR
from playground.agent.network.connections import forget
from playground.agent.network.nft_rulesets import ended_nft, filter_tables, start_nft
from playground.agent.network.policy_routing import FRA_TABLE, RTM_DELRULE, RTM_GETRULE
from playground.agent.network.routes import (
    RT_TABLE_LOCAL,
    RT_TABLE_MAIN,
    RTM_DELROUTE,
    RTM_F_CLONED,
    RTM_GETROUTE,
    RTPROT_KERNEL,
)
from playground.agent.network.staying import STAYING
from playground.agent.nodes.ending import end_programs
from playground.agent.nodes.entering import coming_back
from playground.agent.protocol import Request

# linux/fib_rules.h: the rule by which VRFs are looked up goes with them.
FRA_L3MDEV = 19
# linux/rtnetlink.h
RT_TABLE_DEFAULT = 253


def power_off(nodes: Sequence[Request], timeout_s: float = 2.0) -> None:
    """End all programs of nodes, set their interfaces down, and let their kernels forget."""
    end_programs([node["pid"] for node in nodes], timeout_s)
    for node in nodes:
        _end_staying(node["pid"])
        with coming_back():
            netlink = Netlink(node["pid"])
            try:
                _forget_network(netlink, {*node["interfaces"], "lo"})
            finally:
                netlink.close()
        # Not every kernel tracks connections.
        with contextlib.suppress(OSError), coming_back():
            forget(node["pid"], None)
        _flush_rules(node["pid"])


def _forget_network(netlink: Netlink, ours: Collection[str]) -> None:
    names = dict(socket.if_nameindex())
    downs = [set_link(name, up=False) for name in names.values() if name != "lo"]
    # Which those were that are others' (of `plug`, say) is for others to know.
    _passing_over(netlink, downs)
    _passing_over(netlink, _addresses(netlink, {i for i, name in names.items() if name in ours}))
    _passing_over(netlink, _routes(netlink))
    _passing_over(netlink, _rules(netlink))


def _passing_over(netlink: Netlink, messages: Sequence[Message]) -> None:
    """Send messages; what has gone meanwhile, or goes with another, is no error."""
    for message, number, reason in netlink.attempt(messages):
        if number not in (0, *_GONE):
            raise OSError(number, f"cannot {message.purpose}: {reason or os.strerror(number)}")


_GONE = (errno.ENODEV, errno.EADDRNOTAVAIL, errno.ESRCH, errno.ENOENT, errno.EOPNOTSUPP)


def _addresses(netlink: Netlink, indices: Collection[int]) -> list[Message]:
    """Return what takes all addresses away but the loopback's own."""
    question = Message(RTM_GETADDR, NLM_F_DUMP, struct.pack("BBBBi", *[0] * 5), "list addresses")
    found = []
    for answer in netlink.ask(question):
        (index,) = struct.unpack_from("i", answer, 4)
        parts = attributes(answer[8:])
        own = parts.get(IFA_LOCAL, parts.get(IFA_ADDRESS))
        if index in indices and own not in _LOOPBACK:
            found.append(Message(RTM_DELADDR, 0, answer, "take an address away"))
    return found


_LOOPBACK = (
    socket.inet_pton(socket.AF_INET, "127.0.0.1"),
    socket.inet_pton(socket.AF_INET6, "::1"),
)


def _routes(netlink: Netlink) -> list[Message]:
    """Return what takes all routes away that the kernel has not made of addresses."""
    question = Message(RTM_GETROUTE, NLM_F_DUMP, struct.pack("BBBBBBBBI", *[0] * 9), "list routes")
    found = []
    for answer in netlink.ask(question):
        table, protocol = answer[4], answer[5]
        (flags,) = struct.unpack_from("I", answer, 8)
        if table != RT_TABLE_LOCAL and protocol != RTPROT_KERNEL and not flags & RTM_F_CLONED:
            found.append(Message(RTM_DELROUTE, 0, answer, "take a route away"))
    return found


def _rules(netlink: Netlink) -> list[Message]:
    """Return what takes all rules of policy routing away but the kernel's own."""
    own = (RT_TABLE_LOCAL, RT_TABLE_MAIN, RT_TABLE_DEFAULT)
    found = []
    for family in (socket.AF_INET, socket.AF_INET6):
        header = struct.pack("BBBBBBBBI", family, *[0] * 8)
        for answer in netlink.ask(Message(RTM_GETRULE, NLM_F_DUMP, header, "list the rules")):
            parts = attributes(answer[12:])
            (table,) = struct.unpack("I", parts.get(FRA_TABLE, struct.pack("I", answer[4])))
            is_plain = table in own and not answer[1] and not answer[2]
            if not is_plain and FRA_L3MDEV not in parts:
                found.append(Message(RTM_DELRULE, 0, answer, "take a rule away"))
    return found


def _flush_rules(pid: int) -> None:
    with coming_back():
        if not filter_tables(pid):
            return
        status, said = ended_nft(*start_nft(["flush", "ruleset"]))
    if status != 0:
        raise OSError(errno.EINVAL, f"nft did not flush the node of pid {pid}: {said.strip()}")


def _end_staying(pid: int) -> None:
    """End what stays beside a node for an earlier request: a client of DHCP, say."""
    here, there = (os.stat(path).st_ino for path in ("/proc/self/ns/pid", f"/proc/{pid}/ns/net"))
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            handle = os.pidfd_open(int(name))
            try:
                # In the agent's own pid namespace: no process of a node's can call itself so there.
                if (
                    os.stat(f"/proc/{name}/ns/pid").st_ino == here
                    and os.stat(f"/proc/{name}/ns/net").st_ino == there
                    and _name_of(name) == STAYING
                ):
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
            finally:
                os.close(handle)


def _name_of(number: str) -> str:
    with open(f"/proc/{number}/comm") as file:
        return file.read(64).rstrip("\n")
