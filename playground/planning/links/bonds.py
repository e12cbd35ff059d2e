"""Bonds of a plan: which interfaces each end is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from playground.errors import TopologyError
from playground.model.kernel.bonds import ONE_SIDED, BondPlan
from playground.model.parts import End, NodeBase
from playground.model.topology import Link, Switch, reached


def find_bond(link: Link, node: NodeBase, names: Mapping[End, str]) -> BondPlan | None:
    """Return the end that a link has at a node as a bond; None for what is none there.

    ``names`` are those of interfaces and ports, of the bond and its links.

    """
    said = link.bond_settings
    if said is None or link.end(node).vlan is not None or not link.bonds_at(node):
        return None
    members = tuple(names[member.end(node)] for member in link.members)
    primary = None if said.primary is None else members[said.primary]
    return BondPlan(names[link.end(node)], said.mode, members, said.spread_by, primary)


def switch_bonds(switch: Switch, names: Mapping[End, str]) -> tuple[BondPlan, ...]:
    """Return the ports of a switch that are bonds, in the order of its links."""
    found = (find_bond(link, switch, names) for link in switch.links)
    return tuple(bond for bond in found if bond is not None)


def check_bonds(links: Iterable[Link]) -> None:
    """Raise `TopologyError` for bonds over switches that do not fit together.

    Where both sides have to bond, another bond has links to the same switches; in other modes
    they are one network.

    """
    over: dict[tuple[str, frozenset[str]], list[Link]] = {}
    for link in links:
        if (said := link.bond_settings) is None:
            continue
        if said.mode in ONE_SIDED:
            _check_one_network(link)
            continue
        peers = frozenset(one.peer(link.ends[0].node).node.name for one in link.members)
        if len(peers) > 1:
            over.setdefault((said.mode, peers), []).append(link)
    for (mode, peers), bonds in over.items():
        if len(bonds) != 2:
            names = " and ".join(sorted(peers))
            others = "no other bond has" if len(bonds) == 1 else f"{len(bonds)} bonds have"
            raise TopologyError(
                f"{bonds[0]!r}: in mode {mode!r} both sides are bonds, and {others} a link to each "
                f'of {names}; link it to one of them, or choose mode="active-backup"'
            )


def _check_one_network(bond: Link) -> None:
    node = bond.ends[0].node
    peers = [member.peer(node).node for member in bond.members]
    switches = [peer for peer in peers if isinstance(peer, Switch)]
    if not switches:
        return
    vlan = (bond.vlan or bond.trunk[0]) if bond.carried else None
    network = {switch for switch, _ in reached((switches[0], vlan))}
    for switch in switches:
        if switch not in network:
            raise TopologyError(
                f"{bond!r}: {switches[0].name} and {switch.name} are two networks, and a bond is "
                f"in one; link the two switches"
            )
