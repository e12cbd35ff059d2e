"""Routes and policy rules that were said by hand, as the plan has them.

Pure functions from declarations and addresses: gateways become addresses on
interfaces, links become interfaces.

"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_network
from typing import Any

from playground.errors import TopologyError
from playground.model.addresses import Address, Network
from playground.model.parts import End, LinkBase, MachineBase
from playground.model.policy_routing import OwnRoute, OwnRule
from playground.model.topology import Machine
from playground.planning.addresses.addressing import Addressing
from playground.planning.addresses.nat_realms import Realms
from playground.planning.addresses.router_parts import own_links, parts_of
from playground.planning.plan_parts import HopPlan, OwnRoutePlan, OwnRulePlan

_MAIN = 254


def find_own_routes(
    machine: Machine, realms: Realms, addressing: Addressing, names: Mapping[End, str]
) -> tuple[OwnRoutePlan, ...]:
    """Return a node's routes by hand, in the order in which they can be added.

    Raises `TopologyError` where a gateway is not on one of the node's links.

    """
    finder = _Finder(machine, realms, addressing, names)
    found = [
        OwnRoutePlan(
            route.destination,
            tuple(finder.hops(route)),
            route.metric,
            route.kind,
            _MAIN if route.table is None else route.table,
        )
        for route in machine.own_routes
    ]
    # A gateway may be reached by a route of its own that is on the link itself.
    return tuple(sorted(found, key=lambda item: any(hop.via for hop in item.hops)))


def find_own_rules(
    machine: Machine, addressing: Addressing, names: Mapping[End, str]
) -> tuple[OwnRulePlan, ...]:
    """Return a node's policy rules; one without addresses is a rule of each family.

    Raises `TopologyError` where a rule names a node that has no addresses here.

    """
    ends = [link.end(machine) for link in machine.attachments]
    versions: set[int] = {a.version for end in ends for a in addressing.addresses.get(end, ())}
    spoken = sorted(versions) or [4]
    return tuple(
        OwnRulePlan(
            family,
            rule.priority,
            source,
            destination,
            names[rule.link.end(machine)] if rule.link else None,
            rule.mark,
            rule.table,
        )
        for rule in machine.own_rules
        for source in _ranges(rule, rule.source, addressing)
        for destination in _ranges(rule, rule.destination, addressing)
        for family in _families(source, destination, spoken)
    )


def _ranges(rule: OwnRule, item: Any, addressing: Addressing) -> list[Network | None]:
    if not isinstance(item, Machine):
        return [item]
    ends = [link.end(item) for link in item.attachments]
    found = [address for end in ends for address in addressing.addresses.get(end, ())]
    found += item.loopback if found else ()
    if not found:
        raise TopologyError(
            f"{rule.node.name}: policy rule for table {rule.table} names {item.name}, which has no "
            "address in this lab; link it to the others"
        )
    return list(dict.fromkeys(ip_network(address.ip) for address in found))


def _families(source: Network | None, destination: Network | None, spoken: list[int]) -> list[int]:
    """Return the families of one rule; none where it would be of two, which no packet is."""
    said = {item.version for item in (source, destination) if item is not None}
    return list(said) if len(said) == 1 else [] if said else spoken


class _Finder:
    def __init__(
        self, machine: Machine, realms: Realms, addressing: Addressing, names: Mapping[End, str]
    ) -> None:
        self.machine = machine
        self.realms = realms
        self.addressing = addressing
        self.names = names

    def hops(self, route: OwnRoute) -> Iterator[HopPlan]:
        family = route.destination.version
        if not route.via and route.link:
            yield HopPlan(None, self.names[route.link.end(self.machine)])
        for via in route.via:
            # RFC 8950: IPv4 goes over an IPv6 next hop too, where there is no other.
            families: list[int] = [family, 6] if isinstance(via, MachineBase) else [via.version]
            found = next(filter(None, (self._next(route, via, one) for one in families)), None)
            if found is None:
                raise self._refusal(route, via, families)
            yield HopPlan(found[0], self.names[found[1].end(self.machine)])

    def _next(
        self, route: OwnRoute, via: Address | MachineBase, family: int
    ) -> tuple[Address, LinkBase] | None:
        for link in self._links(route):
            segment = self.realms.segment_of[link.end(self.machine)]
            for end in segment.ends:
                if end.node is self.machine:
                    continue
                addresses = [item.ip for item in self.addressing.of(end, family)]
                if isinstance(via, MachineBase):
                    if end.node is via and addresses:
                        return addresses[0], link
                elif via in addresses:
                    return via, link
            subnet = self.addressing.subnets.get((segment, family))
            # Nobody has the address yet, but somebody may take it.
            if not isinstance(via, MachineBase) and subnet is not None and via in subnet:
                return via, link
        if route.link and not isinstance(via, MachineBase):
            return via, route.link
        return None

    def _links(self, route: OwnRoute) -> Sequence[LinkBase]:
        """Return the links by which a route may lead: those of a VRF's table are the VRF's."""
        if route.link:
            return [route.link]
        for part in parts_of(self.machine):
            if part.vrf.table == route.table:
                return part.attachments
        return own_links(self.machine)

    def _refusal(
        self, route: OwnRoute, via: Address | MachineBase, families: list[int]
    ) -> TopologyError:
        called = via.name if isinstance(via, MachineBase) else str(via)
        return TopologyError(
            f"{self.machine.name}: the route to {route.destination} leads to {called}, which has "
            f"no IPv{families[0]} address on a link of {self.machine.name}; give a gateway next "
            f"to it, or say by which link= it is reached"
        )
