"""Segments: the links that are one network, and the nodes that a lab takes along."""

from __future__ import annotations

import pytest

from playground.errors import TopologyError
from playground.operations.network import Host, Link, Router, Switch
from playground.planning.addresses.segments import collect, find_segments, links_of


def test_collect_takes_all_that_is_linked_in_the_order_declared() -> None:
    www, modem, h1 = Host("www"), Router("modem"), Host("h1")
    home, alone = Switch("home"), Host("alone")
    Link(home, h1)
    Link(home, modem)
    Link(modem, www)
    assert collect([home]) == (www, modem, h1, home)
    assert collect([h1]) == collect([www]) == collect([home, www, home])
    assert collect([alone, h1]) == (www, modem, h1, home, alone)


def test_links_stand_once_in_the_order_declared() -> None:
    a, b, c = Host("a"), Router("b"), Host("c")
    links = [Link(b, c), Link(a, b), Link(b, a)]
    assert links_of([a, b, c]) == tuple(links)


def test_a_link_between_two_nodes_is_a_segment() -> None:
    a, b = Host("a"), Router("b")
    first, second = Link(a, b), Link(a, b)
    segments = find_segments([a, b])
    assert [(s.name, s.links) for s in segments] == [("a--b", (first,)), ("a--b", (second,))]
    assert segments[0].ends == (first.end(b), first.end(a))


def test_what_hangs_on_connected_switches_is_one_segment() -> None:
    top, left, right = Switch("top"), Switch("left"), Switch("right")
    h1, h2, router, other = Host("h1"), Host("h2"), Router("router"), Switch("other")
    Link(left, h1)
    Link(h2, right)
    Link(other, router)
    Link(top, left)
    Link(right, top)
    Link(router, top)
    one, two = find_segments(collect([top]))
    assert (one.name, one.switches) == ("top", (top, left, right))
    assert [end.node for end in one.ends] == [router, h1, h2]
    assert [end.node for end in two.ends] == [router]


@pytest.mark.parametrize(
    ("nodes", "sentence"),
    [
        ([], "a lab needs at least one host or router"),
        ([Switch("s")], "a lab needs at least one host or router"),
        (["h1"], "a lab is made of hosts, routers and switches, and 'h1' is none of them"),
        (["office"], "a name for the lab is name='office'"),
        ([[Host("h1"), Host("h2")]], "is none of them; write Lab(h1, h2)"),
        ([Host("h1"), Host("h1")], "two nodes are called 'h1'; give each a name of its own"),
        ([Host("h1"), Router("H1")], "two nodes are called 'H1'"),
        ([Host("h1"), Switch("h1")], "two nodes are called 'h1'"),
        (
            [Host("www.example.com"), Host("www.example.org")],
            "www.example.com and www.example.org would both answer to the name 'www'",
        ),
        ([Host("www.example.com"), Host("www")], "would both answer to the name 'www'"),
        ([Host("www"), Host("www.example.com")], "would both answer to the name 'www'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_collect_refuses(nodes: list[object], sentence: str) -> None:
    with pytest.raises(TopologyError) as caught:
        collect(nodes)
    assert sentence in str(caught.value)


def test_names_that_look_alike_but_differ() -> None:
    nodes = [Host("example.com"), Host("www.example.com"), Host("com"), Host("a-b"), Host("a")]
    assert collect(nodes) == tuple(nodes)
