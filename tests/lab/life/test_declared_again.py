"""What stays of a running lab where others are declared in its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from playground import Host, Link, Router, Service, Switch
from playground.lab.life.declared_again import find_staying
from playground.operations.network import Node
from playground.planning.addresses.segments import collect
from playground.planning.planner import make_plan


def street(**said: Any) -> list[Node]:
    """h1 - home - r1 - www, with what is said otherwise."""
    home = Switch("home", subnet=said.get("subnet", "10.5.0.0/24"))
    h1 = Host("h1", **said.get("h1", {}))
    r1 = Router("r1", **said.get("r1", {}))
    Link(home, h1, address=said.get("address", "10.5.0.7"), mtu=said.get("mtu", 1500))
    Link(home, r1)
    if said.get("www", True):
        Link(r1, Host("www"))
    if said.get("other"):
        Link(home, Host("other"))
    return [home]


Found = Callable[..., Any]


@pytest.fixture
def staying() -> Found:
    def find(**said: Any) -> Any:
        before, after = (list(collect(street(**one))) for one in ({}, said))
        plan = make_plan(before)
        return find_staying(plan, before, after, make_plan(after))  # type: ignore[arg-type]

    return find


def wires(plan: Any) -> set[str]:
    return {f"{wire.a.node}-{wire.b.node}" for wire in plan.wires}


def test_what_is_declared_as_it_was_stays(staying: Found) -> None:
    for said in ({}, {"other": True}):
        found = staying(**said)
        assert (found.gone, found.anew, found.cut) == ((), {}, ())
        assert wires(found.base) == wires(found.rest) == {"home-h1", "home-r1", "r1-www"}


def test_a_node_that_is_gone_takes_its_wires_along(staying: Found) -> None:
    found = staying(www=False)
    assert found.gone == ("www",)
    assert wires(found.rest) == {"home-h1", "home-r1"}
    assert [interface.name for interface in found.rest.node("r1").interfaces] == ["eth0"]
    assert [(wire.a.node, wire.b.node) for wire in found.cut] == [("r1", "www")]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"h1": {"services": ["http"]}}, {"h1": "its services"}),
        ({"h1": {"services": [Service("x", "sleep 9", port=None)]}}, {"h1": "its services"}),
        ({"h1": {"memory_mb": 64}}, {"h1": "its limits"}),
        ({"h1": {"command": "sleep 9"}}, {"h1": "its command"}),
        ({"r1": {"routing": "ospf"}}, {"r1": "its services"}),
    ],
)
def test_what_cannot_change_while_it_runs_is_made_anew_where_it_was(
    staying: Found, said: dict[str, Any], why: dict[str, str]
) -> None:
    found = staying(**said)
    assert found.anew == why
    [name] = why
    assert name not in {node.name for node in found.rest.nodes}
    # It gets the addresses that it had.
    assert wires(found.base) == {"home-h1", "home-r1", "r1-www"}
    assert found.base.node(name).interfaces


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ({"address": "10.5.0.9"}, {"home-r1", "r1-www"}),
        ({"mtu": 1400}, {"home-r1", "r1-www"}),
        ({"subnet": "10.6.0.0/24", "address": "10.6.0.7"}, {"r1-www"}),
    ],
)
def test_links_that_are_declared_otherwise_get_other_addresses(
    staying: Found, said: dict[str, Any], kept: set[str]
) -> None:
    assert wires(staying(**said).base) == kept
