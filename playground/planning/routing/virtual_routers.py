"""Virtual routers of a plan: who shares which address, and keepalived's settings for it.

Pure functions from what routers were told, with the addresses that the plan has for them.

"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_interface

from playground.errors import TopologyError
from playground.model.addresses import Address
from playground.model.parts import End
from playground.model.services.routing.keepalived import VirtualRouters
from playground.model.topology import Machine, Router
from playground.planning.addresses.addressing import Addressing
from playground.planning.addresses.router_parts import own_links
from playground.planning.addresses.segments import Segment
from playground.planning.plan import NodePlan, Plan
from playground.planning.plan_parts import RoutePlan, VirtualRouterPlan

# A virtual router of one network: its segment, its number, and the version of IP.
_Group = tuple[Segment, int, int]


def find_virtual_routers(
    machines: Iterable[Machine],
    addressing: Addressing,
    segment_of: Mapping[End, Segment],
    names: Mapping[End, str],
) -> dict[Machine, tuple[VirtualRouterPlan, ...]]:
    """Return the virtual routers that each router has a part in.

    Raises `TopologyError` where an address is not one of its network, somebody has it, or the
    routers of a group say different ones.

    """
    found: dict[Machine, list[VirtualRouterPlan]] = {}
    said: dict[_Group, tuple[Router, Address]] = {}
    for router in machines:
        if not isinstance(router, Router):
            continue
        for one in router.virtual_routers:
            end = one.link.end(router)
            segment, version = segment_of[end], one.address.version
            network = addressing.subnets.get((segment, version))
            here = f"router {router.name}: vrrp() on {segment.name}"
            if network is None or one.address not in network:
                raise TopologyError(
                    f"{here}: {one.address} does not lie in its network, {network}; choose an "
                    f"address of it that nobody has"
                )
            for other in segment.ends:
                if any(own.ip == one.address for own in addressing.addresses.get(other, ())):
                    raise TopologyError(
                        f"{here}: {one.address} is the address of {other.node.name} itself; "
                        f"choose one that nobody has"
                    )
            first, address = said.setdefault((segment, one.group, version), (router, one.address))
            if address != one.address:
                raise TopologyError(
                    f"{here}: group {one.group} shares {one.address}, and {first.name} says "
                    f"{address}; let all of a group say the same, or give one another group="
                )
            found.setdefault(router, []).append(
                VirtualRouterPlan(
                    names[end],
                    one.group,
                    ip_interface(f"{one.address}/{network.prefixlen}"),
                    one.priority,
                    one.preempt,
                    one.preempt_delay_s,
                    one.interval_ms,
                    tuple((names[link.end(router)], less) for link, less in one.track),
                )
            )
    return {router: tuple(own) for router, own in found.items()}


def through_virtual(
    routes: Mapping[Machine, tuple[RoutePlan, ...]],
    addressing: Addressing,
    segment_of: Mapping[End, Segment],
) -> dict[Machine, tuple[RoutePlan, ...]]:
    """Return routes that lead by a shared address where they led by a router that shares it.

    Of several groups by the one in which that router has its highest priority.  Those who share
    the address go on as they did.

    """
    shared: dict[tuple[Segment, Address], tuple[int, Address]] = {}
    sharing: dict[Segment, set[Machine]] = {}
    for router in routes:
        for one in router.virtual_routers if isinstance(router, Router) else ():
            end = one.link.end(router)
            sharing.setdefault(segment_of[end], set()).add(router)
            for own in addressing.of(end, one.address.version):
                known = shared.get((segment_of[end], own.ip), (0, one.address))
                best = max(known, (one.priority, one.address), key=lambda pair: pair[0])
                shared[segment_of[end], own.ip] = best
    if not shared:
        return dict(routes)
    found = {}
    for machine, own_routes in routes.items():
        segments = [
            segment_of[link.end(machine)]
            for link in own_links(machine)
            if machine not in sharing.get(segment_of[link.end(machine)], ())
        ]
        instead = {
            via: virtual for (segment, via), (_, virtual) in shared.items() if segment in segments
        }
        found[machine] = tuple(
            dataclasses.replace(route, via=instead[route.via]) if route.via in instead else route
            for route in own_routes
        )
    return found


def services_of(plans: Sequence[VirtualRouterPlan], router: str) -> tuple[VirtualRouters, ...]:
    """Return the daemon that shares addresses, none where there are none."""
    return (VirtualRouters(keepalived_text(plans, router)),) if plans else ()


def keepalived_text(plans: Sequence[VirtualRouterPlan], router: str) -> str:
    """Return keepalived's settings (keepalived.conf(5))."""
    lines = [
        "global_defs {",
        f"    router_id {router}",
        "    vrrp_version 3",
        # Once more after a second, for those who have missed the first.
        "    vrrp_garp_master_delay 1",
        "}",
    ]
    for one in plans:
        version = one.address.version
        lines += [
            f"vrrp_instance {one.interface}-{one.group}-ipv{version} {{",
            f"    interface {one.interface}",
            "    state BACKUP",
            f"    virtual_router_id {one.group}",
            f"    priority {one.priority}",
            f"    advert_int {one.interval_ms / 1000:g}",
        ]
        if not one.preempt:
            lines.append("    nopreempt")
        elif one.preempt_delay_s:
            lines.append(f"    preempt_delay {one.preempt_delay_s:g}")
        if one.track:
            weights = (f" weight -{less}" if less else "" for _, less in one.track)
            names = (name for name, _ in one.track)
            lines += [
                "    track_interface {",
                *(f"        {name}{weight}" for name, weight in zip(names, weights, strict=True)),
                "    }",
            ]
        # RFC 5798 section 5.2.9: the first address of IPv6 is a link-local one.
        first = [f"        fe80::{one.group:x}/64"] if version == 6 else []
        lines += ["    virtual_ipaddress {", *first, f"        {one.address}", "    }", "}"]
    return "\n".join(lines) + "\n"


def refuse_late(previous: Plan | None, nodes: Iterable[NodePlan]) -> None:
    """Refuse the first virtual router of a router that runs: its image has no keepalived."""
    running = {node.name: node for node in previous.nodes} if previous else {}
    for node in nodes:
        was = running.get(node.name)
        if node.virtual_routers and was is not None and "keepalived" not in was.daemons:
            raise TopologyError(
                f"{node.name} runs already, and was started without keepalived, by which it would "
                f"share an address: stop the lab, say {node.name}.vrrp(...) and start it again"
            )
