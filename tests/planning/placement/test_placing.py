"""Placing: the machine of every node."""

from __future__ import annotations

import random
from collections import Counter

import igraph
import pytest

from playground.errors import TopologyError
from playground.planning.placement.placing import place
from playground.planning.placement.shapes import Demand, MachineRoom, Piece, Placement, Tie

ONE = Demand(1, 10)


def machines(count: int, hosts: int, memory_mb: float = 10_000) -> list[MachineRoom]:
    room = Demand(hosts, memory_mb, 64)
    return [MachineRoom(f"m{number + 1}", room) for number in range(count)]


def internet(count: int) -> igraph.Graph:
    """Return a graph in which a few have many links, as in the Internet; always the same."""
    random.seed(1)
    return igraph.Graph.Barabasi(count, 2)


def path(count: int) -> igraph.Graph:
    return igraph.Graph.Ring(count, circular=False)


def placed(
    graph: igraph.Graph, rooms: list[MachineRoom], spread: int | tuple[str, ...] | None = None
) -> Placement:
    pieces = [Piece(str(number), ONE) for number in range(graph.vcount())]
    return place(pieces, ties_of(graph), rooms, spread)


def ties_of(graph: igraph.Graph) -> list[Tie]:
    return [Tie(str(a), str(b)) for a, b in graph.get_edgelist()]


def loads(placement: Placement) -> Counter[str]:
    return Counter(placement.machines.values())


def test_a_lab_that_fits_on_one_machine_has_no_link_between_machines() -> None:
    placement = placed(path(20), machines(3, hosts=20))
    assert placement.cut == ()
    assert loads(placement) == {"m1": 20}


def test_a_path_over_three_machines_is_cut_twice() -> None:
    placement = placed(path(30), machines(3, hosts=100), spread=3)
    assert len(placement.cut) == 2
    assert set(loads(placement)) == {"m1", "m2", "m3"}
    assert max(loads(placement).values()) <= 12


def test_two_hosts_on_a_link_are_spread_as_well() -> None:
    assert loads(placed(path(2), machines(3, hosts=100), spread=2)) == {"m1": 1, "m2": 1}
    assert loads(placed(path(3), machines(3, hosts=100), spread=3)) == {"m1": 1, "m2": 1, "m3": 1}


def test_islands_stay_whole() -> None:
    graph = igraph.disjoint_union([igraph.Graph.Full(5)] * 6)
    assert placed(graph, machines(3, hosts=100), spread=3).cut == ()


def test_no_machine_gets_more_than_it_has_room_for() -> None:
    rooms = [*machines(1, hosts=40), *machines(4, hosts=5)[1:]]
    placement = placed(internet(54), rooms)
    assert all(loads(placement)[room.name] <= room.room.hosts for room in rooms)


def test_memory_counts_beside_hosts() -> None:
    pieces = [Piece(f"db{number}", Demand(1, 400)) for number in range(4)]
    placement = place(pieces, [], machines(2, hosts=100, memory_mb=1000))
    assert loads(placement) == {"m1": 2, "m2": 2}


def test_a_small_machine_gets_less_where_others_share_evenly() -> None:
    rooms = [*machines(2, hosts=100), MachineRoom("small", Demand(2, 10_000, 64))]
    placement = placed(path(42), rooms, spread=3)
    assert loads(placement)["small"] <= 2
    assert loads(placement)["m1"] + loads(placement)["m2"] >= 40


def test_what_is_settled_stays_and_draws_its_neighbours() -> None:
    graph = path(20)
    pieces = [Piece(str(n), ONE, {0: "m2", 19: "m1"}.get(n)) for n in range(20)]
    ties = ties_of(graph)
    placement = place(pieces, ties, machines(2, hosts=15), spread=2)
    assert (placement["0"], placement["19"]) == ("m2", "m1")
    assert len(placement.cut) == 1


def test_everything_may_be_settled_on_one_machine_of_several() -> None:
    pieces = [Piece(f"h{number}", ONE, "m2") for number in range(9)]
    assert loads(place(pieces, [], machines(3, hosts=10), spread=3)) == {"m2": 9}


def test_a_machine_that_cannot_hold_what_is_settled_there_is_named() -> None:
    pieces = [Piece(f"h{number}", ONE, "m1") for number in range(9)]
    with pytest.raises(TopologyError, match=r"the machine m1 has no room for all that was settled"):
        place(pieces, [], machines(3, hosts=5))


def test_hosts_that_are_larger_than_any_machine_are_refused() -> None:
    pieces = [Piece("large", Demand(1, 1500))]
    with pytest.raises(TopologyError, match="no single one has for its largest hosts"):
        place(pieces, [], machines(2, hosts=5, memory_mb=1000))


def test_the_link_that_weighs_less_is_cut() -> None:
    pieces = [Piece(name, ONE) for name in ("h1", "r1", "r2", "h2")]
    ties = [Tie("h1", "r1", 100), Tie("r1", "r2", 1), Tie("r2", "h2", 100)]
    assert place(pieces, ties, machines(2, hosts=2)).cut == (("r1", "r2"),)


def test_a_switch_takes_no_room_and_stands_where_most_of_its_hosts_are() -> None:
    pieces = [Piece("lan"), *(Piece(f"h{number}", ONE) for number in range(6))]
    pieces += [Piece("far", ONE, "m2")]
    ties = [Tie("lan", piece.name) for piece in pieces[1:]]
    placement = place(pieces, ties, machines(2, hosts=7))
    assert placement["lan"] == Counter(placement[p.name] for p in pieces[1:]).most_common(1)[0][0]


def test_the_same_lab_is_placed_in_the_same_way() -> None:
    graph = internet(200)
    assert placed(graph, machines(4, 60), 4) == placed(graph, machines(4, 60), 4)


def test_no_lab_at_all_is_placed() -> None:
    assert place([], [], machines(2, hosts=5)) == Placement(())


def test_an_internet_of_three_thousand_routers_is_cut_well() -> None:
    graph = internet(3000)
    placement = placed(graph, machines(10, hosts=400), spread=10)
    assert max(loads(placement).values()) <= 400
    # A placement by chance cuts nine tenths of them.
    assert len(placement.cut) < 0.6 * graph.ecount()


def test_a_piece_of_several_hosts_is_not_taken_apart_where_a_lab_is_spread() -> None:
    rooms = [MachineRoom(name, Demand(10)) for name in ("m1", "m2", "m3")]
    placement = place([Piece("four", Demand(4)), Piece("one", Demand(1))], [], rooms, spread=3)
    assert placement["four"] != placement["one"]
