"""Addresses that interfaces make of what routers advertise: left to the kernel, then waited for."""

from __future__ import annotations

import dataclasses
import errno
import time
from collections.abc import Iterable, Mapping
from typing import Any

from playground.errors import AgentError, NotReady
from playground.operations.connection.client import Client
from playground.planning.difference import NodeChange
from playground.planning.host_files import resolver_text
from playground.planning.ipv6 import dhcpv6
from playground.planning.ipv6.autoconfigured import expected, told_servers
from playground.planning.plan import Plan
from playground.planning.plan_parts import NAT64_INTERFACE

# resolv.conf(5) has room for no more.
MOST_SERVERS = 3

# A router is heard within a second of its daemon's start, and after one more an address has
# been tried (RFC 4862 section 5.4); the rest is for machines that have much else to do.
AUTOCONFIGURED_TIMEOUT_S = 30.0


def without_autoconfigured(change: NodeChange) -> NodeChange:
    """Return a change without the IPv6 addresses and ways that come of advertisements."""
    names = {item.name for item in change.interfaces if item.of_others or item.delegated}
    if not names:
        return change
    interfaces = tuple(
        dataclasses.replace(item, addresses=tuple(a for a in item.addresses if a.version == 4))
        if item.name in names
        else item
        for item in change.interfaces
    )
    routes = tuple(
        route
        for route in change.routes_add
        if route.interface not in names or route.destination.version == 4
    )
    return dataclasses.replace(change, interfaces=interfaces, routes_add=routes)


def wait_autoconfigured(
    agent: Client, pids: Mapping[str, int], plan: Plan, inside: Iterable[NodeChange]
) -> None:
    """Wait until interfaces that are new have the addresses that are advertised to them.

    An address is there when nobody was found who has it (duplicate address detection).  Raises
    `NotReady` with the cause where it does not come.

    """
    new = {
        (change.node, item.name)
        for change in inside
        for item in change.interfaces
        if item.of_others or item.delegated
    }
    if not new:
        return
    waiting = {place: items for place, items in expected(plan).items() if place in new}
    # One whose cable is out hears nobody.
    down = {
        (end.node, end.interface) for wire in plan.wires if not wire.up for end in (wire.a, wire.b)
    }
    waiting = {place: items for place, items in waiting.items() if place not in down}
    servers = dhcpv6.told_servers(plan)
    answers = agent.call(
        "autoconfigured",
        interfaces=[
            {
                "pid": pids[node],
                "interface": name,
                "addresses": [str(item.ip) for item in items],
                "servers": servers.get(node, ())[:MOST_SERVERS],
            }
            for (node, name), items in waiting.items()
        ],
        timeout_s=AUTOCONFIGURED_TIMEOUT_S,
    )
    for ((node, name), items), answer in zip(waiting.items(), answers, strict=True):
        if not answer["ready"]:
            asks = _asks(plan, node, name)
            if any(item.name == name and item.delegated for item in plan.node(node).interfaces):
                raise NotReady(_not_delegated(node, name, ", ".join(map(str, items))))
            raise NotReady(_cause(node, name, ", ".join(map(str, items)), answer, asks))


def follow_name_servers(
    agent: Client, pids: Mapping[str, int], before: Plan | None, plan: Plan
) -> None:
    """Let nodes that listen to routers write the name servers that these tell of.

    Of those that did not listen ``before``, or whose file was written anew.  Raises `NotReady`
    where one is not heard of.

    """
    told = told_servers(plan) if _listening(plan) else {}
    names = [
        name
        for name in told
        if before is None
        or name not in _listening(before)
        or resolver_text(before.node(name)) != resolver_text(plan.node(name))
    ]
    # Where a server is asked as well, its client writes the file.
    names = [name for name in names if not any(i.dhcpv6 for i in plan.node(name).interfaces)]
    if not names:
        return
    answers = agent.call(
        "name_servers",
        nodes=[
            {
                "pid": pids[name],
                "watch": pids[name],
                "interfaces": [item.name for item in plan.node(name).interfaces if item.of_others],
                "expected": told[name][:MOST_SERVERS],
            }
            for name in names
        ],
        timeout_s=AUTOCONFIGURED_TIMEOUT_S,
    )
    for name, heard in zip(names, answers, strict=True):
        if missing := set(told[name][:MOST_SERVERS]).difference(heard):
            raise NotReady(
                f"{name} was to hear of the name server {', '.join(sorted(missing))} from its "
                f"router (RDNSS, RFC 8106) and did not within {AUTOCONFIGURED_TIMEOUT_S:g} s: look "
                "at /var/log/radvd.log on the router, and whether anything drops ICMPv6 on the way"
            )


