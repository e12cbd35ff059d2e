"""Programs and devices that nodes need for the links they are at."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from playground.errors import TopologyError
from playground.model.containers.capabilities import TUN
from playground.model.containers.container import ContainerSettings
from playground.model.services.links.wireguard import WireGuard
from playground.model.services.settings import ServiceSettings
from playground.planning.plan import Plan
from playground.planning.plan_parts import InterfacePlan


def with_wireguard(services: Sequence[ServiceSettings]) -> tuple[ServiceSettings, ...]:
    """Return a node's services with WireGuard's programs, which may be declared already."""
    if any(isinstance(item, WireGuard) for item in services):
        return tuple(services)
    return (*services, WireGuard())


def with_tun(
    container: ContainerSettings, interfaces: Iterable[InterfacePlan]
) -> ContainerSettings:
    """Return the settings of a node's container with /dev/net/tun, where a link needs that."""
    needed = any(item.tunnel and item.tunnel.kind == "wireguard" for item in interfaces)
    if not needed or TUN in container.devices:
        return container
    return dataclasses.replace(container, devices=(*container.devices, TUN))


def refuse_late_programs(previous: Plan | None, plan: Plan) -> None:
    """Raise `TopologyError` where a node that runs would need programs that its image lacks."""
    running = {node.name: node.daemons for node in previous.nodes} if previous else {}
    for node in plan.nodes:
        if "wireguard" in node.daemons and "wireguard" not in running.get(node.name, node.daemons):
            raise TopologyError(
                f"{node.name} runs already, without the programs of WireGuard, which come with its "
                f'image: declare it with services=["wireguard"] and tun=True, or stop the lab and '
                f"start it again"
            )
