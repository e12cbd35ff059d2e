"""Layers of a picture: each group that a lab has, drawn once and not shown yet."""

from __future__ import annotations

import re

from playground import Host, Lab, Link, Router, Switch
from playground.operations.pictures.diagram import make_diagram
from playground.operations.pictures.layers import TITLES, draw_layered, layers_of
from playground.operations.pictures.layout import place


def office() -> Lab:
    """Two VLANs over a trunk, and a router that translates for one more network."""
    left, right = Switch("left", vlans=(10, 20)), Switch("right", vlans=(10, 20))
    Link(left, right, trunk=[10, 20])
    for name, switch, vlan in (("a", left, 10), ("b", right, 10), ("c", right, 20)):
        Link(switch, Host(name), vlan=vlan)
    modem, out = Router("modem"), Host("out")
    home = Switch("home", subnet="192.168.1.0/24")
    Link(home, modem)
    modem.masquerade(Link(modem, out))
    return Lab(left, modem, name="layers")


def test_a_lab_has_the_layers_that_it_has_something_of() -> None:
    lab = office()
    found = layers_of(lab.plan(), lab.nodes)
    assert list(found) == ["realms", "vlans"]
    assert found.keys() <= TITLES.keys()
    words = {region.word: set(region.nodes) for region in found["vlans"]}
    assert words == {"VLAN 10": {"left", "right", "a", "b"}, "VLAN 20": {"left", "right", "c"}}
    assert layers_of(Lab(Host("x")).plan(), ()) == {}


def test_routing_has_areas_and_systems() -> None:
    one, two = Router("one", routing="bgp", as_number=65001), Router("two", routing="bgp")
    lab = Lab(one, Router("r", routing="ospf"), name="routed")
    assert two.name not in lab
    found = layers_of(lab.plan(), lab.nodes)
    assert [region.word for region in found["systems"]] == ["AS 65001"]


def test_every_layer_is_in_the_picture_and_none_is_shown() -> None:
    lab = office()
    plan = lab.plan()
    diagram = make_diagram(plan, lab.nodes)
    layers = layers_of(plan, lab.nodes)
    svg = draw_layered(diagram, place(diagram), layers)
    assert re.findall(r'data-layer="(\w+)" display="none"', svg) == ["realms", "vlans"]
    assert "the links that carry VLAN 20</title>" in svg
    # Cards and cables lie above all shades.
    assert svg.index('data-layer="vlans"') < svg.index('data-part="cable 0"')
