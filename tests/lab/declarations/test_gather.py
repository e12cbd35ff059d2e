"""Declarations gathered from nodes declare the same again."""

from collections.abc import Callable

import pytest

from playground import Host, Lab, Link, Switch, examples
from playground.lab.declarations.declare import declare
from playground.lab.declarations.gather import gather
from playground.operations.network import Node
from playground.planning.planner import collect

from . import everything


@pytest.mark.parametrize(
    "nodes", [everything.hosts_and_nat, everything.routing, everything.prefixes]
)
def test_what_was_gathered_declares_the_same_again(nodes: Callable[[], list[Node]]) -> None:
    declared = gather(collect(nodes()))
    assert gather(declare(declared).nodes.values()) == declared


@pytest.mark.parametrize("name", ["miniature_internet", "office_vlans", "customers_and_peers"])
def test_the_plan_of_what_was_gathered_is_the_same(name: str) -> None:
    lab = getattr(examples, name)()
    again = declare(gather(lab.nodes)).nodes.values()
    assert Lab(*again, name=lab.name, ipv6=lab.ipv6).plan() == lab.plan()


def test_links_are_called_by_their_nodes_and_parallel_ones_are_counted() -> None:
    a, b = Host("a"), Host("b")
    Link(a, b), Link(a, b), Link(b, a)
    assert [link.id for link in gather([a, b]).links] == ["a-b", "a-b-2", "b-a"]


def test_a_link_keeps_the_id_that_a_file_gave_it() -> None:
    home, h1 = Switch("home"), Host("h1")
    Link(home, h1).id = "cable"
    assert gather([home, h1]).links[0].id == "cable"
