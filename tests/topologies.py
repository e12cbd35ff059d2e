"""Networks of many kinds, declared only: what a picture has to cope with."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from playground import Host, Link, Router, Switch, examples
from playground.operations.network import Node
from playground.planning.addresses.segments import collect


def two_hosts() -> Node:
    first, second = Host("h1"), Host("h2")
    Link(first, second)
    return first


def star(count: int) -> Node:
    switch = Switch("s1")
    for number in range(1, count + 1):
        Link(switch, Host(f"h{number}"))
    return switch


def star_with_a_broken_arm() -> Node:
    switch = star(12)
    switch.links[3].down()
    switch.links[7].impair(loss_percent=5)
    Link(switch, Router("gateway"))
    return switch


def two_homes() -> Node:
    """Two homes that use the same addresses, behind NAT."""
    isp, www = Router("isp"), Host("www.example.com", services=["http"])
    Link(isp, www, subnet="203.0.113.0/24")
    for letter in "AB":
        switch, modem = Switch(f"home{letter}", subnet="192.168.1.0/24"), Router(f"modem{letter}")
        for node in (modem, Host(f"{letter.lower()}1"), Host(f"{letter.lower()}2")):
            Link(switch, node)
        modem.masquerade(Link(modem, isp))
    return isp


def ring(count: int) -> Node:
    routers = [Router(f"r{number}") for number in range(1, count + 1)]
    for one, other in pairwise([*routers, routers[0]]):
        Link(one, other)
    for number, router in enumerate(routers[::2], start=1):
        Link(router, Host(f"h{number}"))
    return routers[0]


def switches_in_a_loop() -> Node:
    switches = [Switch(f"s{number}", stp=True) for number in (1, 2, 3)]
    for one, other in pairwise([*switches, switches[0]]):
        Link(one, other)
    for number, switch in enumerate(switches, start=1):
        Link(switch, Host(f"h{number}"))
    return switches[0]


def campus() -> Node:
    """Sixty nodes: a ring of four routers, eight switches, forty-eight hosts."""
    routers = [Router(f"core{number}") for number in range(1, 5)]
    for one, other in pairwise([*routers, routers[0]]):
        Link(one, other)
    for floor in range(8):
        switch = Switch(f"floor{floor + 1}")
        Link(routers[floor // 2], switch)
        for desk in range(1, 6):
            Link(switch, Host(f"pc{floor + 1}{desk}"))
        Link(switch, Host(f"srv{floor + 1}.example.com", services=["http", "ssh"]))
    return routers[0]


def broken() -> Node:
    """A link that is down, one impaired both ways beside it, one impaired one way."""
    h1, r1, r2, h2 = Host("h1"), Router("r1"), Router("r2"), Host("h2", services=["http", "dns"])
    Link(h1, r1)
    Link(r1, r2).down()
    Link(r1, r2).impair(delay_ms=20, loss_percent=1, rate_mbit=10)
    Link(r2, h2).impair(delay_ms=100, toward=h2)
    return h1


def islands() -> list[Node]:
    """Parts that do not hang together, one of them a host alone."""
    far, near = Router("far"), Router("near")
    Link(far, near)
    return [far, star(3), Host("alone")]


def many_addresses() -> Node:
    """IPv6, and more addresses on one interface than are shown."""
    one, other = Router("one"), Router("other")
    Link(one, other, subnet="2001:db8:aaaa:bbbb::/64")
    Link(one, other, subnet="fd00:1::/64")
    return one


TOPOLOGIES: dict[str, Callable[[], Node | list[Node] | tuple[Node, ...]]] = {
    "two hosts": two_hosts,
    "star of 12": lambda: star(12),
    "star with a broken arm": star_with_a_broken_arm,
    "star of 60": lambda: star(60),
    "the Internet in miniature": examples.miniature_internet_nodes,
    "a coffee shop": examples.coffee_shop_nodes,
    "two homes": two_homes,
    "ring of routers": lambda: ring(6),
    "20 OSPF routers": examples.ospf_rings_nodes,
    "two sites and a tunnel": examples.site_to_site_nodes,
    "six autonomous systems": examples.autonomous_systems_nodes,
    "switches in a loop": switches_in_a_loop,
    "campus of 60": campus,
    "broken links": broken,
    "VLANs": examples.office_vlans_nodes,
    "islands": islands,
    "many addresses": many_addresses,
}


def nodes_of(name: str) -> tuple[Node, ...]:
    """Return all nodes of one of them."""
    made = TOPOLOGIES[name]()
    return collect(made if isinstance(made, (list, tuple)) else [made])
