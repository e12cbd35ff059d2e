"""What a router is told of an address that it shares: kept, changed, refused."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import pytest

from playground.errors import TopologyError
from playground.model.routing.vrrp import VirtualRouter
from playground.operations.network import Link, Router, Switch

R = Router("r")
LAN, UP = Link(R, Switch("lan", subnet="10.1.0.0/24")), Link(R, Switch("up"))
OTHER = Link(Router("o"), Switch("t"))


def test_what_is_said_for_a_group_replaces_what_was() -> None:
    router = Router("r1")
    lan, up = Link(router, Switch("a")), Link(router, Switch("b"))
    router.vrrp(lan, address="10.1.0.254")
    router.vrrp(lan, address="10.1.0.253", group=2, priority=50)
    router.vrrp(lan, address="10.1.0.254", priority=150, preempt=False, track={up: 60})
    router.vrrp(lan, address="2001:db8::1")
    shared = ip_address("10.1.0.254")
    assert router.virtual_routers == (
        VirtualRouter(lan, ip_address("10.1.0.253"), 2, 50),
        VirtualRouter(lan, shared, priority=150, preempt=False, track=((up, 60),)),
        VirtualRouter(lan, ip_address("2001:db8::1")),
    )


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ({"address": "10.1.0.254/24"}, "address='10.1.0.254/24' is no address"),
        ({"group": 0}, "group=0 is no number from 1 to 255"),
        ({"priority": 255}, "priority=255 is no number from 1 to 254"),
        ({"preempt": 1}, "preempt=1 is neither True nor False"),
        ({"preempt_delay_s": -1}, "preempt_delay_s=-1 is no number of seconds"),
        ({"interval_ms": 5}, "interval_ms=5 is no number of milliseconds"),
        ({"interval_ms": 155}, "that ends in 0"),
        ({"track": "up"}, "track='up' is no list of links"),
        ({"track": [OTHER]}, "not one of its links"),
        ({"track": LAN}, "names the link itself"),
        ({"track": {UP: 254}}, "takes no number from 1 to 253"),
    ],
)
def test_what_cannot_be_is_refused(more: dict[str, Any], complaint: str) -> None:
    with pytest.raises(TopologyError) as refused:
        R.vrrp(LAN, **({"address": "10.1.0.254"} | more))
    assert complaint in str(refused.value)
    assert R.virtual_routers == ()


@pytest.mark.parametrize(
    "declare", [lambda: R.vrrp(OTHER, address="10.1.0.254"), lambda: R.vrrp("x", address="")]
)
def test_a_link_is_the_routers_own(declare: Callable[[], Any]) -> None:
    with pytest.raises(TopologyError):
        declare()
