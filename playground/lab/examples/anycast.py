"""Ready labs of anycast: one address at several places, and a routing protocol that chooses."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from playground.lab.lab import Lab
from playground.model.services.dns import DNS
from playground.model.services.resolver import Resolver
from playground.operations.network import Host, Link, Node, Router

# Of RFC 5737, for documentation.
ANYCAST = "192.0.2.53"


def anycast_dns(**options: Any) -> Lab:
    """Return a root server of names that is at two places at once.

    Not yet started; ``options`` are those of `Lab`.

    >>> with anycast_dns() as lab:
    ...     print(lab["anna"].traceroute("192.0.2.53").hops)

    """
    options.setdefault("name", "anycast-dns")
    return Lab(*anycast_dns_nodes(), **options)


def anycast_dns_nodes() -> tuple[Node, ...]:
    """Return the declarations of two name servers with one address (RFC 4786), and of clients.

    Both serve the root, as ``a.root-servers.net``, and tell OSPF of 192.0.2.53: whoever
    asks reaches the nearest, and the other where that is gone, which BFD notices (RFC 5880).
    Which it was says ``dig @192.0.2.53 CH TXT id.server`` (RFC 4892).

    ::

        anna             resolver             ben
          |                  |                 |
          r1 ------ r2 ------ r3 ------ r4 --- r5
          |                                    |
        east (192.0.2.53)                    west (192.0.2.53)

    """
    routers = [Router(f"r{number}", routing="ospf") for number in (1, 2, 3, 4, 5)]
    sites = [
        Router(
            name,
            routing="ospf",
            loopback=[f"10.255.0.{number}/32", f"{ANYCAST}/32"],
            services=[
                DNS(
                    zone=".",
                    server="a.root-servers.net",
                    records=[("a.root-servers.net", "A", ANYCAST)],
                )
            ],
        )
        for number, name in enumerate(("east", "west"), 1)
    ]
    for one, other in pairwise(routers):
        Link(one, other)
    for router, site in ((routers[0], sites[0]), (routers[-1], sites[1])):
        link = Link(router, site)
        router.ospf(link, bfd_ms=300)
        site.ospf(link, bfd_ms=300)
    Link(routers[0], Host("anna"))
    Link(routers[2], Host("resolver", services=[Resolver()]))
    Link(routers[-1], Host("ben"))
    return (*routers, *sites)
