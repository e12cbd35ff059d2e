"""VRFs of a plan: tables of a router's own, and what the router's kernel is told for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from playground.errors import TopologyError
from playground.model.parts import LinkBase
from playground.model.policy_routing import sysctl_key
from playground.model.topology import Machine, Router
from playground.planning.plan_parts import InterfacePlan, VrfPlan

# Sockets that are bound to no interface hear what comes in by a VRF's, and answer there
# (Documentation/networking/vrf): so do a router's services in all of its VRFs.
_SETTINGS = {
    "net.ipv4.tcp_l3mdev_accept": "1",
    "net.ipv4.udp_l3mdev_accept": "1",
    "net.ipv4.raw_l3mdev_accept": "1",
}


def find_vrfs(
    machine: Machine, as_numbers: Mapping[str, int]
) -> tuple[tuple[VrfPlan, ...], Mapping[LinkBase, str]]:
    """Return the VRFs of a node, in the order declared, and which of its links is in which.

    ``as_numbers`` are those of the VRFs that speak BGP.

    """
    if not isinstance(machine, Router):
        return (), {}
    vrfs = machine.vrfs.values()
    return (
        tuple(VrfPlan(vrf.name, vrf.table, as_numbers.get(vrf.name)) for vrf in vrfs),
        {link: vrf.name for vrf in vrfs for link in vrf.links},
    )


def refuse_taken_names(
    node: str, vrfs: Iterable[VrfPlan], interfaces: Iterable[InterfacePlan]
) -> None:
    """Raise `TopologyError` where a VRF, which is an interface too, is called as another one."""
    names = {item.name for item in interfaces}
    for vrf in vrfs:
        if vrf.name in names:
            raise TopologyError(
                f"router {node}: the VRF {vrf.name} is called as an interface of {node} is; give "
                f"the VRF another name"
            )


def vrf_settings(machine: Machine, ipv6: bool) -> Mapping[str, str]:
    """Return the sysctls of a node with VRFs; none for others."""
    names = list(machine.vrfs)
    found = {sysctl_key("net", "ipv4", "conf", name, "rp_filter"): "0" for name in names}
    if ipv6:
        found |= {sysctl_key("net", "ipv6", "conf", name, "disable_ipv6"): "0" for name in names}
    return found | _SETTINGS if names else {}
