"""The routes that a node has, as its kernel says: rows of `Route`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from playground.live import Node
from playground.tables import Table

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


def gateway_words(family: int, via: IPv4Address | IPv6Address | None) -> list[str]:
    """Return how ip(8) writes the gateway of a route of this family (4 or 6).

    >>> gateway_words(4, ip_address("fe80::1"))
    ['via', 'inet6', 'fe80::1']

    """
    if via is None:
        return []
    return ["via", *(["inet6"] if via.version != family else []), str(via)]


@dataclass(frozen=True)
class Route:
    """One next hop of one route.

    ``via`` is the gateway, which for an IPv4 route may be an IPv6 address (RFC 8950), and
    None for what is on the link itself; ``interface`` is None for what goes nowhere.
    ``protocol`` is who made it: "kernel" (an interface's own prefix),
    "static", "ospf", "rip", "ripng", "bgp".  ``kind`` is "unicast", or "blackhole",
    "unreachable", "prohibit" for what is thrown away.  Of two routes to one
    destination the one with the lower ``metric`` counts, and none is 0 (IPv4).
    ``table`` is "main" or the number that a policy rule names.  ``weight`` is the
    share of an equal-cost path.

    """

    destination: IPv4Network | IPv6Network
    via: IPv4Address | IPv6Address | None
    interface: str | None
    metric: int | None = None
    protocol: str = "static"
    kind: str = "unicast"
    table: str = "main"
    source: str | None = field(default=None, repr=False)
    weight: int = field(default=1, repr=False)
    hops: tuple[str, ...] = field(default=(), repr=False, compare=False)

    def as_shell(self) -> str:
        """Return the ip(8) command that makes this route, with all its paths if it has several.

        >>> r1.routes()[0].as_shell()
        'ip route add 10.0.2.0/24 via 10.0.3.2 dev eth1 metric 20'

        """
        words = ["ip"] + ["-6"] * (self.destination.version == 6) + ["route", "add"]
        words += [self.kind] if self.kind != "unicast" else []
        words += [str(self.destination) if self.destination.prefixlen else "default"]
        several = len(self.hops) > 1
        words += [] if several else self.hop()
        words += ["metric", str(self.metric)] if self.metric else []
        words += ["table", self.table] if self.table != "main" else []
        words += [f"nexthop {hop}" for hop in self.hops] if several else []
        return " ".join(words)

    def hop(self) -> list[str]:
        """Return this next hop in ip(8)'s words."""
        words = gateway_words(self.destination.version, self.via)
        return words + (["dev", self.interface] if self.interface else [])


@dataclass(frozen=True)
class PolicyRule:
    """One rule of policy routing: what is true of all its fields goes by ``table``."""

    family: int
    priority: int
    source: str | None
    destination: str | None
    interface: str | None
    mark: int | None
    table: int

    def as_shell(self) -> str:
        """Return the ip(8) command that makes this rule.

        >>> r1.policy_rules()[0].as_shell()
        'ip rule add priority 1000 from 192.168.2.0/24 table 100'

        """
        words = ["ip"] + ["-6"] * (self.family == 6) + ["rule", "add"]
        words += ["priority", str(self.priority)]
        words += ["from", self.source] if self.source else []
        words += ["to", self.destination] if self.destination else []
        words += ["iif", self.interface] if self.interface else []
        words += ["fwmark", str(self.mark)] if self.mark is not None else []
        return " ".join([*words, "table", str(self.table)])


def policy_rules(node: Node) -> Table[PolicyRule]:
    """Read a node's rules of policy routing; see `NodeOperations.policy_rules`."""
    live = node.running()
    rows = live.agent.call("policy_rules", pid=live.pid)
    return Table(PolicyRule(**row) for row in rows)


def routes(node: Node) -> Table[Route]:
    """Read a node's routes; see `NodeOperations.routes`."""
    live = node.running()
    [rows] = live.agent.call("routes", pids=[live.pid])
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
