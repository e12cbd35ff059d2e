"""Labels of MPLS as they are declared: the links by which a router takes and gives them."""

from __future__ import annotations

from collections.abc import Iterable

from playground.errors import TopologyError
from playground.model.addresses import InterfaceAddress
from playground.model.arguments import is_list, shown
from playground.model.parts import LinkBase, MachineBase, taken_or_undone

# Protocols that find the ways on which labels are laid.
_BENEATH = ("ospf", "isis", "rip")


class SwitchingLabels(MachineBase):
    """The part of a `Router` that switches by labels; ``mpls_links`` are the links for it."""

    protocols: tuple[str, ...]
    loopback: tuple[InterfaceAddress, ...]
    mpls_links: tuple[LinkBase, ...]

    def mpls(self, links: LinkBase | Iterable[LinkBase]) -> None:
        """Let packets travel by labels on these links: MPLS, told of by LDP.

        Each router gives every network that it has a way to a label, and tells its neighbours
        on ``links``.  Who sends puts the next router's label before the packet; that one looks
        at the label alone, changes it for the next router's, and the last but one takes it
        off.  Ways are those of the router's own protocol, "ospf", "isis" or "rip", which it has
        to speak; and it needs a loopback address of IPv4, by which neighbours know it.

        Say it of all routers on the way; ``labels()`` of each shows what was told.  Saying it
        again replaces the links, with ``()`` there are none; in a lab that runs it is done at
        once.  Raises `TopologyError` for a link that is not the router's, or where one of the
        two is missing.  Where the kernel has no MPLS, `Lab.start` says so before anything is
        made.

        Sources: RFC 3031 (MPLS), RFC 5036 (LDP).

        >>> for router in (r1, r2, r3):
        ...     router.mpls(router.links)

        """
        here = f"router {self.name}: mpls()"
        taken = [links] if isinstance(links, LinkBase) else links
        if not is_list(taken):
            raise TopologyError(f"{here}: links={shown(links)} is no list of links of {self.name}")
        for link in taken:
            self._check_own(link, "mpls")
        found = tuple(dict.fromkeys(taken))
        known = any(item.version == 4 for item in self.loopback)
        if found and not (known and {*self.protocols} & {*_BENEATH}):
            raise TopologyError(
                f"{here}: labels are laid along ways that a protocol inside of a network finds, "
                f"between routers known by an address that is always there; declare it with "
                f'Router({self.name!r}, routing="ospf", loopback="10.10.10.1/32")'
            )
        before = self.mpls_links

        def undo() -> None:
            self.mpls_links = before

        with taken_or_undone(self.listener, undo):
            self.mpls_links = found
