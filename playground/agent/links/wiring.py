"""Veth pairs and bridges made and removed, many in one request."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Sequence

from playground.agent.kernel.offloads import Offloads
from playground.agent.kernel.syscalls import CLONE_NEWNET, setns
from playground.agent.links.bridge_vlans import carry, delete_parts, filter_vlans
from playground.agent.links.bridges import new_bridge
from playground.agent.links.interfaces import delete_link, interface_index, new_veth, set_link
from playground.agent.links.netlink import Message, Netlink, refusal
from playground.agent.nodes.entering import coming_back, open_namespace
from playground.agent.nodes.sysctls import disable_ipv6
from playground.agent.protocol import Request


def wire(bridges: Sequence[Request], veths: Sequence[Request]) -> None:
    made: list[tuple[int | None, str]] = []
    with coming_back() as own, contextlib.ExitStack() as opened:
        namespaces: dict[int | None, int] = {None: own}
        sockets: dict[int | None, Netlink] = {None: Netlink(None)}
        opened.callback(sockets[None].close)
        try:
            for end in (end for veth in veths for end in (veth["a"], veth["b"])):
                pid = end["pid"]
                if pid not in namespaces:
                    namespaces[pid] = open_namespace(pid, "net")
                    opened.callback(os.close, namespaces[pid])
            for veth in veths:
                # Pairs are made from there; the other end needs no socket.
                pid = veth["a"]["pid"]
                if pid not in sockets:
                    setns(namespaces[pid], CLONE_NEWNET)
                    sockets[pid] = Netlink(None)
                    opened.callback(sockets[pid].close)
            setns(own, CLONE_NEWNET)
            # What is made here from now on is a bridge or a port: at once with all of them.
            disable_ipv6("default")
            _make(
                sockets[None],
                None,
                [
                    (new_bridge(row["device"], row.get("settings")), row["device"])
                    for row in bridges
                ],
                made,
            )
            for row in bridges:
                if row.get("vlans"):
                    filter_vlans(sockets[None], row["device"], row.get("qinq", False))
            groups: dict[int | None, list[tuple[Message, str]]] = {}
            for veth in veths:
                a, b = veth["a"], veth["b"]
                message = new_veth(a, b, veth["mtu_bytes"], namespaces[b["pid"]])
                groups.setdefault(a["pid"], []).append((message, a["interface"]))
            for pid, group in groups.items():
                _make(sockets[pid], pid, group, made)
            _turn_offloads_off(veths, namespaces)
            setns(own, CLONE_NEWNET)
            _raise_bridges(sockets[None], bridges, veths)
        except BaseException:
            setns(own, CLONE_NEWNET)
            delete_parts(sockets[None], [name for pid, name in made if pid is None])
            for pid, name in reversed(made):
                sockets[pid].attempt([delete_link(name)])
            raise


def _make(
    netlink: Netlink,
    pid: int | None,
    group: Sequence[tuple[Message, str]],
    made: list[tuple[int | None, str]],
) -> None:
    """Send messages that each make an interface, and note those that did."""
    refused = None
    results = netlink.attempt([message for message, _ in group])
    for (_, name), (message, number, reason) in zip(group, results, strict=True):
        if number == 0:
            made.append((pid, name))
        elif refused is None:
            refused = refusal(message, number, reason)
    if refused is not None:
        raise refused


def _turn_offloads_off(veths: Sequence[Request], namespaces: dict[int | None, int]) -> None:
    by_pid: dict[int | None, list[str]] = {}
    for veth in veths:
        if not veth.get("offload"):
            for end in (veth["a"], veth["b"]):
                by_pid.setdefault(end["pid"], []).append(end["interface"])
    offloads = Offloads()
    for pid, names in by_pid.items():
        setns(namespaces[pid], CLONE_NEWNET)
        for name in names:
            offloads.off(name)


def _raise_bridges(netlink: Netlink, bridges: Sequence[Request], veths: Sequence[Request]) -> None:
    """Plug the ports into their bridges and set all of them up, silently."""
    messages = []
    index: dict[str, int] = {}
    for row in bridges:
        messages.append(set_link(row["device"], up=True))
    for veth in veths:
        for end in (veth["a"], veth["b"]):
            if end["pid"] is not None:
                continue
            bridge = end.get("bridge")
            plain = bridge is not None and not end.get("vlans")
            if plain and bridge not in index:
                index[bridge] = interface_index(bridge)
            master = index[bridge] if plain else None
            messages.append(set_link(end["interface"], up=True, master=master))
    netlink.send(messages)
    for veth in veths:
        for end in (veth["a"], veth["b"]):
            if end.get("vlans"):
                offload = veth.get("offload", False)
                carry(netlink, end["bridge"], end["interface"], end["vlans"], offload)


def bare(pids: Sequence[int]) -> None:
    """Take away all interfaces that nodes came with, but the loopback."""
    own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    for pid in pids:
        netlink = Netlink(pid)
        names = [name for _, name in socket.if_nameindex() if name != "lo"]
        results = netlink.attempt([delete_link(name) for name in names])
        netlink.close()
        setns(own, CLONE_NEWNET)
        for message, number, reason in results:
            # Some come with every namespace, where the kernel has their kind (tunl0).
            if number not in (0, errno.ENODEV, errno.EOPNOTSUPP):
                raise refusal(message, number, reason)
    os.close(own)


def unwire(veths: Sequence[Request], bridges: Sequence[Request] = ()) -> None:
    everything = [(end["pid"], end["interface"]) for end in veths]
    everything += [(None, row["device"]) for row in bridges]
    inner = Netlink(None)
    delete_parts(inner, [name for pid, name in everything if pid is None])
    inner.close()
    with coming_back() as own:
        for pid, name in everything:
            setns(own, CLONE_NEWNET)
            try:
                netlink = Netlink(pid)
            except ProcessLookupError:
                continue  # its interfaces went with it
            [(message, number, reason)] = netlink.attempt([delete_link(name)])
            netlink.close()
            if number not in (0, errno.ENODEV):
                raise refusal(message, number, reason)
