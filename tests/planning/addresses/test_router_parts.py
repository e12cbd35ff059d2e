"""Parts of routers: which links and which end are whose."""

from __future__ import annotations

from playground.model.topology import Host, Link, Router
from playground.planning.addresses.router_parts import (
    RouterPart,
    end_of,
    own_links,
    part_at,
    parts_of,
    whole,
    with_parts,
)


def test_a_part_has_the_links_of_its_vrf_and_the_router_the_rest() -> None:
    pe, h1 = Router("pe"), Host("h1")
    first, second, third = (Link(pe, node) for node in (h1, Host("h2"), Host("h3")))
    blue = pe.vrf("blue", [third, first], routing="ospf")
    [part] = parts_of(pe)
    assert part == RouterPart(pe, blue)
    assert own_links(part) == [first, third]
    assert own_links(pe) == [second]
    assert (part.name, part.routing, part.uplinks) == ("pe", "ospf", ())
    assert list(with_parts([pe, h1])) == [pe, part, h1]
    assert (whole(part), whole(h1)) == (pe, h1)
    assert end_of(first, part) is first.end(pe)
    assert part_at(first.end(pe)) == part
    assert part_at(second.end(pe)) is pe
    assert part_at(first.end(h1)) is h1
