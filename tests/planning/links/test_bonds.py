"""The ends of bonds in a plan."""

from __future__ import annotations

from playground.model.kernel.bonds import BondPlan
from playground.operations.network import Bond, Host, Link, Switch
from playground.planning.links.bonds import find_bond, switch_bonds


def test_each_side_that_bonds_has_its_members() -> None:
    switch, host = Switch("s"), Host("h")
    one, two = Link(switch, host), Link(switch, host)
    names = {one.end(host): "a", two.end(host): "b", one.end(switch): "p", two.end(switch): "q"}
    bond = Bond(one, two)
    names |= {bond.end(host): "bond0", bond.end(switch): "port"}
    assert find_bond(one, host, names) is None
    assert find_bond(bond, host, names) == BondPlan("bond0", "802.3ad", ("a", "b"))
    assert switch_bonds(switch, names) == (BondPlan("port", "802.3ad", ("p", "q")),)


def test_a_switch_has_none_where_one_side_bonds() -> None:
    switch, host = Switch("s"), Host("h")
    links = Link(switch, host), Link(switch, host)
    bond = Bond(*links, mode="balance-alb")
    names = {one.end(node): "x" for one in (*links, bond) for node in (switch, host)}
    assert find_bond(bond, switch, names) is None
    assert switch_bonds(switch, names) == ()
