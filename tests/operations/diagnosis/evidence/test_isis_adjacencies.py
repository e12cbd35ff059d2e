"""Why two routers are no neighbours by IS-IS, by what isisd says of both."""

from __future__ import annotations

import json
from typing import Any

import pytest

from playground.operations.diagnosis.evidence.adjacencies import find_troubles, read_said
from playground.operations.diagnosis.evidence.isis_adjacencies import IsisNeighbour
from playground.operations.network import Host, Link, Router
from playground.planning.plan import Plan
from playground.planning.planner import make_plan

BLOCK = ("isis circuit-type level-1-2", "isis password md5 one")


def pair(mtu: Any = 1500) -> Plan:
    a, b = Router("a", routing="isis"), Router("b", routing="isis")
    Link(a, b, addresses=("10.1.0.1/24", "10.1.0.2/24"), mtu=mtu)
    Link(a, Host("h"), subnet="10.2.0.0/24")
    return make_plan([a], strict=False)


def answer(other: str, state: str, kind: str, passive: str) -> str:
    """isisd's answers, as FRR 10.3 gives them."""
    circuit = {"name": "eth0", "state": "Up", "is-passive": passive, "type": kind}
    seen = {"name": "eth0", "state": state, "ipv4-address": {"ipv4": other}}
    adjacency = [{"circuit": 0, "adj": "x", "interface": seen}] if state else [{"circuit": 0}]
    return "\n".join(
        json.dumps({"areas": [{"area": "lab", "circuits": rows}]})
        for rows in ([{"circuit": 0, "interface": circuit}], adjacency)
    )


def reason(
    state: str,
    *,
    net: str = "49.0001.0000.0000.0002.00",
    kind: str = "p2p",
    passive: str = "active",
    level: str = "level-1-2",
    block: tuple[str, ...] = BLOCK,
    router: tuple[str, ...] = (),
    own_level: str = "level-1-2",
    mtu: Any = 1500,
) -> str:
    """The trouble of two routers, the second of which differs in this; "" for none."""

    def lines(net: str, level: str, block: tuple[str, ...], more: tuple[str, ...] = ()) -> str:
        own = [f" net {net}", f" is-type {level}", *(f" {line}" for line in more)]
        return "\n".join(["interface eth0", *(f" {one}" for one in block), "router isis lab", *own])

    a = read_said(
        {"isis": answer("10.1.0.2", state, "p2p", "active")},
        lines("49.0001.0000.0000.0001.00", own_level, BLOCK),
    )
    b = read_said(
        {"isis": answer("10.1.0.1", state, kind, passive)}, lines(net, level, block, router)
    )
    found = find_troubles(pair(mtu), {"a": a, "b": b})
    return "; ".join(map(str, found))


def test_neighbours_that_are_up_have_no_trouble() -> None:
    assert reason("Up") == ""


@pytest.mark.parametrize(
    ("state", "other", "words"),
    [
        ("", {"passive": "passive"}, "eth0 of b is passive"),
        ("", {"kind": "lan"}, "network types differ: the network is p2p on eth0 of a, and lan on"),
        ("", {"net": "49.0001.0000.0000.0001.00"}, "both have the system id 0000.0000.0001"),
        (
            "",
            {"level": "level-2-only", "own_level": "level-1"},
            "no level in common: level 1 on eth0 of a, and 2 on eth0 of b",
        ),
        (
            "",
            {"net": "49.0002.0000.0000.0002.00", "level": "level-1"},
            "in different areas: 49.0001 (a) and 49.0002 (b)",
        ),
        ("", {"block": ("isis password md5 two",)}, "their passwords differ on eth0 of a and eth0"),
        ("", {"mtu": (1500, 1400)}, "greetings are as long as that: 1500 bytes on eth0 of a, and"),
        ("Initializing", {}, "(Initializing at a): a hears b, and is not heard by it"),
        ("", {}, "(no neighbour): a hears nothing of b on eth0"),
        ("Up", {"router": ("domain-password md5 x",)}, "sign what they tell of with (domain-pass"),
    ],
)
def test_the_cause_is_named(state: str, other: dict[str, Any], words: str) -> None:
    assert words in reason(state, **other)


def test_a_daemon_that_does_not_answer_does_not_run() -> None:
    [found] = find_troubles(pair(), {})
    assert str(found).startswith("a and b do not speak IS-IS with each other")
    assert found.reason == "isisd does not run on a"


def test_an_interface_that_was_left_out_takes_no_part() -> None:
    a = read_said({"isis": answer("10.1.0.2", "", "p2p", "active")}, "")
    b = read_said({"isis": json.dumps({"areas": []})}, "")
    [found] = find_troubles(pair(), {"a": a, "b": b})
    assert found.reason == "eth0 of b takes no part in IS-IS"


def test_a_neighbour_has_its_name_its_level_and_its_addresses() -> None:
    text = answer("10.1.0.2", "Initializing", "p2p", "active").replace(
        '"adj": "x"', '"adj": "b", "level": 2'
    )
    said = read_said({"isis": text}, "").isis
    assert said is not None
    assert said["eth0"].neighbours == (IsisNeighbour("b", "2", "Initializing", ("10.1.0.2",)),)
