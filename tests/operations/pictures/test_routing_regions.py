"""What a picture shades where routing is asked for: areas, and systems."""

from __future__ import annotations

import pytest

from playground.errors import BadArgument
from playground.lab.lab import Lab
from playground.operations.network import Host, Link, Router, Switch
from playground.operations.pictures.diagram import Region
from playground.operations.pictures.routing_regions import areas, systems
from playground.planning.planner import make_plan


def words(regions: list[Region]) -> dict[str, tuple[set[str], tuple[int, ...]]]:
    return {one.word: (set(one.nodes), one.cables) for one in regions}


def test_a_router_on_a_border_is_in_both_areas() -> None:
    border, inside, far = (Router(name, routing="ospf") for name in ("border", "inside", "far"))
    lan, h1, h2 = Switch("lan"), Host("h1"), Host("h2")
    inner, out = Link(border, inside), Link(inside, lan)
    Link(lan, h1)
    Link(border, far)
    Link(far, h2)
    for link in (inner, out):
        inside.ospf(link, area=1)
    nodes = [border, inside, far, lan, h1, h2]
    found = words(list(areas(make_plan(nodes), nodes)))
    assert found["OSPF area 0"][0] == {"border", "far", "h2"}
    assert found["OSPF area 1"][0] == {"border", "inside", "lan", "h1"}
    assert not set(found["OSPF area 0"][1]) & set(found["OSPF area 1"][1])
    assert sum(len(cables) for _, cables in found.values()) == 5


def test_between_areas_of_isis_a_link_is_in_none() -> None:
    a, b = Router("a", routing="isis"), Router("b", routing="isis")
    b.isis_options(area="49.0002")
    nodes = [a, b, Host("h1"), Host("h2")]
    Link(a, b), Link(a, nodes[2]), Link(b, nodes[3])
    found = words(list(areas(make_plan(nodes), nodes)))
    assert found == {
        "IS-IS area 49.0001": ({"a", "h1"}, (1,)),
        "IS-IS area 49.0002": ({"b", "h2"}, (2,)),
    }


def test_a_system_has_its_routers_and_who_is_behind_them_alone() -> None:
    e1, e2 = (Router(n, routing=("ospf", "bgp"), as_number=65001) for n in ("e1", "e2"))
    core, x = Router("core", routing="ospf"), Router("x", routing="bgp", as_number=65002)
    h1, between = Host("h1"), Host("between")
    exchange = Switch("exchange")
    Link(e1, core), Link(core, e2), Link(core, h1)
    for node in (e2, x, between):
        Link(exchange, node)
    nodes = [e1, e2, core, x, h1, between, exchange]
    found = words(list(systems(make_plan(nodes), nodes)))
    assert found == {"AS 65001": ({"e1", "e2", "core", "h1"}, (0, 1, 2)), "AS 65002": ({"x"}, ())}


def test_what_a_lab_does_not_have_is_not_drawn() -> None:
    lab = Lab(Router("r", routing="rip"), quiet=True)
    for group, complaint in (
        ("areas", "no router of this lab speaks OSPF or IS-IS"),
        ("systems", "no router of this lab speaks BGP"),
        ("colours", '"realms" or "machines" or "areas" or "systems"'),
    ):
        with pytest.raises(BadArgument, match=complaint):
            lab.picture(group=group)
    one = Lab(Router("r2", routing="bgp", as_number=7), quiet=True)
    assert "AS 7" in one.picture(group="systems").svg()
