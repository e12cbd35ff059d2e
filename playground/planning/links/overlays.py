"""Overlays of a plan: the bridges of routers that are one network by VXLAN with EVPN."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from playground.model.parts import LinkBase
from playground.model.topology import Machine, Router
from playground.planning.plan_parts import InterfacePlan, VniPlan

_MTU_BYTES = 1500


def ports_of_vnis(machine: Machine) -> Mapping[LinkBase, int]:
    """Return which links of a node are ports of which VNI."""
    if not isinstance(machine, Router):
        return {}
    return {link: vni.number for vni in machine.vnis.values() for link in vni.links}


def find_vnis(machine: Machine, interfaces: Iterable[InterfacePlan]) -> tuple[VniPlan, ...]:
    """Return the bridges of a node, each with the MTU of its ports."""
    if not isinstance(machine, Router) or not machine.vnis:
        return ()
    # `Router.vni` has seen to it that there is one.
    local = next(item.ip for item in machine.loopback if item.version == 4)
    ports = list(interfaces)
    return tuple(
        VniPlan(
            number,
            local,
            min((item.mtu_bytes for item in ports if item.vni == number), default=_MTU_BYTES),
        )
        for number in machine.vnis
    )
