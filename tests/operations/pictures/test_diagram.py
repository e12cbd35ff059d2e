"""Pictures: cards, cables with their labels, realms."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_interface

import pytest

from playground import Host, Link, Router, Switch, TrafficClass, Tunnel
from playground.examples import office_vlans_nodes
from playground.model.impairment import Impairment
from playground.operations.pictures.diagram import Cable, Diagram, Seen, make_diagram
from playground.planning.placement.shapes import Placement
from playground.planning.planner import make_plan
from tests.topologies import nodes_of


def diagram(name: str) -> Diagram:
    nodes = nodes_of(name)
    return make_diagram(make_plan(nodes), nodes)


def cables(one: str) -> dict[frozenset[str], Cable]:
    return {frozenset((cable.a, cable.b)): cable for cable in diagram(one).cables}


def test_each_kind_of_node_has_its_card() -> None:
    cards = {card.name: card for card in diagram("two homes").cards}
    assert {name: card.kind for name, card in cards.items()} == {
        "isp": "router",
        "www.example.com": "host",
        "homeA": "switch",
        "modemA": "nat",
        "a1": "host",
        "a2": "host",
        "homeB": "switch",
        "modemB": "nat",
        "b1": "host",
        "b2": "host",
    }
    assert cards["www.example.com"].notes == ("eth0 203.0.113.2", "http")
    assert cards["homeA"].notes == ("192.168.1.0/24",)
    assert cards["modemA"].notes == ("NAT",)
    assert "eth0: 192.168.1.1/24" in cards["modemA"].tooltip


def test_a_cable_says_the_interfaces_of_its_ends() -> None:
    found = cables("two homes")
    both = found[frozenset(("modemA", "isp"))]
    assert {both.a: both.a_rows, both.b: both.b_rows} == {
        "modemA": ("eth1 10.0.1.1",),
        "isp": ("eth1 10.0.1.2",),
    }
    assert both.two_ended
    # A switch's port has no address, and a host's only interface stands in its card.
    assert found[frozenset(("modemA", "homeA"))].rows == (("b", "eth0 192.168.1.1"),)
    assert found[frozenset(("a1", "homeA"))].rows == ()
    assert found[frozenset(("a1", "homeA"))].size == (0, 0)


def test_the_inside_of_each_nat_is_a_realm() -> None:
    shown = diagram("two homes")
    assert [set(region.nodes) for region in shown.regions] == [
        {"modemA", "homeA", "a1", "a2"},
        {"modemB", "homeB", "b1", "b2"},
    ]
    for region in shown.regions:
        for number in region.cables:
            assert {shown.cables[number].a, shown.cables[number].b} <= set(region.nodes)
        assert len(region.cables) == 3
    assert diagram("ring of routers").regions == ()


def test_what_is_wrong_with_a_link_is_said() -> None:
    said = [(cable.state, cable.note) for cable in diagram("broken links").cables]
    assert said == [
        ("up", ""),
        ("down", "down"),
        ("impaired", "20 ms, 1 % loss, 10 Mbit/s"),
        ("impaired", "100 ms to h2"),
    ]


@pytest.mark.parametrize(
    ("seen", "state", "note"),
    [
        pytest.param(Seen(), "up", "", id="up"),
        pytest.param(Seen(up=False), "down", "down", id="down"),
        pytest.param(Seen(blocked="s1"), "blocked", "blocked", id="blocked"),
        pytest.param(
            Seen(toward_a=Impairment(delay_ms=5), toward_b=Impairment(delay_ms=9)),
            "impaired",
            "impaired",
            id="each direction in another way",
        ),
        pytest.param(
            Seen(toward_b=Impairment(reorder_percent=3, delay_ms=1)),
            "impaired",
            "1 ms, 3 % early to s1",
            id="one direction",
        ),
    ],
)
def test_what_the_kernel_says_of_a_link_is_shown(seen: Seen, state: str, note: str) -> None:
    h1, switch = Host("h1"), Switch("s1")
    Link(h1, switch)
    plan = make_plan([h1])
    [wire] = plan.wires
    [cable] = make_diagram(plan, [h1, switch], {(wire.a, wire.b): seen}).cables
    assert (cable.state, cable.note) == (state, note)


def test_services_that_all_machines_have_are_told_once() -> None:
    nodes = nodes_of("the Internet in miniature")
    shown = make_diagram(make_plan(nodes), nodes)
    assert shown.title.endswith("(ssh on every machine)")
    assert not any("ssh" in note for card in shown.cards for note in card.notes)


def test_of_many_vlans_some_are_left_out() -> None:
    office, gateway = Switch("office", vlans=range(10, 20)), Router("gateway")
    Link(office, gateway, trunk=True)
    [cable] = make_diagram(make_plan([gateway])).cables
    assert cable.a_rows == ("trunk 10, 11, 12, 13 …",)
    assert len(cable.b_rows) == 4
    assert cable.b_rows[-1] == "and 7 more"


def test_of_many_addresses_some_are_in_the_tooltip() -> None:
    h1, r1 = Host("h1"), Router("r1")
    Link(h1, r1)
    plan = make_plan([h1])
    [interface] = plan.node("h1").interfaces
    many = tuple(ip_interface(f"10.0.{number}.1/24") for number in range(4))
    crowded = replace(plan.node("h1"), interfaces=(replace(interface, addresses=many),))
    shown = make_diagram(replace(plan, nodes=(crowded, plan.node("r1"))))
    assert shown.cards[0].notes == ("eth0 10.0.0.1", "10.0.1.1", "and 2 more")
    assert "10.0.3.1/24" in shown.cards[0].tooltip


def test_an_address_that_routers_share_is_in_the_tooltip_of_each() -> None:
    lan = Switch("lan", subnet="192.168.1.0/24")
    for name, priority in (("r1", 150), ("r2", 100)):
        router = Router(name)
        router.vrrp(Link(lan, router), address="192.168.1.254", group=7, priority=priority)
    first, second, _ = make_diagram(make_plan([lan])).cards
    assert "eth0: shares 192.168.1.254 (VRRP, group 7, priority 150)" in first.tooltip.splitlines()
    assert "(VRRP, group 7, priority 100)" in second.tooltip


def test_cables_say_which_vlans_they_carry() -> None:
    drawn = make_diagram(make_plan(office_vlans_nodes()))
    labels = {(cable.a, cable.b): [text for _, text in cable.rows] for cable in drawn.cables}
    assert labels["floor1", "gateway"] == [
        "trunk 10, 20",
        "eth0.10 192.168.10.1",
        "eth0.20 192.168.20.1",
    ]
    assert labels["floor1", "floor2"] == ["trunk 10, 20"]
    # A host that has nothing else says it in its card.
    assert labels["floor2", "phone2"] == []
    notes = {card.name: card.notes for card in drawn.cards}
    assert notes["phone2"][1:] == ("VLAN 20",)
    assert notes["floor2"] == ("10: 192.168.10.0/24", "20: 192.168.20.0/24")


def test_a_tunnel_is_drawn_apart_from_cables_with_its_kind() -> None:
    a, b = Host("a"), Host("b")
    Link(a, b)
    tunnel = Tunnel(a, b, kind="vxlan")
    [cable, drawn] = make_diagram(make_plan([a]), [a, b]).cables
    assert (cable.state, cable.note, drawn.state, drawn.note) == ("up", "", "tunnel", "vxlan")
    assert "the links below carry its packets" in drawn.tooltip
    tunnel.down()
    [_, drawn] = make_diagram(make_plan([a]), [a, b]).cables
    assert (drawn.state, drawn.note) == ("down", "vxlan, down")


def test_the_nodes_of_each_machine_of_a_swarm_are_a_region() -> None:
    lan, h1, h2 = Switch("lan"), Host("h1"), Host("h2")
    Link(lan, h1)
    Link(lan, h2)
    places = (("lan", "m1"), ("h1", "m1"), ("h2", "m2"))
    plan = replace(make_plan([lan]), placement=Placement(places, (("lan", "h2"),)))
    shown = make_diagram(plan, [lan, h1, h2], by_machine=True)
    assert [(one.word, one.nodes, one.cables) for one in shown.regions] == [
        ("m1", ("lan", "h1"), (0,)),
        ("m2", ("h2",), ()),
    ]
    assert make_diagram(plan, [lan, h1, h2]).regions == ()


def test_a_link_says_in_which_queue_frames_wait() -> None:
    h1, h2 = Host("h1"), Host("h2")
    link = Link(h1, h2)
    link.queue("fq_codel")
    [cable] = make_diagram(make_plan([h1]), [h1, h2], {}).cables
    assert (cable.state, cable.note) == ("up", "fq_codel")
    link.classes(TrafficClass("voice", rate_mbit=1, dscp="EF"), TrafficClass("rest", 1), toward=h2)
    [cable] = make_diagram(make_plan([h1]), [h1, h2], {}).cables
    assert cable.note == "queues"
    assert "queue toward h1: fq_codel" in cable.tooltip
    assert "queue toward h2: htb: voice, rest" in cable.tooltip
