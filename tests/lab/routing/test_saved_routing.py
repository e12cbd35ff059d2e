"""What routers were told of their protocols comes back as it was said."""

from __future__ import annotations

import json

from playground.lab.routing.saved_routing import (
    declare_routing,
    redistribution,
    redistribution_data,
    routing_data,
)
from playground.model.routing.multicast import Multicast
from playground.model.routing.policy import Deny, Permit, PrefixList, RouteMap
from playground.operations.network import Link, Router


def network() -> tuple[list[Router], list[Link]]:
    a, b = Router("a", routing="ospf", redistribute={"static": None}), Router("b", routing="ospf")
    c, d = Router("c", routing=("bgp", "isis")), Router("d", routing="bgp")
    return [a, b, c, d], [Link(a, b), Link(c, d)]


def test_all_that_can_be_said_is_saved() -> None:
    routers, links = network()
    a, _, c, d = routers
    a.ospf(links[0], cost=5, area=1, priority=0, password="secret", hello_s=2, bfd_ms=50)
    shown = PrefixList("shown", "deny 10.1.9.0/24", "10.1.0.0/16 le 24")
    a.ospf_area(1, kind="nssa", ranges=["10.1.0.0/16"], send=shown, default_cost=9)
    c.isis(links[1], metric=7, level=1, password="secret", hello_multiplier=4)
    c.isis_options(area="49.0007", level=1, password="all", overload=True)
    c.bgp(links[1], announce=True)
    policy = RouteMap(
        "some",
        Deny(prefixes=shown, community=["1:1", "no-export"]),
        Permit(prefixes="10.0.0.0/8", as_path="^2_", set_local_preference=9, prepend=2),
    )
    c.bgp_peer(d, receive=policy, send=shown, default=policy, hold_s=9, allow_own_as=1)
    d.bgp_options(aggregates=["10.0.0.0/8"], paths=4, graceful_restart=True, summary_only=False)
    a.multicast(rendezvous_point=routers[1])
    d.multicast(rendezvous_point="10.9.9.9")
    c.configure("ip route 10.9.0.0/16 blackhole")
    other = Link(routers[1], routers[2])
    links.append(other)
    routers[1].vrrp(links[0], address="10.0.1.9", priority=7, track={other: 5}, preempt=False)
    data = json.loads(json.dumps(routing_data(routers, links)))
    again, its_links = network()
    its_links.append(Link(again[1], again[2]))
    declare_routing(data, {router.name: router for router in again}, its_links)
    assert again[0].ospf_links == {its_links[0]: a.ospf_links[links[0]]}
    assert again[0].ospf_areas == a.ospf_areas
    assert again[2].isis_links == {its_links[1]: c.isis_links[links[1]]}
    assert again[2].isis_router == c.isis_router
    assert again[2].bgp_links == {its_links[1]: True}
    assert again[2].bgp_peers == {again[3]: c.bgp_peers[d]}
    assert again[3].bgp_router == d.bgp_router
    assert again[0].groups == Multicast(again[1])
    assert again[2].frr_lines == c.frr_lines
    [shared] = again[1].virtual_routers
    assert (shared.link, shared.track, shared.priority) == (its_links[0], ((its_links[2], 5),), 7)
    assert routing_data(again, its_links) == routing_data(routers, links)


def test_redistribution_is_saved_with_its_policies() -> None:
    some = PrefixList("some", "10.0.0.0/8")
    both = ("ospf", "bgp")
    for routing, said in (
        ("ospf", None),
        ("ospf", ()),
        ("ospf", ["kernel", "static", "default"]),
        ("ospf", {"kernel": some, "static": None}),
        (both, {"ospf": ["default"], "bgp": {"ospf": some}}),
    ):
        router = Router("r", routing=routing, redistribute=said)
        data = json.loads(json.dumps(redistribution_data(router)))
        again = Router("r", routing=routing, redistribute=redistribution(data, routing))
        assert again.redistribute == router.redistribute
        assert repr(again) == repr(router)
