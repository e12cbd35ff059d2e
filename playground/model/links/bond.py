"""Bonds: links that are one, for more room or so that one may fail."""

from __future__ import annotations

from typing import Any

from playground.errors import TopologyError
from playground.model.arguments import is_choice, shown
from playground.model.kernel.bonds import (
    HASHES,
    LACP,
    MODES,
    ONE_SIDED,
    WITH_HASH,
    WITH_PRIMARY,
    BondSettings,
)
from playground.model.notation import kind_of
from playground.model.parts import NodeBase, SwitchBase
from playground.model.said_of_links import forget_links, said_of_links
from playground.model.topology import Far, Host, Link, Node, Router, Switch, refuse_in_use


class Bond(Link):
    """Several links between two nodes, made into one.

    It is a link like any other: it has what was said of the first of its ``links`` (addresses,
    subnet, VLANs, MTU), which from then on have no addresses of their own and carry what the
    bond gives them.  Each can be captured, impaired and pulled out by itself, and while one
    is left the bond carries on.

    ``mode`` is one of

    * "802.3ad": the two sides agree by LACP, once a second, on which links they both use; a
      hash of addresses chooses the link of each frame (IEEE 802.1AX);
    * "balance-xor": the same without a word between the two;
    * "balance-rr": each frame goes by the next link, and "broadcast": by all of them;
    * "active-backup": one link carries everything, another takes over when it fails;
    * "balance-tlb", "balance-alb": what is sent goes by all links; what comes in by one, or by
      all as the machine's answers to ARP say.

    In the first four modes both sides are bonds, and all links join the same two nodes, or lead
    by a switch each to another bond, whose LACP these switches pass on.  In the others a switch
    knows nothing of it, and links may lead to several switches of one network.

    ``spread_by`` is what the link of a frame is chosen by: "layer2" unless said, "layer2+3" with
    addresses of IP, "layer3+4" with ports, so that connections between two hosts are spread.
    ``primary`` is the link that carries everything as long as it can.  ``names`` are those of the
    bond's interfaces, (for a, for b); bond0, bond1 and so on, unless said.

    Raises `TopologyError` for what cannot be, and for links that run already or are another
    bond's.  Where the kernel lacks bonds, `Lab.start` says which module it needs.
    Source: Documentation/networking/bonding of the kernel.

    >>> Bond(Link(r1, r2, subnet="10.9.0.0/30"), Link(r1, r2), mode="802.3ad")
    Bond(Link(r1, r2, subnet='10.9.0.0/30'), Link(r1, r2), mode='802.3ad')
    >>> Bond(Link(h1, left), Link(h1, right), mode="active-backup")
    Bond(Link(h1, left), Link(h1, right), mode='active-backup')

    """

    def __init__(
        self,
        *links: Link,
        mode: str = LACP,
        spread_by: str | None = None,
        primary: Link | None = None,
        names: tuple[str | None, str | None] = (None, None),
    ) -> None:
        a, b = _check_links(links)
        here = f"bond {a.name} - {b.name}"
        _check_mode(here, links, a, mode)
        alone = mode in ONE_SIDED or len({link.peer(a).node for link in links}) > 1
        for link in links:
            _refuse_said(here, link, alone)
        self.members = links
        self._bond_settings = _check_settings(here, links, mode, spread_by, primary)
        first = links[0]
        carried = first.carried
        turned = first.ends[0].node is not a
        mtus = first.mtus[::-1] if turned else first.mtus
        super().__init__(
            a,
            b,
            names=names,
            mtu=mtus,
            offload=first.offload,
            vlan=None if carried.tags else carried.vlan,
            trunk=True if carried.all else carried.trunk or None,
            native=carried.vlan if carried.tags else None,
            service=carried.service,
        )
        self.subnets = first.subnets
        ends = first.ends[::-1] if turned else first.ends
        far = (
            *(
                Far(
                    end.addresses,
                    end.automatic,
                    {
                        number: Far(there.addresses, there.automatic, {}, there.unaddressed)
                        for number, part in first._parts.items()
                        for there in [part.end(end.node)]
                        if there.vlan is not None
                    },
                    end.unaddressed,
                )
                for end in ends
            ),
        )
        self._carry(self.carried, self.ends, (far[0], far[1]))
        for link in links:
            link._bond = self

    @property
    def mode(self) -> str:
        """The mode that was declared."""
        assert self._bond_settings is not None
        return self._bond_settings.mode

    def bonds_at(self, node: NodeBase) -> bool:
        """Tell whether a node has an interface for it; a switch need not know of it."""
        both = self.mode not in ONE_SIDED and not self._spreads
        return both or not isinstance(node, Switch)

    @property
    def _spreads(self) -> bool:
        """Whether its links lead to several switches."""
        return len({link.peer(self.ends[0].node).node for link in self.members}) > 1

    @property
    def passes_lacp(self) -> bool:
        """Whether its LACP is for another bond, which switches have to pass it on to."""
        return self._spreads and self.mode == LACP

    def is_port(self, switch: SwitchBase) -> bool:
        """Tell whether it is a port of a switch, and not its links."""
        return self.bonds_at(switch)

    def change(self, **wanted: Any) -> None:
        """Put it into another VLAN, or other ones: see `Link.change`."""
        if not all(self.bonds_at(end.node) for end in self.ends):
            raise TopologyError(
                f"{self!r}: its links are ports of switches that know of no bond; declare it anew "
                f"to move it to another VLAN"
            )
        super().change(**wanted)

    def __repr__(self) -> str:
        settings = self._bond_settings
        assert settings is not None
        parts = [*map(repr, self.members), f"mode={settings.mode!r}"]
        parts += [f"spread_by={settings.spread_by!r}"] if settings.spread_by else []
        if settings.primary is not None:
            parts.append(f"primary={self.members[settings.primary]!r}")
        a, b = self.ends
        parts += [f"names=({a.name!r}, {b.name!r})"] if a.name or b.name else []
        return f"Bond({', '.join(parts)})"


