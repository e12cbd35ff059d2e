"""Parts of routers: each VRF as the router that it would be, had it the VRF's links alone.

Who computes routes, or tells daemons of neighbours, takes a part for a router among others.
What it shares with the whole router, such as the name, it hands on.

"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Any, TypeVar

from playground.model.addresses import InterfaceAddress
from playground.model.parts import End, LinkBase, NodeBase
from playground.model.records import dataclass
from playground.model.routing.bgp import BgpOptions
from playground.model.routing.isis import IsisOptions
from playground.model.routing.ospf import OspfArea
from playground.model.routing.protocols import Redistribute, dynamic
from playground.model.topology import Link, Machine, Router
from playground.model.vrfs import Vrf

M = TypeVar("M", bound=Machine)


@dataclass(frozen=True)
class RouterPart:
    """A VRF of a router, equal to another made of the same."""

    router: Router
    vrf: Vrf

    @property
    def name(self) -> str:
        return self.router.name

    @property
    def serial(self) -> int:
        return self.router.serial

    @property
    def links(self) -> Sequence[LinkBase]:
        return self.vrf.links

    @cached_property
    def attachments(self) -> list[Any]:
        """The links of the VRF, in the order of the router's."""
        return [link for link in self.router.attachments if link in self.vrf.links]

    @property
    def routing(self) -> str | None:
        return self.vrf.routing

    @property
    def protocols(self) -> tuple[str, ...]:
        return dynamic(self.vrf.routing)

    @property
    def as_number(self) -> int | None:
        return self.vrf.as_number or self.router.as_number

    @property
    def uplinks(self) -> tuple[LinkBase, ...]:
        """Links that it masquerades through: it has none, see `Router.vrf`."""
        return ()

    @property
    def loopback(self) -> tuple[InterfaceAddress, ...]:
        """The router's own are in its main table alone."""
        return ()

    @property
    def redistribute(self) -> Redistribute | None:
        return None

    @property
    def isis_links(self) -> Mapping[Any, Any]:
        return MappingProxyType({})

    @property
    def isis_router(self) -> IsisOptions:
        return IsisOptions()

    @property
    def ospf_links(self) -> Mapping[Any, Any]:
        return self.router.ospf_links

    @property
    def ospf_areas(self) -> Mapping[str, OspfArea]:
        return MappingProxyType({})

    @property
    def bgp_links(self) -> Mapping[Any, Any]:
        return self.router.bgp_links

    @property
    def bgp_peers(self) -> Mapping[Any, Any]:
        return self.router.bgp_peers

    @property
    def bgp_router(self) -> BgpOptions:
        return BgpOptions()


# Who speaks a routing protocol: a router in its main table, or one of its VRFs.
Speaker = Router | RouterPart


def parts_of(machine: NodeBase) -> Iterator[RouterPart]:
    """Yield the VRFs of a router, in the order declared; none of other nodes."""
    if isinstance(machine, Router):
        for vrf in machine.vrfs.values():
            yield RouterPart(machine, vrf)


def with_parts(machines: Iterable[M]) -> Iterator[M | RouterPart]:
    """Yield these nodes, each with its VRFs after it."""
    for machine in machines:
        yield machine
        yield from parts_of(machine)


def own_links(node: Machine | RouterPart) -> Sequence[Link]:
    """Return the links of a part, or those of a node that are in no VRF and no bridge of its."""
    if isinstance(node, RouterPart) or not isinstance(node, Router):
        return node.attachments
    if not node.vrfs and not node.vnis:
        return node.attachments
    apart = {link for vrf in node.vrfs.values() for link in vrf.links}
    apart |= {link for vni in node.vnis.values() for link in vni.links}
    return [link for link in node.attachments if link not in apart]


def whole(node: Machine | RouterPart) -> Machine:
    """Return the node that a part is of."""
    return node.router if isinstance(node, RouterPart) else node


def label(node: Machine | RouterPart) -> str:
    """Return a name that tells a router's parts apart.

    >>> label(RouterPart(pe, pe.vrfs["blue"]))
    'pe (blue)'

    """
    return f"{node.name} ({node.vrf.name})" if isinstance(node, RouterPart) else node.name


def end_of(link: LinkBase, node: Machine | RouterPart) -> End:
    """Return the end that a link has at a node."""
    return link.end(whole(node))


def part_at(end: End) -> Machine | RouterPart:
    """Return the node at an end of a link, or the VRF of it that the end is in."""
    for part in parts_of(end.node):
        if any(link.end(part.router) is end for link in part.attachments):
            return part
    node: Machine = end.node
    return node
