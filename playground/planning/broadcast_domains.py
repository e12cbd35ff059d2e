"""Broadcast domains of a plan: which interfaces and switches are one network.

What `addresses.segments` finds of declarations, found of a plan: wires, ports and
the VLANs that they carry.

"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property

from playground.model.vlans import PortPlan
from playground.planning.plan import Plan
from playground.planning.plan_parts import WireEnd, WirePlan

# A node's interface, or a switch and the number of a VLAN, "" for one without any.
Member = tuple[str, str]


def find_domains(plan: Plan, wires: Iterable[WirePlan] | None = None) -> list[list[Member]]:
    """Return what is one network, each in the order of the wires (all, or those given).

    >>> find_domains(plan)
    [[('office', '10'), ('h1', 'eth0'), ('gateway', 'eth0.10')], [('office', '20'), ...]]

    """
    groups: dict[Member, list[Member]] = {}
    for members in (*(members for _, members in joins(plan, wires)), *_bridged(plan)):
        one, other = (groups.setdefault(member, [member]) for member in members)
        if one is not other:
            one += other
            for member in other:
                groups[member] = one
    return list({id(group): group for group in groups.values()}.values())


def _bridged(plan: Plan) -> Iterator[tuple[Member, Member]]:
    """Yield pairs of interfaces that are ports of one VNI."""
    first: dict[int, Member] = {}
    for node in plan.nodes:
        for item in node.interfaces:
            if item.vni is not None:
                member = node.name, item.name
                yield first.setdefault(item.vni, member), member


def joins(
    plan: Plan, wires: Iterable[WirePlan] | None = None
) -> Iterator[tuple[WirePlan, tuple[Member, Member]]]:
    """Yield what each wire makes one network, its ends in order: a pair for each VLAN.

    A bond does, and none of its members.

    """
    look = _Look(plan)
    for wire in plan.wires if wires is None else wires:
        if wire.member:
            continue
        ports = look.port(wire.a), look.port(wire.b)
        if any(port and port.qinq for port in ports):
            yield from ((wire, pair) for pair in look.provided(wire, ports))
            continue
        trunk = next((port for port in ports if port and port.trunk), None)
        tags: tuple[int | None, ...] = trunk.trunk if trunk else (None,)
        if trunk and trunk.vlan is not None:
            tags = (None, *tags)
        for tag in tags:
            yield wire, (look.member(wire.a, ports[0], tag), look.member(wire.b, ports[1], tag))


class _Look:
    def __init__(self, plan: Plan) -> None:
        self._switches = plan.switch_names
        self._wires = plan.wires
        self._ports = ports_at(plan)
        self._tagged = {
            (node.name, item.parent, item.vlan): item.name
            for node in plan.nodes
            for item in node.interfaces
            if item.vlan is not None
        }

    def provided(
        self, wire: WirePlan, ports: tuple[PortPlan | None, PortPlan | None]
    ) -> Iterator[tuple[Member, Member]]:
        """Yield what a wire at a provider's switch joins: VLANs of its own, and those within."""
        ends = (wire.a, wire.b)
        service = next((port.vlan for port in ports if port and port.service), None)
        if service is None:
            [own] = [port for port in ports if port and port.qinq][:1]
            for vlan in (*([] if own.vlan is None else [own.vlan]), *own.trunk):
                one, other = (
                    self._own(end, port, vlan) for end, port in zip(ends, ports, strict=True)
                )
                yield one, other
                for inner in self._within.get(vlan, ()) if all(p and p.qinq for p in ports) else ():
                    yield (ends[0].node, f"{vlan}.{inner}"), (ends[1].node, f"{vlan}.{inner}")
            return
        plain = [self._own(end, port, service) for end, port in zip(ends, ports, strict=True)]
        customers = next((port for port in ports if port and not port.service), None)
        if customers is None or customers.vlan is not None:
            yield plain[0], plain[1]
        for inner in self._inner(wire, ports):
            pair = [
                (end.node, f"{service}.{inner}")
                if port and port.service
                else self.member(end, port, inner)
                for end, port in zip(ends, ports, strict=True)
            ]
            yield pair[0], pair[1]

    def _own(self, end: WireEnd, port: PortPlan | None, vlan: int) -> Member:
        """Return what is at an end without a customer's tag."""
        if port and port.qinq:
            return end.node, str(vlan)
        return self.member(end, port, None)

    def _inner(
        self, wire: WirePlan, ports: tuple[PortPlan | None, PortPlan | None]
    ) -> tuple[int, ...]:
        """Return the customer's tags that come in by a wire."""
        for end, port in zip((wire.a, wire.b), ports, strict=True):
            if port is not None and not port.service:
                return port.trunk
            if port is None:
                tags = (key[2] for key in self._tagged if key[:2] == (end.node, end.interface))
                return tuple(sorted(tags))
        return ()

    @cached_property
    def _within(self) -> dict[int, list[int]]:
        found: dict[int, dict[int, None]] = {}
        for wire in self._wires:
            ports = self.port(wire.a), self.port(wire.b)
            service = next((port.vlan for port in ports if port and port.service), None)
            if service is not None:
                found.setdefault(service, {}).update(dict.fromkeys(self._inner(wire, ports)))
        return {service: sorted(numbers) for service, numbers in found.items()}

    def port(self, end: WireEnd) -> PortPlan | None:
        return self._ports.get(end)

    def member(self, end: WireEnd, port: PortPlan | None, tag: int | None) -> Member:
        if end.node in self._switches:
            vlan = tag or (port.vlan if port else None)
            return end.node, "" if vlan is None else str(vlan)
        return end.node, end.interface if tag is None else self._tagged[
            end.node, end.interface, tag
        ]


def ports_at(plan: Plan) -> dict[WireEnd, PortPlan]:
    """Return the ports of switches with VLANs, by the ends of the wires that are in them."""
    return {
        WireEnd(switch.name, port.port): port for switch in plan.switches for port in switch.ports
    }


def vlan_subnets(plan: Plan) -> dict[str, list[str]]:
    """Return for each switch with VLANs these and their subnets."""
    networks = {
        (node.name, interface.name): [str(address.network) for address in interface.addresses]
        for node in plan.nodes
        for interface in node.interfaces
    }
    found: dict[tuple[str, str], list[str]] = {}
    for domain in find_domains(plan):
        subnets = dict.fromkeys(one for member in domain for one in networks.get(member, ()))
        found.update((member, list(subnets)) for member in domain)
    return {
        switch.name: [
            " ".join([f"{vlan}:", *found.get((switch.name, str(vlan)), ["-"])])
            for vlan in switch.vlans
        ]
        for switch in plan.switches
        if switch.vlans
    }
