"""Multicast of a plan: pimd's settings, from what routers were told.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address

from playground.errors import TopologyError
from playground.model.addresses import Address
from playground.model.routing.multicast import ForwardingGroups
from playground.model.services.frr import PIM
from playground.model.topology import Machine, Router
from playground.planning.addresses.addressing import Addressing
from playground.planning.plan_parts import LOOPBACK, InterfacePlan


def pim_services(
    machine: Machine, interfaces: Sequence[InterfacePlan], addressing: Addressing
) -> tuple[PIM, ...]:
    """Return the daemon that forwards multicast, none where there is nothing to be forwarded.

    Raises `TopologyError` where the rendezvous point has no address of IPv4.

    """
    if not isinstance(machine, Router) or machine.groups is None:
        return ()
    said = machine.groups.rendezvous_point
    point = _address(machine, said, addressing) if isinstance(said, Router) else said
    assert point is None or isinstance(point, IPv4Address)
    names = [
        item.name
        for item in interfaces
        if item.name == LOOPBACK or any(own.version == 4 for own in item.addresses)
    ]
    return (PIM(pim_settings(names, point), from_lab=True),)


def pim_settings(interfaces: Iterable[str], rendezvous_point: Address | None) -> str:
    """Return pimd's settings; greetings are sent each second, where 30 s are usual."""
    lines = []
    if rendezvous_point is not None:
        lines += ["router pim", f" rp {rendezvous_point} 224.0.0.0/4", "exit"]
    for name in interfaces:
        lines += [f"interface {name}", " ip pim"]
        if name != LOOPBACK:
            # RFC 7761 section 4.11: a neighbour is silent for three and a half greetings.
            lines += [" ip pim hello 1 4", " ip igmp"]
        lines.append("exit")
    return "\n".join(lines) + "\n"


def _address(machine: Machine, point: Router, addressing: Addressing) -> Address:
    own: list[Address] = [item.ip for item in point.loopback if item.version == 4]
    for link in point.attachments:
        own += [item.ip for item in addressing.of(link.end(point), 4)]
    if not own:
        raise TopologyError(
            f"router {machine.name}: multicast(): {point.name}, its rendezvous point, has no "
            f"address of IPv4; give it one, or name another router"
        )
    if not isinstance(point, ForwardingGroups) or point.groups is None:
        raise TopologyError(
            f"router {machine.name}: multicast(): {point.name}, its rendezvous point, forwards no "
            f"multicast itself; say {point.name}.multicast(rendezvous_point={point.name}) too"
        )
    return own[0]
