"""What a router is told of BGP: kept, changed, refused."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import pytest

from playground.errors import TopologyError
from playground.model.routing.bgp import BgpOptions, PeerSettings
from playground.model.routing.policy import Permit, PrefixList, RouteMap
from playground.operations.network import Host, Router

R, OTHER = Router("r", routing="bgp"), Router("o", routing="bgp")
SOME = PrefixList("some", "10.0.0.0/8")


def test_what_is_said_of_a_peer_replaces_what_was() -> None:
    a, b = Router("a", routing="bgp"), Router("b", routing="bgp")
    a.bgp_peer(b, receive=SOME, password="secret", client=True)
    everything = RouteMap("all", Permit())
    a.bgp_peer(b, send=everything, keepalive_s=3, hold_s=9, default=True)
    assert a.bgp_peers == {b: PeerSettings(send=everything, keepalive_s=3, hold_s=9, default=True)}
    assert b.bgp_peers == {}


def test_options_are_for_all_peers() -> None:
    a = Router("a", routing="bgp")
    a.bgp_options(aggregates="10.0.0.0/8", paths=4, graceful_restart=True)
    aggregates = (ip_network("10.0.0.0/8"),)
    assert a.bgp_router == BgpOptions(aggregates, True, 4, graceful_restart=True)


@pytest.mark.parametrize(
    ("declare", "complaint"),
    [
        (lambda: R.bgp_peer(Host("h")), "is no router"),
        (lambda: R.bgp_peer("o"), "'o' is no router"),
        (lambda: R.bgp_peer(R), "cannot be its own peer"),
        (lambda: R.bgp_peer(Router("x")), "router x does not speak BGP"),
        (lambda: Router("x").bgp_peer(R), "router x does not speak BGP"),
        (lambda: R.bgp_peer(OTHER, send="x"), "o: send='x' is no policy"),
        (lambda: R.bgp_peer(OTHER, hold_s=2), "hold_s=2 is no whole number from 3"),
        (lambda: R.bgp_peer(OTHER, keepalive_s=2), "goes with hold_s="),
        (lambda: R.bgp_peer(OTHER, keepalive_s=9, hold_s=3), "before the next keepalive"),
        (lambda: R.bgp_peer(OTHER, client=1), "client=1 is neither True nor False"),
        (lambda: R.bgp_peer(OTHER, default="yes"), "default='yes' is neither"),
        (lambda: R.bgp_peer(OTHER, next_hop_self=1), "next_hop_self=1 is neither"),
        (lambda: R.bgp_peer(OTHER, allow_own_as=11), "allow_own_as=11"),
        (lambda: R.bgp_peer(OTHER, max_prefixes=0), "max_prefixes=0"),
        (lambda: R.bgp_peer(OTHER, password="x" * 81), "1 to 80 letters"),
        (lambda: R.bgp_options(paths=65), "paths=65 is no whole number from 1 to 64"),
        (lambda: R.bgp_options(aggregates=["10.0.0.1/8"]), "in aggregates= is no network"),
        (lambda: R.bgp_options(summary_only=0), "summary_only=0 is neither"),
    ],
)
def test_what_cannot_be_is_refused(declare: Callable[[], Any], complaint: str) -> None:
    with pytest.raises(TopologyError) as refused:
        declare()
    assert complaint in str(refused.value)
    assert R.bgp_peers == {}
    assert R.bgp_router == BgpOptions()
