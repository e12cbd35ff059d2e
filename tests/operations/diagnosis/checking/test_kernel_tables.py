"""Addresses and routes that should be there, or not."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from playground import CheckFailed, Lab
from playground.errors import BadArgument


def test_what_is_so_passes(lab: Lab) -> None:
    check, r1 = lab.check, lab.node("r1")
    assert check.has_address("h1", "10.5.0.2/24") == "eth0"
    assert check.has_address("h1", "10.5.0.2", interface="eth0") == "eth0"
    check.has_no_address("h1", "10.5.0.77", within_s=0)
    route = check.has_route(r1, "10.9.0.2/32", via="r2", protocol="ospf")
    assert str(route.destination) == "10.9.0.2/32"
    check.has_route("h1", "default", via=r1, interface="eth0", protocol="static")
    # Two ways of one cost, by two gateways.
    far = next(link for link in lab.node("r3").links if "r2" in link.names)
    prefix = str(lab.node("r3").interfaces[_interface(lab, far)].addresses[0].network)
    check.has_route(r1, prefix, via=["r2", "r3"])
    check.has_no_route("h1", "10.9.0.2/32", within_s=0)


def _interface(lab: Lab, link: object) -> str:
    [wire] = [
        wire for wire in lab.running_plan().wires if {wire.a.node, wire.b.node} == {"r2", "r3"}
    ]
    return wire.a.interface if wire.a.node == "r3" else wire.b.interface


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (
            lambda check: check.has_address("h1", "10.5.0.2/25", within_s=0),
            "h1 should have the address 10.5.0.2/25, and does not: it has eth0 10.5.0.2/24.",
        ),
        (
            lambda check: check.has_no_address("h1", "10.5.0.2", within_s=0),
            "h1 should not have the address 10.5.0.2, and has it at eth0.",
        ),
        (
            lambda check: check.has_route("h1", "10.1.0.0/16", within_s=0),
            "h1 should have a route to 10.1.0.0/16, and has none: it has 0.0.0.0/0, 10.5.0.0/24.",
        ),
        (
            lambda check: check.has_route("h1", "default", via="ns", within_s=0),
            "h1 should have a route to default via ns, and has it so: via 10.5.0.1 dev eth0 proto",
        ),
        (
            lambda check: check.has_no_route("h1", "default", within_s=0),
            "h1 should have no route to default, and has one: via 10.5.0.1 dev eth0 proto static.",
        ),
    ],
)
def test_what_is_not_so_is_said(lab: Lab, ask: Callable[..., object], said: str) -> None:
    with pytest.raises(CheckFailed, match=re.escape(said)):
        ask(lab.check)


def test_what_is_no_address_and_no_prefix_is_refused(lab: Lab) -> None:
    for address in ("10.5.0", 7, "10.5.0.1/99"):
        with pytest.raises(BadArgument, match="is no address; write for example"):
            lab.check.has_address("h1", address)  # type: ignore[arg-type]
    for prefix in ("10.5.0.1/24", "all", None):
        with pytest.raises(BadArgument, match="is no prefix of a network"):
            lab.check.has_route("h1", prefix)  # type: ignore[arg-type]
