"""Bonds: the message that makes one as pyroute2 reads it, and what is read of its members."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from playground.agent.links import bonds
from playground.agent.links.interfaces import (
    IFLA_IFNAME,
    IFLA_INFO_DATA,
    IFLA_INFO_SLAVE_DATA,
    IFLA_LINKINFO,
    IFLA_MASTER,
)
from playground.agent.links.netlink import attribute
from playground.model.kernel.bonds import BondPlan
from tests.support_agent import read_message

MAC = "02:00:00:00:00:01"
LINK_UP, LINK_DOWN = b"\0", b"\2"


@pytest.mark.parametrize(
    ("bond", "found"),
    [
        (
            BondPlan("b", "802.3ad", ("x",), spread_by="layer3+4"),
            {"IFLA_BOND_MODE": 4, "IFLA_BOND_XMIT_HASH_POLICY": 1, "IFLA_BOND_AD_LACP_RATE": 1},
        ),
        (BondPlan("b", "active-backup", ("x",)), {"IFLA_BOND_MODE": 1}),
    ],
)
def test_a_bond_is_made_as_it_was_said(bond: BondPlan, found: dict[str, int]) -> None:
    wanted = bond.request() | {"mtu_bytes": 1400, "mac": MAC}
    message = read_message(ifinfmsg, bonds.new_bond(wanted))
    assert (message.get_attr("IFLA_MTU"), message.get_attr("IFLA_ADDRESS")) == (1400, MAC)
    information = message.get_attr("IFLA_LINKINFO")
    assert information.get_attr("IFLA_INFO_KIND") == "bond"
    data = dict(information.get_attr("IFLA_INFO_DATA")["attrs"])
    assert data == found | {"IFLA_BOND_MIIMON": 50}


def bond(mode: int, aggregator: int = 1) -> dict[int, bytes]:
    info = attribute(bonds.IFLA_BOND_AD_INFO_AGGREGATOR, struct.pack("H", aggregator))
    info += attribute(bonds.IFLA_BOND_AD_INFO_PARTNER_MAC, bytes.fromhex(MAC.replace(":", "")))
    data = attribute(bonds.IFLA_BOND_MODE, bytes([mode]))
    data += attribute(bonds.IFLA_BOND_AD_INFO, info)
    return {IFLA_IFNAME: b"bond0\0", IFLA_LINKINFO: attribute(IFLA_INFO_DATA, data)}


def member(
    name: str, mii: bytes, state: bytes, aggregator: int = 1, partner: int = 0x3F
) -> dict[int, bytes]:
    data = attribute(bonds.IFLA_BOND_SLAVE_MII_STATUS, mii)
    data += attribute(bonds.IFLA_BOND_SLAVE_STATE, state)
    data += attribute(bonds.IFLA_BOND_SLAVE_LINK_FAILURE_COUNT, struct.pack("I", 3))
    data += attribute(bonds.IFLA_BOND_SLAVE_AD_AGGREGATOR_ID, struct.pack("H", aggregator))
    state_of_partner = struct.pack("H", partner)
    data += attribute(bonds.IFLA_BOND_SLAVE_AD_PARTNER_OPER_PORT_STATE, state_of_partner)
    return {
        IFLA_IFNAME: name.encode() + b"\0",
        IFLA_MASTER: struct.pack("I", 9),
        IFLA_LINKINFO: attribute(IFLA_INFO_SLAVE_DATA, data),
    }


def test_a_link_is_used_when_both_sides_of_lacp_say_so() -> None:
    links: dict[int, Any] = {
        9: bond(4),
        1: member("used", LINK_UP, b"\0"),
        2: member("alone", LINK_UP, b"\0", aggregator=2),
        3: member("unheard", LINK_UP, b"\0", partner=0x0F),
        4: member("down", LINK_DOWN, b"\0"),
        5: {IFLA_IFNAME: b"eth9\0"},
    }
    rows = bonds._members(links, "bond0")
    assert [(row["interface"], row["up"], row["active"]) for row in rows] == [
        ("used", True, True),
        ("alone", True, False),
        ("unheard", True, False),
        ("down", False, False),
    ]
    assert {(row["partner"], row["failures"]) for row in rows} == {(MAC, 3)}


def test_without_lacp_the_bond_says_which_link_is_active() -> None:
    links = {
        9: bond(1),
        1: member("one", LINK_UP, b"\1", partner=0),
        2: member("two", LINK_UP, b"\0"),
    }
    rows = bonds._members(links, "bond0")
    assert [(row["active"], row["partner"]) for row in rows] == [(False, None), (True, None)]
    with pytest.raises(OSError, match="there is no interface bond1"):
        bonds._members(links, "bond1")
