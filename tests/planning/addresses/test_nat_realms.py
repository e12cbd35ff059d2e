"""Realms: where NAT divides a lab, and what may not be used twice."""

from __future__ import annotations

import pytest

from playground.errors import TopologyError
from playground.operations.network import Host, Link, Node, Router, Switch
from playground.planning.addresses.nat_realms import find_realms
from playground.planning.addresses.segments import collect, find_segments
from playground.planning.planner import make_plan


def realms_of(start: Node) -> list[list[str]]:
    realms = find_realms(find_segments(collect([start])))
    return [[segment.name for segment in realm.segments] for realm in realms.all]


def home(name: str, isp: Router, subnet: str | None = "192.168.1.0/24") -> tuple[Router, Host]:
    """Return the modem and the one host of a home behind an isp."""
    lan, modem, host = Switch(f"{name}-lan", subnet=subnet), Router(name), Host(f"{name}-pc")
    Link(lan, modem)
    Link(lan, host)
    modem.masquerade(Link(modem, isp))
    return modem, host


def test_without_nat_there_is_one_realm() -> None:
    a, b, c = Router("a"), Router("b"), Router("c")
    Link(a, b)
    Link(b, c)
    assert realms_of(a) == [["a--b", "b--c"]]


def test_a_host_joins_nothing() -> None:
    left, middle, right = Router("left"), Host("middle"), Router("right")
    Link(left, middle)
    Link(middle, right)
    assert realms_of(middle) == [["left--middle"], ["middle--right"]]


def test_a_masquerading_router_stands_between_two_realms() -> None:
    isp = Router("isp")
    modem, _ = home("modem", isp)
    Link(isp, Host("www"))
    assert realms_of(isp) == [["modem-lan"], ["modem--isp", "isp--www"]]
    realms = find_realms(find_segments(collect([isp])))
    inside, outside = realms.all
    assert (inside.exits, outside.exits) == ((modem,), ())
    assert realms.reach[inside] == (inside, outside)
    assert realms.reach[outside] == (outside,)
    assert realms.of_node(modem) == (inside, outside)


def test_homes_within_homes() -> None:
    isp = Router("isp")
    modem, _ = home("modem", isp)
    inner, pc = home("inner", modem, "192.168.2.0/24")
    realms = find_realms(find_segments(collect([isp])))
    assert [len(realms.reach[realm]) for realm in realms.of_node(pc)] == [3]
    assert len(realms.of_node(inner)) == 2


def test_two_homes_may_use_the_same_addresses() -> None:
    isp = Router("isp")
    home("one", isp)
    home("two", isp)
    plan = make_plan([isp])
    one, two = (plan.node(name).interfaces[0].addresses for name in ("one-pc", "two-pc"))
    assert one == two


def test_unconnected_networks_may_use_the_same_addresses() -> None:
    nodes = []
    for name in ("one", "two"):
        lan = Switch(f"{name}-lan", subnet="10.1.0.0/24")
        Link(lan, Host(name))
        nodes.append(lan)
    assert len(make_plan(nodes).nodes) == 2


# -- what is refused --------------------------------------------------------


def overlap_in_a_realm() -> Node:
    router = Router("router")
    for name, subnet in (("one", "10.1.0.0/24"), ("two", "10.1.0.128/25")):
        Link(Switch(name, subnet=subnet), router)
    return router


def overlap_far_apart() -> Node:
    routers = [Router(name) for name in "abc"]
    Link(routers[0], routers[1])
    Link(routers[1], routers[2])
    Link(Switch("one", subnet="10.1.0.0/16"), routers[0])
    Link(Switch("two", subnet="10.1.5.0/24"), routers[2])
    return routers[0]


def same_on_both_sides_of_a_modem() -> Node:
    isp = Router("isp")
    home("modem", isp)
    Link(Switch("outside", subnet="192.168.1.0/24"), isp)
    return isp


def same_in_a_home_within_a_home() -> Node:
    isp = Router("isp")
    modem, _ = home("modem", isp)
    lan = modem.links[0].peer(modem).node
    inner = Router("inner")
    Link(inner, Switch("inner-lan", subnet="192.168.1.0/25"))
    inner.masquerade(Link(lan, inner))
    return isp


