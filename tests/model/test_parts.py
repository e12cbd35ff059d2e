"""Attributes of nodes and links: those that are there, and no others."""

from __future__ import annotations

import pytest

from playground import Host, Link, Router, Switch
from playground.errors import BadArgument


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("memory", "has no 'memory' to set: did you mean 'memory_mb'?"),
        ("memory_mb", "keeps the memory_mb that it was declared with: give Host its memory_mb="),
        ("host_name", "has no 'host_name' to set: did you mean 'hostname'?"),
        ("nameserver", "has no 'nameserver' to set: did you mean 'nameservers'?"),
        ("loopback", "keeps the loopback that it was declared with"),
        ("run", "has no 'run' to set"),
        ("colour", "has no 'colour' to set. A name of your own begins with an underscore"),
    ],
)
def test_a_host_refuses_an_attribute_that_would_do_nothing(name: str, said: str) -> None:
    h1 = Host("h1")
    with pytest.raises(BadArgument) as caught:
        setattr(h1, name, "5")
    assert f"Host('h1') {said}" in str(caught.value)
    assert name == "loopback" or name not in vars(h1)


@pytest.mark.parametrize(
    ("name", "argument"), [("mtu", "mtu"), ("mtu_bytes", "mtu"), ("offload", "offload")]
)
def test_a_link_keeps_what_it_was_declared_with(name: str, argument: str) -> None:
    link = Link(Host("h1"), Host("h2"))
    with pytest.raises(BadArgument, match=rf"keeps the {name} .*: give Link its {argument}= where"):
        setattr(link, name, 1400)
    assert (link.mtu_bytes, link.offload) == (1500, False)


@pytest.mark.parametrize(
    ("part", "name"),
    [(Router("r1"), "routing"), (Switch("office"), "stp")],
    ids=["router", "switch"],
)
def test_a_router_keeps_its_protocol_and_a_switch_its_settings(part: object, name: str) -> None:
    with pytest.raises(BadArgument, match=f" its {name}= where it is declared"):
        setattr(part, name, "ospf")


def test_a_name_with_an_underscore_is_ones_own() -> None:
    h1 = Host("h1")
    seat = "_seat"
    setattr(h1, seat, 3)
    assert getattr(h1, seat) == 3
