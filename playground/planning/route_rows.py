"""Rows of routes and of policy rules, and the ip(8) commands that make them."""

from __future__ import annotations

from dataclasses import field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from playground.model.records import dataclass


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
