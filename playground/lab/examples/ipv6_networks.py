"""Ready labs about IPv6 as it configures itself."""

from __future__ import annotations

from typing import Any

from playground.lab.lab import Lab
from playground.model.ipv6.slaac import SLAAC
from playground.model.services.dhcp import DHCP
from playground.model.services.ipv6.dhcpv6 import DHCPv6
from playground.operations.network import Host, Link, Node, Router, Switch


def dual_stack_campus(**options: Any) -> Lab:
    """Return a campus with IPv4 and IPv6, whose hosts get their addresses in each usual way.

    Not yet started; ``options`` are those of `Lab`.

    >>> with dual_stack_campus() as lab:
    ...     print(lab["laptop"].run("ip -6 address show dev eth0").stdout)

    """
    options.setdefault("name", "dual-stack-campus")
    return Lab(*dual_stack_campus_nodes(), **options)


def dual_stack_campus_nodes() -> tuple[Node, ...]:
    """Return the declarations of a campus: a dormitory, a library, and servers.

    In the dormitory hosts make their IPv6 addresses (`pc` of its MAC address, `laptop` so that
    nobody knows it again), in the library a server gives them; all have their IPv4 addresses by
    DHCP, and hear of the name server.  The servers have theirs by hand.

    ::

        pc -----.                    .--- desk
               dorm --- core --- library
        laptop -'         |
                       servers
                        |   |
                       ns  www

    """
    dorm = Switch("dorm", subnet=["10.8.1.0/24", "2001:db8:8:1::/64"])
    library = Switch("library", subnet=["10.8.2.0/24", "2001:db8:8:2::/64"])
    servers = Switch("servers", subnet=["10.8.3.0/24", "2001:db8:8:3::/64"])
    pool = ("2001:db8:8:2::100", "2001:db8:8:2::1ff")
    core = Router("core", services=[DHCP(), DHCPv6(pool=pool)])
    here, there = Link(dorm, core), Link(library, core)
    Link(servers, core)
    hosts = [Host(name) for name in ("pc", "laptop", "desk")]
    Link(dorm, hosts[0], address=["dhcp", "slaac"])
    Link(dorm, hosts[1], address=["dhcp", SLAAC(identifier="stable", temporary=True)])
    Link(library, hosts[2], address=["dhcp", "dhcpv6"])
    ns = Host("ns.campus.example", services=["dns"])
    www = Host("www.campus.example", services=["http"])
    Link(servers, ns, address=["10.8.3.53", "2001:db8:8:3::53"])
    Link(servers, www, address=["10.8.3.80", "2001:db8:8:3::80"])
    core.advertise(here, dnssl="campus.example")
    core.advertise(there, managed=True, other=True, rdnss=())
    return (dorm, library, servers, core, *hosts, ns, www)