def address_of_two_nodes() -> Node:
    hub = Router("hub")
    for name in ("a", "b"):
        Link(hub, Router(name), addresses=("10.1.1.1/32", "10.2.2.2/32"))
    return hub


def point_to_point_in_a_subnet() -> Node:
    router = Router("router")
    Link(Switch("lan", subnet="10.1.0.0/24"), router)
    Link(router, Host("far"), addresses=("10.9.9.9/32", "10.1.0.77/32"))
    return router


def host_between_two_of_the_same() -> Node:
    host = Host("middle")
    for name in ("one", "two"):
        Link(Switch(name, subnet="10.1.0.0/24"), host)
    return host


def same_ipv6_in_two_homes() -> Node:
    isp = Router("isp")
    for name in ("one", "two"):
        modem = Router(name)
        Link(modem, Switch(f"{name}-lan", subnet="2001:db8:1::/64"))
        modem.masquerade(Link(modem, isp))
    return isp


def way_round_a_modem() -> Node:
    isp = Router("isp")
    modem, _ = home("modem", isp)
    lan = modem.links[0].peer(modem).node
    backdoor = Router("backdoor")
    Link(lan, backdoor)
    Link(backdoor, isp)
    return isp


def ring_of_modems() -> Node:
    modems = [Router(f"m{n}") for n in range(3)]
    for inner, outer in zip(modems, modems[1:] + modems[:1], strict=True):
        inner.masquerade(Link(inner, outer))
    return modems[0]


def forward_to_the_outside() -> Node:
    isp, www = Router("isp"), Host("www")
    modem, _ = home("modem", isp)
    Link(isp, www)
    modem.forward(modem.uplinks[0], port=80, to=www)
    return isp


def forward_to_a_node_elsewhere() -> Node:
    isp = Router("isp")
    modem, _ = home("modem", isp)
    modem.forward(modem.uplinks[0], port=80, to=Host("nowhere"))
    return isp


def forward_without_masquerade() -> Node:
    isp, pc, modem = Router("isp"), Host("pc"), Router("modem")
    Link(pc, modem)
    modem.forward(Link(modem, isp), port=80, to=pc)
    return isp


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (
            overlap_in_a_realm,
            "two and one can reach each other, and their subnets 10.1.0.128/25 and 10.1.0.0/24 "
            "overlap; choose another for one of them",
        ),
        (overlap_far_apart, "their subnets 10.1.5.0/24 and 10.1.0.0/16 overlap"),
        (
            same_on_both_sides_of_a_modem,
            "modem-lan (192.168.1.0/24) lies behind modem, outside of which outside "
            "(192.168.1.0/24) has the same addresses, so that it could not be reached",
        ),
        (same_in_a_home_within_a_home, "inner-lan (192.168.1.0/25) lies behind inner"),
        (address_of_two_nodes, "b and a both have the address 10.2.2.2; choose another"),
        (
            point_to_point_in_a_subnet,
            "far has the point-to-point address 10.1.0.77/32, which lies in the subnet "
            "10.1.0.0/24 of lan",
        ),
        (
            host_between_two_of_the_same,
            "middle is linked to one and to two, whose subnets 10.1.0.0/24 and 10.1.0.0/24 overlap",
        ),
        (same_ipv6_in_two_homes, "their subnets 2001:db8:1::/64 and 2001:db8:1::/64 overlap"),
        (
            way_round_a_modem,
            "router modem masquerades through Link(modem, isp), yet what lies behind it has "
            "another way there, past modem",
        ),
        (ring_of_modems, "stand in a ring, each inside another's inside"),
        (
            forward_to_the_outside,
            "router modem: port 80 is forwarded to www, which is not behind that router",
        ),
        (forward_to_a_node_elsewhere, "nowhere, which is not behind that router"),
        (
            forward_without_masquerade,
            "from a link through which the router does not masquerade; call modem.masquerade(...)",
        ),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_what_is_refused(build: object, sentence: str) -> None:
    assert callable(build)
    with pytest.raises(TopologyError) as caught:
        make_plan([build()])
    assert sentence in str(caught.value)
