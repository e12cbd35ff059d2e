"""What a router is told of multicast: kept, changed, refused."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from playground.errors import TopologyError
from playground.model.routing.multicast import Multicast
from playground.operations.network import Host, Router


def test_a_rendezvous_point_is_a_router_an_address_or_nobody() -> None:
    r1, r2 = Router("r1"), Router("r2")
    assert r1.groups is None
    r1.multicast()
    assert r1.groups == Multicast()
    r1.multicast(rendezvous_point=r2)
    assert r1.groups == Multicast(r2)
    r1.multicast(rendezvous_point="10.9.9.9")
    assert r1.groups == Multicast(IPv4Address("10.9.9.9"))


@pytest.mark.parametrize("point", [Host("h"), "r2", 7, "2001:db8::1"])
def test_all_else_is_refused(point: object) -> None:
    router = Router("r")
    with pytest.raises(TopologyError, match="is neither a router nor an address of IPv4"):
        router.multicast(rendezvous_point=point)  # type: ignore[arg-type]
    assert router.groups is None
