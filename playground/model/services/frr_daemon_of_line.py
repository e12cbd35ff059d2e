"""Which of FRR's daemons a line in its words is for.

Pure functions.  What a line means is FRR's to say; here stands only who has to run for it
to have an effect, since vtysh(1) passes over a line whose daemon does not run.

"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

# Services by how their lines begin, without the spaces before them (https://docs.frrouting.org).
# Lines of zebra, staticd and mgmtd are nobody's here: those run wherever one of FRR's does.
_BEGINNINGS = {
    "ospf": r"router ospf\b|ip ospf |ospf |debug ospf\b",
    "ospf6": r"router ospf6\b|ipv6 ospf6 |ospf6 |debug ospf6\b",
    "rip": r"router rip\b|ip rip |debug rip\b",
    "ripng": r"router ripng\b|ipv6 ripng |debug ripng\b",
    "bgp": r"router bgp\b|bgp |rpki\b|bmp |mpls bgp |dump bgp |debug bgp\b",
    "isis": r"router isis\b|ip(v6)? router isis |isis |debug (isis|spf-delay-ietf)\b",
    "openfabric": r"router openfabric\b|ip(v6)? router openfabric |openfabric |debug openfabric\b",
    "eigrp": r"router eigrp\b|eigrp |ip .*\beigrp |debug eigrp\b",
    "babel": r"router babel\b|babel |debug babel\b",
    "bfd": r"bfd\b|debug bfd\b|neighbor \S+ bfd\b|isis bfd\b|ip(v6)? (ospf6?|rip|pim) bfd\b|"
    r"ip(v6)? route .* bfd\b",
    "pim": r"router pim\b|ip (pim|igmp|mroute|multicast|msdp)\b|"
    r"debug (pim|igmp|mroute|msdp|mtrace|ssmpingd)\b",
    "pim6": r"router pim6\b|ipv6 (pim|mld|mroute|multicast)\b|debug (pimv6|mld|mroute6|ipv6 mld)\b",
    "vrrp": r"vrrp |debug vrrp\b",
    "ldp": r"mpls ldp\b|l2vpn |debug mpls ldp\b",
    "pbr": r"pbr-map |pbr-policy |pbr |nexthop-group |debug pbr\b",
    "nhrp": r"ip(v6)? nhrp |nhrp |tunnel (protection|source) |debug nhrp\b",
    "segments": r"traffic-eng\b|debug pathd\b",
}
_NEEDS = {name: re.compile(pattern) for name, pattern in _BEGINNINGS.items()}


class FrrLine(NamedTuple):
    """A line of a text, by its number from 1, and a service that it needs."""

    number: int
    text: str
    service: str


def lines_needing(text: str) -> Iterator[FrrLine]:
    """Yield the lines of a text that need a service, once for each that they need.

    >>> [line.service for line in lines_needing("router bgp 1\\n neighbor 10.0.0.2 bfd")]
    ['bgp', 'bfd']

    """
    for number, line in enumerate(text.split("\n"), 1):
        words = " ".join(line.split())
        for name, pattern in _NEEDS.items():
            if pattern.match(words):
                yield FrrLine(number, words, name)


def services_needed(text: str) -> tuple[str, ...]:
    """Return the services that a text needs, each once, in the order of their lines."""
    return tuple(dict.fromkeys(line.service for line in lines_needing(text)))