def wait_translating(
    agent: Client, pids: Mapping[str, int], plan: Plan, inside: Iterable[NodeChange]
) -> None:
    """Wait until the translators of routers with NAT64 take packets; raises `NotReady`."""
    names = {change.node for change in inside}
    waiting = [node.name for node in plan.nodes if node.name in names and "nat64" in node.daemons]
    deadline = time.monotonic() + AUTOCONFIGURED_TIMEOUT_S
    for name in waiting:
        while not _carries(agent, pids[name]):
            if time.monotonic() > deadline:
                raise NotReady(
                    f"{name} was to translate IPv6 to IPv4, and does not after "
                    f"{AUTOCONFIGURED_TIMEOUT_S:g} s: look at /var/log/tayga.log there"
                )
            time.sleep(0.02)


def _carries(agent: Client, pid: int) -> bool:
    """Tell whether a program holds the other end of a translator's interface (tun.rst)."""
    try:
        [row] = agent.call("interfaces", ends=[{"pid": pid, "interface": NAT64_INTERFACE}])
    except AgentError as error:
        if error.errno != errno.ENODEV:
            raise
        return False
    return bool(row["up"] and row["carrier"])


def _listening(plan: Plan) -> set[str]:
    return {node.name for node in plan.nodes if any(item.of_others for item in node.interfaces)}


def _not_delegated(node: str, interface: str, wanted: str) -> str:
    return (
        f"{node} asked for a prefix, and had not {wanted} of it on {interface} within "
        f"{AUTOCONFIGURED_TIMEOUT_S:g} s: look at /var/log/dhcpcd.log there and at "
        "/var/log/kea/kea-dhcp6.log on the router that delegates"
    )


def _asks(plan: Plan, node: str, interface: str) -> bool:
    """Tell whether an interface has its address from a DHCPv6 server."""
    return any(
        item.dhcpv6 and not item.slaac
        for item in plan.node(node).interfaces
        if item.name == interface
    )


def _cause(
    node: str, interface: str, wanted: str, answer: Mapping[str, Any], asks: bool = False
) -> str:
    """Return why an interface has not the address that was to come; one that ``asks`` by DHCPv6."""
    if answer["refused"]:
        return (
            f"{node} made the address {', '.join(answer['refused'])} on {interface}, and found "
            "that another has it already (duplicate address detection, RFC 4862 section 5.4): "
            "give one of the two another MAC address, or an address by hand"
        )
    if not answer["heard"]:
        return (
            f"{node} heard no router advertisement on {interface} within "
            f"{AUTOCONFIGURED_TIMEOUT_S:g} s, of which it was to make {wanted}: look at "
            "/var/log/radvd.log on the router, and whether anything drops ICMPv6 on the way"
        )
    if asks or "unserved" in answer:
        missing = ", ".join(answer.get("unserved", [])) or wanted
        return (
            f"{node} asked by DHCPv6 on {interface} and was not given {missing} within "
            f"{AUTOCONFIGURED_TIMEOUT_S:g} s: look at /var/log/dhcpcd.log there and at "
            "/var/log/dnsmasq-dhcpv6.log on the server, and whether anything on the way drops UDP "
            "ports 546 and 547"
        )
    there = ", ".join(answer["addresses"]) or "none"
    return (
        f"{node} heard a router on {interface}, and has not made {wanted} of what it said (it has "
        f"{there}): look at /var/log/radvd.log on the router, and at "
        f"sysctl net.ipv6.conf.{interface} on {node}"
    )
