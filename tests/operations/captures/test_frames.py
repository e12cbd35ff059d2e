"""Machines, found by their addresses in frames."""

from __future__ import annotations

from dataclasses import replace

import pytest

from playground.operations.captures.frames import Directory, Owner
from playground.operations.network import Host, Link, Router, Switch
from playground.planning.planner import make_plan
from tests.made import DIRECTORY, H1, MACS, MODEM_IN, MODEM_OUT, WWW

# A second home with the same addresses.
OTHER = Owner("h4", "eth0", "home2", "02:00:00:00:00:44", (H1,))
TWO_HOMES = replace(DIRECTORY, owners=(*DIRECTORY.owners, OTHER))


@pytest.mark.parametrize(
    ("address", "segment", "mac", "node"),
    [
        (WWW, "", "", "www.example.com"),
        (H1, "home", "", "h1"),
        (H1, "home2", "", "h4"),
        (H1, "", "", None),  # it depends
        (H1, "", OTHER.mac, "h4"),
        ("10.9.9.9", "home", MACS[H1], "h1"),  # set by hand
        ("10.9.9.9", "home", MACS[MODEM_IN], None),  # from beyond the router
        ("fe80::1", "home", MACS[MODEM_IN], "modem"),
        ("10.9.9.9", "", "", None),
    ],
)
def test_a_name_depends_on_where_it_is_asked_for(
    address: str, segment: str, mac: str, node: str | None
) -> None:
    assert TWO_HOMES.node(address, segment, mac) == node


def test_a_plan_has_a_directory() -> None:
    home = Switch("home", subnet="192.168.1.0/24")
    h1, modem = Host("h1.example.com"), Router("modem")
    Link(home, h1)
    Link(home, modem)
    plan = make_plan([home], lab="test")
    directory = Directory.of(plan)
    (interface,) = plan.node("h1.example.com").interfaces
    owner = directory.owner(interface.mac.lower())
    assert owner is not None
    assert (owner.node, owner.segment) == ("h1.example.com", interface.segment)
    assert directory.routers == {"modem"}
    assert directory.addresses("h1") == directory.addresses("h1.example.com") == owner.addresses
    assert directory.addresses("nobody") == ()
    assert directory.node(MODEM_OUT) is None
