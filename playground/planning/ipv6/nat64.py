"""NAT64 of a plan: what the translator of a router is told, and the device that it needs.  Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Container, Sequence

from playground.errors import TopologyError
from playground.model.addresses import Network
from playground.model.containers.container import ContainerSettings
from playground.model.services.ipv6.nat64 import DNS64, Tayga
from playground.model.topology import Machine, Router
from playground.planning.addresses.addressing import Addressing
from playground.planning.plan_parts import NAT64_INTERFACE

_DEVICE = "/dev/net/tun"

# tayga.conf(5); its own address answers for it, as that of a router on the way.
_CONFIGURATION = """\
tun-device {interface}
ipv4-addr {own}
prefix {prefix}
dynamic-pool {pool}
"""


def translator(machine: Machine, addressing: Addressing) -> tuple[Tayga, ...]:
    """Return the service that translates for a router, none where nobody said so.

    Raises `TopologyError` where its addresses are those of a network.

    """
    said = machine.translated64 if isinstance(machine, Router) else None
    if said is None:
        return ()
    for network in (said.pool, said.prefix):
        for (segment, _), subnet in addressing.subnets.items():
            if subnet is not None and _meet(subnet, network):
                what = "pool" if network is said.pool else "prefix"
                raise TopologyError(
                    f"router {machine.name}: nat64() takes {network}, and {segment.name} is "
                    f"{subnet}; choose another with {what}="
                )
    text = _CONFIGURATION.format(
        interface=NAT64_INTERFACE, own=said.pool[1], prefix=said.prefix, pool=said.pool
    )
    return (Tayga(text, str(said.pool), str(said.prefix)),)


def translating_servers(
    machines: Sequence[Machine],
    addressing: Addressing,
    seen: Callable[[Machine], Container[Machine]],
) -> dict[Machine, tuple[Machine, ...]]:
    """Return the hosts with `DNS64` and an IPv6 address that each machine sees; {} without any."""
    with_ipv6 = {
        end.node
        for end, items in addressing.addresses.items()
        if any(item.version == 6 for item in items)
    }
    servers = [
        machine
        for machine in machines
        if machine in with_ipv6
        and any(isinstance(settings, DNS64) for settings in machine.declared_services)
    ]
    if not servers:
        return {}
    return {
        machine: tuple(server for server in servers if server is machine or server in seen(machine))
        for machine in machines
    }


def _meet(one: Network, other: Network) -> bool:
    return one.version == other.version and one.overlaps(other)


def container_of(machine: Machine) -> ContainerSettings:
    """Return what was said of a node's container, with the device that a translator needs."""
    container = machine.container
    if not isinstance(machine, Router) or machine.translated64 is None:
        return container
    devices = dict.fromkeys((*container.devices, _DEVICE))
    return dataclasses.replace(container, devices=tuple(devices))
