"""Addresses that routers share: planned, told to keepalived, and kept when one dies."""

from __future__ import annotations

import time

import pytest

from playground.engines.seam import Engine
from playground.errors import TopologyError
from playground.lab.lab import Lab
from playground.model.services.routing.keepalived import VirtualRouters
from playground.operations.network import Host, Link, Router, Switch
from playground.planning.planner import make_plan
from tests.facts import assert_can_ping


class Pair:
    """Two routers between a network of hosts and a server; the first is preferred."""

    def __init__(self, routing: str | None = "ospf") -> None:
        self.lan = Switch("lan", subnet="192.168.1.0/24")
        self.r1, self.r2, self.core = (Router(n, routing=routing) for n in ("r1", "r2", "core"))
        self.h1, self.www = Host("h1"), Host("www")
        self.inside = [Link(self.lan, router) for router in (self.r1, self.r2)]
        Link(self.lan, self.h1)
        self.up = [Link(router, self.core) for router in (self.r1, self.r2)]
        Link(self.core, self.www)

    def share(self, address: str = "192.168.1.254") -> None:
        self.r1.vrrp(self.inside[0], address=address, priority=150, track=[self.up[0]])
        self.r2.vrrp(self.inside[1], address=address, preempt=False, preempt_delay_s=3)

    def has_it(self, router: Router) -> bool:
        return "192.168.1.254" in router.run("ip address").stdout


def test_hosts_go_by_the_shared_address() -> None:
    pair = Pair()
    pair.share()
    plan = make_plan([pair.lan])
    assert {str(route.via) for route in plan.node("h1").routes} == {"192.168.1.254"}
    assert all(str(route.via) != "192.168.1.254" for route in plan.node("r2").routes)
    [settings] = [one for one in plan.node("r1").services if isinstance(one, VirtualRouters)]
    assert settings.configuration == (
        "global_defs {\n"
        "    router_id r1\n"
        "    vrrp_version 3\n"
        "    vrrp_garp_master_delay 1\n"
        "}\n"
        "vrrp_instance eth0-1-ipv4 {\n"
        "    interface eth0\n"
        "    state BACKUP\n"
        "    virtual_router_id 1\n"
        "    priority 150\n"
        "    advert_int 0.2\n"
        "    track_interface {\n"
        "        eth1\n"
        "    }\n"
        "    virtual_ipaddress {\n"
        "        192.168.1.254/24\n"
        "    }\n"
        "}\n"
    )
    assert "    nopreempt\n" in plan.node("r2").services[-1].configuration  # type: ignore[attr-defined]


def test_of_two_groups_a_host_takes_that_of_its_router() -> None:
    pair = Pair("static")
    for number, priority in enumerate((150, 50)):
        pair.r1.vrrp(
            pair.inside[0], address=f"192.168.1.25{number}", group=9 - number, priority=priority
        )
    routes = make_plan([pair.lan]).node("h1").routes
    assert "192.168.1.250" in {str(route.via) for route in routes}
    assert "192.168.1.251" not in {str(route.via) for route in routes}


def test_what_several_say_must_go_together() -> None:
    pair = Pair()
    pair.share("192.168.2.254")
    with pytest.raises(TopologyError, match=r"192\.168\.2\.254 does not lie in its network"):
        make_plan([pair.lan])
    pair.share("192.168.1.3")
    with pytest.raises(TopologyError, match="is the address of h1 itself"):
        make_plan([pair.lan])
    pair.share()
    pair.r2.vrrp(pair.inside[1], address="192.168.1.253")
    with pytest.raises(TopologyError, match=r"and r1 says 192\.168\.1\.254; let all of a group"):
        make_plan([pair.lan])


def test_when_the_master_dies_another_goes_on(engine: Engine) -> None:
    pair = Pair()
    pair.share()
    with Lab(pair.lan, quiet=True) as lab:
        assert_can_ping(pair.h1, pair.www)
        deadline = time.monotonic() + 10
        while not pair.has_it(pair.r1) and time.monotonic() < deadline:
            time.sleep(0.1)  # a backup may be first, and gives it back
        assert [pair.has_it(router) for router in (pair.r1, pair.r2)] == [True, False]
        found = lab.explain(pair.h1, pair.www)
        assert found.ok, found
        pair.up[0].down()  # tracked
        lab.wait_converged()
        while not pair.has_it(pair.r2) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert [pair.has_it(router) for router in (pair.r1, pair.r2)] == [False, True]
        assert_can_ping(pair.h1, pair.www)
        pair.r2.services["keepalived"].stop()
        pair.h1.run("ip neigh flush all")  # r2 forwards what comes for its MAC address
        found = lab.explain(pair.h1, pair.www)
        assert found.cause == "no master", found
        assert found.sentence.endswith(
            "an address that r1 and r2 share, and none of them has it: r1 gives it up while its "
            "eth1 carries nothing, and keepalived does not run on r2."
        )
        with pytest.raises(TopologyError, match="core runs already, and was started without keep"):
            pair.core.vrrp(pair.core.links[0], address="10.0.1.254")
