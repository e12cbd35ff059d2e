"""Declarations made into nodes; refusals have a place."""

import pytest

from playground.errors import TopologyError
from playground.lab.declarations.declare import declare
from playground.lab.declarations.shapes import (
    Call,
    Declarations,
    FilePlace,
    LinkName,
    LinkSaid,
    NodeName,
    NodeSaid,
)

H1, R1 = NodeSaid("host", "h1"), NodeSaid("router", "r1")


def test_nodes_come_first_then_links_then_what_they_were_told() -> None:
    router = NodeSaid("router", "r1", calls=(Call("masquerade", {"link": LinkName("up")}),))
    declared = declare(Declarations((router, H1), (LinkSaid("up", ("h1", "r1")),)))
    assert declared.nodes["r1"].nat[0].link is declared.links["up"]


@pytest.mark.parametrize(
    ("declarations", "told"),
    [
        (
            Declarations((NodeSaid("host", "h 1", place=FilePlace("x.yaml", 3, 5)),)),
            "x.yaml:3:5: ",
        ),
        (
            Declarations((H1,), (LinkSaid("a", ("h1", "h2"), place=FilePlace("x.yaml", 9)),)),
            "x.yaml:9: there is no node 'h2': there is h1",
        ),
        (Declarations((H1, H1)), "there are two nodes of the name h1"),
    ],
)
def test_what_is_refused_is_told_with_its_place(declarations: Declarations, told: str) -> None:
    with pytest.raises(TopologyError) as error:
        declare(declarations)
    assert str(error.value).startswith(told)


def test_a_call_that_is_refused_is_told_with_its_own_place() -> None:
    call = Call("route", {"destination": "10.0.0.0/8", "via": NodeName("no")}, FilePlace("x", 7))
    node = NodeSaid("host", "h1", calls=(call,), place=FilePlace("x", 2))
    with pytest.raises(TopologyError, match=r"^x:7: there is no node 'no'"):
        declare(Declarations((node,)))