def _check_links(links: tuple[object, ...]) -> tuple[Node, Node]:
    """Return the node that all links have, and the other end of the first."""
    for link in links:
        if not isinstance(link, Link):
            raise TopologyError(
                f"a Bond is made of links, and {link!r} is {kind_of(link)}; write Bond(Link(h1, "
                f"s1), Link(h1, s1))"
            )
        if link.tunnel is not None or isinstance(link, Bond) or not _is_whole(link):
            raise TopologyError(f"a Bond is made of cables, and {link!r} is none of its own")
        if link.bond is not None:
            raise TopologyError(f"{link!r} is a link of a bond already; give each bond its own")
        if link.listener is not None:
            raise TopologyError(
                f"{link!r} runs already, with what it has said of itself; make new links for a "
                f"bond, or stop the lab first"
            )
    found = [link for link in links if isinstance(link, Link)]
    if len(found) < 2:
        raise TopologyError("a Bond is made of two links or more; give it another")
    if len(set(found)) < len(found):
        raise TopologyError("a Bond is made of different links, and one is named twice")
    common = [
        end.node
        for end in found[0].ends
        if all(any(end.node is one.node for one in link.ends) for link in found)
    ]
    machines = [node for node in common if isinstance(node, Host | Router)]
    if not common:
        raise TopologyError(
            "the links of a Bond have one node in common, whose interfaces it joins; these have "
            f"none: {', '.join(map(repr, found))}"
        )
    if len(common) == 2:
        a, b = common
        return a, b
    node = (machines or common)[0]
    return node, found[0].peer(node).node


def _refuse_said(here: str, link: Link, alone: bool) -> None:
    """Raise `TopologyError` where something was said of a link that would be for the bond.

    Where a machine bonds ``alone``, its links are ports of switches as they were.

    """
    for node in (end.node for end in link.ends):
        said = isinstance(node, Switch) and link in node.port_settings and not alone
        if isinstance(node, Router):
            known = said_of_links(node)
            forget_links(node, [link])
            said = said_of_links(node) != known
            vars(node).update(known)
        try:
            refuse_in_use(link)
        except TopologyError:
            said = True
        if said:
            raise TopologyError(
                f"{here}: {node.name} was told something of {link!r}, which would be for the bond; "
                f"make the bond first, and say it of that"
            )


def _is_whole(link: Link) -> bool:
    return link in link.ends[0].node.links


def _check_mode(here: str, links: tuple[Link, ...], a: Node, mode: object) -> None:
    if not is_choice(mode, MODES):
        known = ", ".join(f'"{name}"' for name in MODES)
        raise TopologyError(f"{here}: there is no mode {shown(mode)}; write one of {known}")
    peers = [link.peer(a).node for link in links]
    if mode not in ONE_SIDED:
        if len(set(peers)) > 1 and not all(isinstance(peer, Switch) for peer in peers):
            raise TopologyError(
                f"{here}: in mode {mode!r} both sides are bonds, and these links lead to "
                f"{' and '.join(peer.name for peer in dict.fromkeys(peers))}; link it to one of "
                f'them, or choose mode="active-backup"'
            )
    elif isinstance(a, Switch) and isinstance(peers[0], Switch):
        raise TopologyError(
            f"{here}: between switches mode {mode!r} would be a loop; choose mode={LACP!r}"
        )
    elif len(set(peers)) > 1 and not all(isinstance(peer, Switch) for peer in peers):
        raise TopologyError(
            f"{here}: links of one bond lead to one machine, or to switches of one network"
        )


def _check_settings(
    here: str, links: tuple[Link, ...], mode: str, spread_by: object, primary: object
) -> BondSettings:
    for link in links[1:]:
        if link.carried != links[0].carried:
            raise TopologyError(
                f"{here}: {links[0]!r} and {link!r} carry different VLANs; let all say the same"
            )
        if link.subnets or any(
            end.addresses or end.automatic or end.unaddressed for end in link.ends
        ):
            raise TopologyError(
                f"{here}: a bond has the addresses of its first link, and {link!r} has others; "
                f"say them of the first alone"
            )
        if sorted(link.mtus) != sorted(links[0].mtus):
            raise TopologyError(
                f"{here}: {links[0]!r} and {link!r} differ in their mtu; give both the same"
            )
    if spread_by is not None and not is_choice(spread_by, HASHES):
        known = ", ".join(f'"{name}"' for name in HASHES)
        raise TopologyError(f"{here}: there is no hash {shown(spread_by)}; write one of {known}")
    if spread_by is not None and mode not in WITH_HASH:
        raise TopologyError(
            f"{here}: in mode {mode!r} no hash chooses a link; leave spread_by= out, or choose "
            f"mode={LACP!r}"
        )
    if primary is not None and primary not in links:
        raise TopologyError(f"{here}: primary={primary!r} is none of its links")
    if primary is not None and mode not in WITH_PRIMARY:
        raise TopologyError(
            f"{here}: in mode {mode!r} all links carry frames; leave primary= out, or choose "
            f'mode="active-backup"'
        )
    number = None if primary is None else [link is primary for link in links].index(True)
    return BondSettings(mode, None if spread_by is None else str(spread_by), number)
