"""Overlays as they are declared: one network behind several routers, by VXLAN with EVPN."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from playground.errors import TopologyError
from playground.model.arguments import is_list, is_whole, shown
from playground.model.parts import LinkBase, taken_or_undone
from playground.model.records import dataclass
from playground.model.vrfs import KeepingApart


@dataclass(frozen=True, eq=False)
class Vni:
    """A network that several routers have a part of; ``links`` lead to one's; see `Router.vni`."""

    number: int
    router: Bridging
    links: tuple[LinkBase, ...]

    def remove(self) -> None:
        """Take the router out of that network; at once if the lab runs, a second time nothing."""
        left = {number: one for number, one in self.router.vnis.items() if number != self.number}
        if len(left) < len(self.router.vnis):
            self.router.bridge(left)

    def __repr__(self) -> str:
        return f"<Vni {self.number} of {self.router.name}: {len(self.links)} links>"


class Bridging(KeepingApart):
    """The part of a `Router` that joins networks of several routers; ``vnis`` has each `Vni`."""

    vnis: Mapping[int, Vni]

    def vni(self, number: int, links: LinkBase | Iterable[LinkBase]) -> Vni:
        """Make one network of what is behind these links, and behind others' of the same number.

        The router becomes a leaf of a data centre's network: ``links``, to hosts or to a
        switch, are ports of a bridge in it, whose frames travel to the other leaves in UDP
        (VXLAN, RFC 7348).  Leaves tell each other by BGP which MAC addresses are behind them
        (EVPN), so that no frame has to be sent to all only to find one.  The hosts are in one
        subnet, as at one switch; which one, a switch among them may say.

        ``number`` is the network's, from 1 to 16777215.  The router speaks BGP
        (``routing="bgp"``) and has a loopback address of IPv4, from which its packets leave;
        other BGP routers of the lab hand on what leaves tell.  It has no address on the links
        itself.  A full frame is 50 bytes longer in VXLAN than links of 1500 bytes carry: hosts
        learn so by path MTU discovery, unless the links between leaves have ``mtu=1550``.

        Saying it again replaces the links of that number.  Raises `TopologyError` for a link
        that is not the router's, is in a VRF or another VNI, or has an address at it.

        Sources: RFC 8365 section 5 (VXLAN), RFC 7432 section 7.2 (EVPN).

        >>> leaf1.vni(100, [Link(leaf1, h1), Link(leaf1, h2)])
        <Vni 100 of leaf1: 2 links>

        """
        here = f"router {self.name}: vni({shown(number)})"
        if not is_whole(number, 1, 2**24 - 1):
            raise TopologyError(f"{here}: a VNI is a number from 1 to 16777215 (RFC 7348)")
        taken = [links] if isinstance(links, LinkBase) else links
        if not is_list(taken):
            raise TopologyError(f"{here}: links={shown(links)} is no list of links of {self.name}")
        self._refuse_without_bgp(here)
        for link in taken:
            self._check_own(link, "vni")
            self._refuse_as_port(here, number, link)
        found = tuple(dict.fromkeys(taken))
        made = Vni(int(number), self, found)
        self.bridge({**self.vnis, made.number: made})
        return made

    def bridge(self, vnis: Mapping[int, Vni]) -> None:
        """Change the router's VNIs, and do it if the lab runs; else all stays as it was."""
        if not isinstance(vnis, Mapping) or not all(isinstance(v, Vni) for v in vnis.values()):
            raise TopologyError(
                f"router {self.name}: bridge() takes its VNIs by their numbers; use vni()"
            )
        before = self.vnis

        def undo() -> None:
            self.vnis = before

        with taken_or_undone(self.listener, undo):
            self.vnis = MappingProxyType(dict(sorted(vnis.items())))

    def _check_own(self, link: object, what: str) -> None:
        super()._check_own(link, what)
        number = next((vni.number for vni in self.vnis.values() if link in vni.links), None)
        if number is not None and what != "vni":
            raise TopologyError(
                f"router {self.name}: {link!r} is a port of VNI {number}, where {what}() means "
                f"nothing; use another link, or take it out there first"
            )

    def _refuse_without_bgp(self, here: str) -> None:
        routing = getattr(self, "routing", None)
        loopback = getattr(self, "loopback", ())
        if routing != "bgp" or not any(item.version == 4 for item in loopback):
            raise TopologyError(
                f"{here}: leaves tell each other by BGP what is behind them, and send from an "
                f"address that is always there; declare it with "
                f'Router({self.name!r}, routing="bgp", loopback="10.10.10.1/32")'
            )

    def _refuse_as_port(self, here: str, number: int, link: LinkBase) -> None:
        for other in self.vnis.values():
            if other.number != number and link in other.links:
                raise TopologyError(f"{here}: {link!r} is in VNI {other.number} already")
        if any(link in vrf.links for vrf in self.vrfs.values()):
            raise TopologyError(f"{here}: {link!r} is in a VRF; take it out there first")
        end = link.end(self)
        if end.addresses or end.automatic:
            raise TopologyError(
                f"{here}: {link!r} gives {self.name} an address, and a port of a bridge has none; "
                f"leave it out there"
            )
        if end.vlan is not None or any(item.link is link for item in self.nat):
            raise TopologyError(
                f"{here}: {link!r} is no plain cable of {self.name}'s: it is a VLAN of a trunk, or "
                f"translated; use another"
            )
