"""Nobody sends a tunnel's own packets into a tunnel."""

from __future__ import annotations

from ipaddress import ip_address
from itertools import pairwise

from playground.model.links.tunnel import Tunnel
from playground.model.topology import Link, Router
from playground.planning.plan import Plan
from playground.planning.planner import make_plan


def chain(length: int) -> list[Router]:
    """A row of routers, the first and the last joined by a tunnel as well."""
    routers = [Router(f"r{number}") for number in range(length)]
    Tunnel(routers[0], routers[-1], kind="vxlan")
    for one, other in pairwise(routers):
        Link(one, other)
    return routers


def hops(plan: Plan, start: str, goal: str) -> list[str]:
    """Follow the routes of a plan to an address."""
    address, path = ip_address(goal), [start]
    owners = {str(i.ip): n.name for n in plan.nodes for f in n.interfaces for i in f.addresses}
    while owners[goal] != path[-1]:
        node = plan.node(path[-1])
        if any(address in i.network for f in node.interfaces for i in f.addresses):
            path.append(owners[goal])
            break
        best = max(
            (route for route in node.routes if address in route.destination),
            key=lambda route: route.destination.prefixlen,
        )
        path.append(owners[str(best.via)])
        assert len(path) < 20, path
    return path


def test_every_router_on_the_way_sends_to_the_endpoint_by_cable() -> None:
    routers = chain(7)
    plan = make_plan(routers)
    for first, last in ((0, 6), (6, 0)):
        end = plan.node(f"r{last}").interfaces[0].tunnel
        assert end is not None
        way = hops(plan, f"r{first}", str(end.local))
        step = 1 if first < last else -1
        assert way == [f"r{number}" for number in range(first, last + step, step)]


def test_without_tunnels_no_route_is_added() -> None:
    one, other = Router("one"), Router("other")
    Link(one, other)
    assert make_plan([one]).node("one").routes == ()
