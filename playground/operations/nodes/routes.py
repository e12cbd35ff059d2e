"""The routes that a node has, as its kernel says: rows of `Route`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

from playground.display.tables import Table
from playground.model.arguments import check_most
from playground.operations.connection.handles import Node
from playground.operations.connection.vrfs import check_vrf, table_of
from playground.planning.route_rows import PolicyRule, Route

# linux/rtnetlink.h, and /etc/iproute2/rt_protos.
PROTOCOLS = {
    1: "redirect",
    2: "kernel",
    3: "boot",
    4: "static",
    9: "ra",
    11: "zebra",
    16: "dhcp",
    186: "bgp",
    187: "isis",
    188: "ospf",
    189: "rip",
    190: "ripng",
    196: "static",
}
KINDS = {1: "unicast", 2: "local", 5: "multicast", 6: "blackhole", 7: "unreachable", 8: "prohibit"}
TABLES = {253: "default", 254: "main", 255: "local"}


def policy_rules(node: Node) -> Table[PolicyRule]:
    """Return the kernel's rules of policy routing, without its own three.

    ::

        >>> r1.policy_rules()
        family  priority  source          destination  interface  mark  table
             4      1000  192.168.2.0/24                                  100

    """
    live = node.running()
    rows = live.agent.call("policy_rules", pid=live.pid)
    return Table(PolicyRule(**row) for row in rows)


def routes(node: Node, *, vrf: str | None = None, most: int | None = None) -> Table[Route]:
    """Return the routes that the kernel has, of all tables but its own addresses'.

    With ``vrf`` those of one VRF of a router, without it those of all.  With ``most`` about so
    many are read: a router may have a million.

    A row a next hop, so that equal-cost paths are several rows::

        >>> r1.routes()
        destination  via       interface  metric  protocol  kind     table
        10.0.1.0/24            eth0               kernel    unicast  main
        10.0.2.0/24  10.0.3.2  eth1           20  ospf      unicast  main
        10.0.2.0/24  10.0.6.1  eth2           20  ospf      unicast  main

    """
    check_most(most)
    live = node.running()
    table = None if check_vrf(node, vrf) is None else table_of(node, vrf)
    # Of one VRF's there may be few among many.
    asked = {} if most is None or table is not None else {"most": most}
    [rows] = live.agent.call("routes", pids=[live.pid], **asked)
    if table is not None:
        rows = [row for row in rows if row["table"] == table][:most]
    return Table(with_hops([read_route(row) for row in rows]))


def with_hops(routes: Sequence[Route]) -> Iterator[Route]:
    """Yield routes that know of the other paths of the same route."""
    paths: dict[tuple[object, ...], list[str]] = {}
    for route in routes:
        paths.setdefault(_place(route), []).append(" ".join(route.hop()))
    for route in routes:
        yield replace(route, hops=tuple(paths[_place(route)]))


def _place(route: Route) -> tuple[object, ...]:
    return route.destination, route.metric, route.table, route.kind, route.protocol


def read_route(row: Mapping[str, Any]) -> Route:
    """Return a row of the agent's as a `Route`."""
    return Route(
        destination=ip_network(row["destination"]),
        via=None if row["via"] is None else ip_address(row["via"]),
        # IPv6 keeps a loopback interface for what goes nowhere.
        interface=row["interface"] if KINDS.get(row["kind"]) == "unicast" else None,
        metric=row["metric"],
        protocol=PROTOCOLS.get(row["protocol"], str(row["protocol"])),
        kind=KINDS.get(row["kind"], str(row["kind"])),
        table=TABLES.get(row["table"], str(row["table"])),
        source=row["source"],
        weight=row["weight"],
    )
