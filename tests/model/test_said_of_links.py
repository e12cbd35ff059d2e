"""A VLAN that a trunk loses takes along what routers were told of it."""

from __future__ import annotations

import pytest

from playground.errors import TopologyError
from playground.model.said_of_links import said_of_links
from playground.operations.network import Host, Link, Router, Switch
from playground.planning.planner import make_plan


def test_a_trunk_loses_a_vlan_and_what_was_said_of_it() -> None:
    office = Switch("office", vlans={10: "10.0.1.0/24", 20: "10.0.2.0/24"})
    router, other = Router("r", routing="ospf"), Router("b", routing="ospf")
    trunk, direct = Link(office, router, trunk=(10, 20)), Link(router, other)
    Link(office, Host("h"), vlan=10)
    router.ospf(trunk[20], cost=7)
    router.ospf(trunk[10], cost=8)
    router.advertise(trunk[20])
    router.vrrp(trunk[20], address="10.0.2.99")
    router.vrrp(trunk[10], address="10.0.1.99", track=[trunk[20], direct])
    before = said_of_links(router)
    with pytest.raises(TopologyError):
        trunk.change(trunk=(10, 30))
    assert said_of_links(router) == before
    rule = router.firewall.drop(interface=trunk[20])
    with pytest.raises(TopologyError, match="speak of it"):
        trunk.change(trunk=(10,))
    assert said_of_links(router) == before
    router.firewall.remove(rule)
    trunk.change(trunk=(10,))
    assert set(router.ospf_links) == {trunk[10]}
    assert router.advertised == {}
    [shared] = router.virtual_routers
    assert (shared.link, shared.track) == (trunk[10], ((direct, None),))
    make_plan([office])
