"""Bonds as the agent and a shell take them."""

from __future__ import annotations

import pytest

from playground.model.kernel.bonds import HASHES, MODES, BondPlan


@pytest.mark.parametrize(
    ("bond", "words"),
    [
        (BondPlan("b", "802.3ad", ("x",)), "mode 802.3ad miimon 50 lacp_rate fast"),
        (
            BondPlan("b", "balance-xor", ("x",), spread_by="layer2+3"),
            "mode balance-xor miimon 50 xmit_hash_policy layer2+3",
        ),
        (BondPlan("b", "broadcast", ("x",)), "mode broadcast miimon 50"),
    ],
)
def test_a_shell_makes_a_bond_and_then_takes_its_members(bond: BondPlan, words: str) -> None:
    assert list(bond.as_shell(1400)) == [
        f"ip link add b mtu 1400 type bond {words}",
        "ip link set dev x down",
        "ip link set dev x master b",
        "ip link set dev b up",
    ]


def test_the_agent_gets_numbers() -> None:
    bond = BondPlan("b", "active-backup", ("x", "y"), primary="y")
    assert bond.request() == {
        "name": "b",
        "mode": 1,
        "members": ["x", "y"],
        "hash": None,
        "primary": "y",
        "miimon_ms": 50,
        "lacp": False,
    }
    assert "ip link set dev b type bond primary y" in list(bond.as_shell())
    # linux/if_bonding.h
    assert (sorted(MODES.values()), sorted(HASHES.values())) == ([*range(7)], [0, 1, 2])
