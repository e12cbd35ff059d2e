"""Ports through which routers speak, and the names that routers go by."""

from __future__ import annotations

from playground.operations.network import Host, Link, Router, Switch
from playground.planning.addresses.addressing import assign
from playground.planning.addresses.nat_realms import find_realms
from playground.planning.addresses.segments import find_segments, links_of
from playground.planning.interface_names import choose_names
from playground.planning.planner import collect
from playground.planning.routing.ports import (
    choose_router_id,
    is_unnumbered,
    numbered_by_hand,
    ports_of,
    unnumbered_ends,
)


def test_a_router_speaks_inside_of_its_nat_and_goes_by_its_first_address() -> None:
    r1, named = Router("r1", routing="ospf"), Router("r2", routing="ospf", loopback="10.9.9.9/32")
    lan = Switch("lan", subnet="10.1.0.0/24")
    Link(lan, r1)
    Link(lan, named)
    uplink = Link(r1, Host("h"))
    r1.masquerade(uplink)
    nodes = collect([r1])
    segments = find_segments(nodes)
    realms, wiring = find_realms(segments), choose_names(nodes, links_of(nodes), lab="x")
    addressing = assign(segments)
    [port] = ports_of(r1, realms, addressing, wiring, 4)
    assert (port.interface, str(port.prefix)) == ("eth0", "10.1.0.0/24")
    assert numbered_by_hand(port.segment, 4)
    assert not numbered_by_hand(port.segment, 6)
    assert list(ports_of(r1, realms, addressing, wiring, 6)) == []
    assert str(choose_router_id(r1, realms, addressing, wiring)) == "10.1.0.1"
    assert str(choose_router_id(named, realms, addressing, wiring)) == "10.9.9.9"


def test_bgp_goes_over_a_link_without_addresses_between_two_systems() -> None:
    def link(a: int | None, b: int | None, routing: str = "bgp") -> Link:
        one, other = (
            Router(f"r{n}{a}{b}", routing=routing, as_number=number)
            for n, number in enumerate((a, b))
        )
        return Link(one, other, addresses=(None, None))

    assert is_unnumbered(link(1, 2))
    assert is_unnumbered(link(None, None))
    assert not is_unnumbered(link(1, 1))  # inside of a system OSPF has to lead
    assert not is_unnumbered(link(None, None, "ospf"))
    assert not is_unnumbered(Link(Router("a", routing="bgp"), Router("b", routing="bgp")))
    bare = link(3, 4)
    routers = [end.node for end in bare.ends]
    wiring = choose_names(routers, [bare], lab="x")
    found = unnumbered_ends(routers, wiring)
    assert all(address.is_link_local for address in found.values())
    assert set(found) == set(bare.ends)
