"""Shapes of a placement."""

from __future__ import annotations

from playground.planning.placement.shapes import Demand, PlacedNode, Placement


def test_a_demand_fits_where_hosts_memory_and_processors_all_do() -> None:
    room = Demand(hosts=2, memory_mb=64, cpus=1)
    assert Demand(2, 64, 1).fits(room)
    assert not Demand(3, 1, 0.1).fits(room)
    assert not Demand(1, 65, 0.1).fits(room)
    assert not Demand(1, 1, 1.5).fits(room)


def test_the_scarcest_of_three_is_the_share() -> None:
    assert Demand(1, 50, 0).share(Demand(10, 100, 4)) == 0.5
    assert Demand(1, 0, 0).share(Demand(10, 0, 0)) == 0.1


def test_a_placement_is_asked_by_name_and_shows_as_a_table() -> None:
    placement = Placement((("h1", "m1"), ("www", "m2")), (("h1", "www"),))
    assert placement["www"] == "m2"
    assert list(placement) == [("h1", "m1"), ("www", "m2")]
    assert placement.table()[0] == PlacedNode("h1", "m1")
    assert repr(placement) == (
        "<Placement: 1 link between machines>\nnode  machine\nh1    m1\nwww   m2"
    )
