"""Settings of a node's network, applied: addresses, routes, sysctls, links up and down."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Sequence

from playground.agent.links.bonds import make_bond
from playground.agent.links.bridge_vlans import standing_upon
from playground.agent.links.interfaces import index_or_none, interface_index, set_link, settle
from playground.agent.links.netlink import Netlink, refusal, sockets_to
from playground.agent.links.overlays import make_vnis, put_into_bridge, remove_vnis
from playground.agent.links.tagged_interfaces import make_tagged, remove_tagged
from playground.agent.links.tunnels import make_tunnel
from playground.agent.links.vrfs import make_vrfs, put_into_vrf, remove_vrfs
from playground.agent.network.addresses import (
    delete_address,
    new_address,
    packed_address,
    packed_prefix,
)
from playground.agent.network.policy_routing import steer, steer_back
from playground.agent.network.routes import RTM_DELROUTE, RTM_NEWROUTE, route
from playground.agent.nodes.entering import enter_network
from playground.agent.nodes.proc_views import FreshViews
from playground.agent.nodes.sysctls import quiet_ipv6, read_sysctl, same_setting, write_sysctl
from playground.agent.protocol import Request


def network(nodes: Sequence[Request]) -> None:
    own = Netlink(None)
    with FreshViews() as views, contextlib.ExitStack() as sockets:
        sockets.callback(own.close)
        to_settle = [own]
        for node in views.each(nodes):
            netlink = Netlink(node["pid"])
            sockets.callback(netlink.close)
            try:
                _configure(netlink, node)
            except OSError as error:
                raise type(error)(
                    error.errno, f"in the node of pid {node['pid']}: {error.strerror}"
                ) from None
            if node.get("interfaces"):
                to_settle.append(netlink)
        # Only now, when both ends of every link are up.
        for netlink in to_settle:
            settle(netlink)
        # Only now: the kernel, or a container's own start-up, may have changed
        # them while interfaces came up.
        for node in views.each(nodes):
            if node.get("sysctls"):
                enter_network(node["pid"])
                for name, wanted in node["sysctls"].items():
                    found = read_sysctl(name)
                    if not same_setting(found, str(wanted)):
                        raise OSError(
                            errno.EIO,
                            f"in the node of pid {node['pid']}: the sysctl {name} is {found!r} "
                            f"after {wanted!r} was written",
                        )


def _configure(netlink: Netlink, node: Request) -> None:
    interfaces = node.get("interfaces", [])
    steer_back(netlink, node)
    _remove_routes(netlink, node.get("routes_remove", []))
    _remove_addresses(netlink, node.get("addresses_remove", []))
    for entry in node.get("interfaces_remove", []):
        remove_tagged(netlink, entry["name"], entry["parent"], entry["vlan"])
    make_vrfs(netlink, node.get("vrfs_add", []))
    make_vnis(netlink, node.get("vnis_add", []))
    netlink.send([set_link("lo", up=True)])
    for entry in interfaces:
        if entry.get("vlan") is not None:
            make_tagged(netlink, entry["name"], entry["parent"], entry["vlan"], entry["offload"])
        elif entry.get("tunnel") is not None:
            make_tunnel(netlink, entry["name"], entry["tunnel"], entry["offload"])
        elif entry.get("bond") is not None:
            make_bond(netlink, entry["bond"], entry["offload"])
    for entry in interfaces:
        if "vrf" in entry:
            put_into_vrf(netlink, entry["name"], entry["vrf"])
        if "bridge" in entry:
            put_into_bridge(netlink, entry["name"], entry["bridge"])
    for name in node.get("vrfs_leave", []):
        put_into_vrf(netlink, name, None)
    remove_vrfs(netlink, node.get("vrfs_remove", []))
    remove_vnis(netlink, node.get("vnis_remove", []))
    for interface in interfaces:
        quiet_ipv6(interface["name"])
    # After that, for what was declared wins.
    for name, value in node.get("sysctls", {}).items():
        write_sysctl(name, str(value))
    addresses = []
    index = {}
    for interface in interfaces:
        name = interface["name"]
        index[name] = interface_index(name)
        if any(":" in text for text in interface["addresses"]):
            # The engine turns IPv6 off in a container without a network.
            write_sysctl(f"net/ipv6/conf/{name}/disable_ipv6", "0")
        addresses += [new_address(name, index[name], text) for text in interface["addresses"]]
    netlink.send([*addresses, *(set_link(item["name"], up=True) for item in interfaces)])
    _add_routes(netlink, node.get("routes_add", []), index)
    steer(netlink, node)


def _remove_routes(netlink: Netlink, entries: Sequence[Request]) -> None:
    messages = [
        route(RTM_DELROUTE, entry, index)
        for entry in sorted(entries, key=lambda entry: entry.get("via") is not None)
        if (index := index_or_none(entry["interface"])) is not None
    ]
    for message, number, reason in netlink.attempt(messages):
        if number not in (0, errno.ESRCH):
            raise refusal(message, number, reason)


def _remove_addresses(netlink: Netlink, entries: Sequence[Request]) -> None:
    messages = [
        delete_address(entry["interface"], index, entry["address"])
        for entry in entries
        if (index := index_or_none(entry["interface"])) is not None
    ]
    for message, number, reason in netlink.attempt(messages):
        if number not in (0, errno.EADDRNOTAVAIL):
            raise refusal(message, number, reason)


def _add_routes(netlink: Netlink, entries: Sequence[Request], index: dict[str, int]) -> None:
    for entry in entries:
        if entry["interface"] not in index:
            index[entry["interface"]] = interface_index(entry["interface"])
    on_link = [entry for entry in entries if entry.get("via") is None]
    others = [entry for entry in entries if entry.get("via") is not None]
    peers = {packed_prefix(entry["destination"])[:2] for entry in on_link}
    for group in (on_link, others):
        messages = [route(RTM_NEWROUTE, entry, index[entry["interface"]]) for entry in group]
        for entry, (message, number, reason) in zip(group, netlink.attempt(messages), strict=True):
            if number and entry.get("via") and packed_address(entry["via"]) in peers:
                # Two links to one peer: the kernel keeps one route to its address,
                # and would not believe that it can be reached by the other link.
                again = route(RTM_NEWROUTE, entry, index[entry["interface"]], onlink=True)
                [(message, number, reason)] = netlink.attempt([again])
            if number:
                raise refusal(message, number, reason)


def link(ends: Sequence[Request], up: bool, nodes: Sequence[Request] = ()) -> None:
    done: list[tuple[Netlink, str]] = []
    with sockets_to(ends) as sockets:
        try:
            for end, netlink in zip(ends, sockets, strict=True):
                for name in (end["interface"], *standing_upon(end)):
                    netlink.send([set_link(name, up)])
                    done.append((netlink, name))
            if nodes:
                network(nodes)
            if up:
                for netlink in sockets:
                    settle(netlink)
        except BaseException:
            for netlink, interface in done:
                netlink.attempt([set_link(interface, not up)])
            raise
