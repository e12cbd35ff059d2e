"""Areas of OSPF: what each hears of the others, and what comes of it."""

from __future__ import annotations

import pytest

from playground.engines.seam import Engine
from playground.errors import TopologyError
from playground.lab.lab import Lab
from playground.model.routing.policy import PrefixList
from playground.model.services.frr import BFD, OSPF, OSPF6, RoutingDaemon
from playground.operations.network import Host, Link, Router, Switch
from playground.planning.plan import NodePlan, Plan
from playground.planning.planner import make_plan
from tests.facts import assert_can_ping


def text_of(node: NodePlan, kind: type[RoutingDaemon] = OSPF) -> str:
    [found] = [item for item in node.services if isinstance(item, kind)]
    return found.configuration


class Areas:
    """Area 1 - border b1 - backbone - border b2 - area 2, of which r2 leads out to a stub."""

    def __init__(self) -> None:
        self.b1, self.b2, self.r1, self.r2 = (
            Router(name, routing="ospf") for name in ("b1", "b2", "r1", "r2")
        )
        self.outside = Router("outside")
        self.h1, self.h2, self.h3 = Host("h1"), Host("h2"), Host("h3")
        Link(self.b1, self.b2, subnet="10.0.0.0/24")
        self.one = Link(self.b1, self.r1, subnet="10.1.0.0/24")
        self.lan = Link(self.r1, self.h1, subnet="10.1.1.0/24")
        self.two = Link(self.b2, self.r2, subnet="10.2.0.0/24")
        far = Link(self.r2, self.h2, subnet="10.2.1.0/24")
        out = Link(self.r2, self.outside, subnet="10.2.2.0/24")
        Link(self.outside, self.h3, subnet="10.9.0.0/24")
        for link in (self.one, self.lan):
            self.r1.ospf(link, area=1)
        for link in (self.two, far, out):
            self.r2.ospf(link, area=2)

    def plan(self, ipv6: bool = False) -> Plan:
        return make_plan([self.b1], ipv6=ipv6)

    def covered(self, name: str) -> set[str]:
        return set(map(str, self.plan().node(name).covered))

    def withheld(self, name: str) -> set[str]:
        return set(map(str, self.plan().node(name).withheld))


def test_all_routers_of_an_area_are_told_its_kind() -> None:
    areas = Areas()
    areas.b1.ospf_area(1, kind="totally stubby")
    areas.r2.ospf_area(2, kind="nssa", default_cost=5)
    plan = areas.plan(ipv6=True)
    for name in ("b1", "r1"):
        assert " area 0.0.0.1 stub no-summary\n" in text_of(plan.node(name))
        assert " area 0.0.0.1 stub no-summary\n" in text_of(plan.node(name), OSPF6)
    for name in ("b2", "r2"):
        assert " area 0.0.0.2 nssa default-information-originate\n" in text_of(plan.node(name))
    assert " area 0.0.0.2 default-cost 5\n" in text_of(plan.node("r2"))
    assert "area 0.0.0.2 nssa" not in text_of(plan.node("b1"))


def test_a_normal_area_hears_of_all() -> None:
    plan = Areas().plan()
    assert {node.name for node in plan.nodes if node.covered or node.withheld} == set()


def test_a_stub_area_hears_of_what_lies_outside_of_ospf_as_a_default_route() -> None:
    areas = Areas()
    areas.b1.ospf_area(1, kind="stub")
    assert areas.covered("r1") == {"10.9.0.0/24"}
    assert areas.covered("b1") == set()


def test_a_totally_stubby_area_hears_of_no_other() -> None:
    areas = Areas()
    areas.b1.ospf_area(1, kind="totally stubby")
    others = {"10.0.0.0/24", "10.2.0.0/24", "10.2.1.0/24", "10.2.2.0/24", "10.9.0.0/24"}
    assert areas.covered("r1") == others


def test_an_nssa_tells_of_its_own_routes_from_outside() -> None:
    areas = Areas()
    areas.b2.ospf_area(2, kind="nssa")
    assert areas.covered("r1") == set()
    assert areas.withheld("r1") == set()
    areas.b2.ospf_area(2, kind="stub")  # as nobody in a stub area can
    assert areas.withheld("r1") == {"10.9.0.0/24"}


def test_a_range_stands_for_what_lies_in_it() -> None:
    areas = Areas()
    areas.b2.ospf_area(2, ranges=["10.2.0.0/16"])
    assert areas.covered("r1") == {"10.2.0.0/24", "10.2.1.0/24", "10.2.2.0/24"}
    assert " area 0.0.0.2 range 10.2.0.0/16\n" in text_of(areas.plan().node("b2"))


def test_a_filter_at_a_border_hides_networks_from_others() -> None:
    areas = Areas()
    areas.b2.ospf_area(2, send=PrefixList("shown", "10.2.0.0/24"))
    assert areas.withheld("r1") == areas.withheld("b1") == {"10.2.1.0/24", "10.2.2.0/24"}
    assert areas.withheld("r2") == set()
    areas.b1.ospf_area(1, receive=PrefixList("wanted", "10.0.0.0/24", "10.2.1.0/24"))
    assert areas.withheld("r1") == {"10.2.0.0/24", "10.2.1.0/24", "10.2.2.0/24"}
    text = text_of(areas.plan().node("b1"))
    assert " area 0.0.0.1 filter-list prefix wanted in\n" in text
    assert "ip prefix-list wanted seq 10 permit 10.2.1.0/24\n" in text


def test_what_one_says_of_a_network_holds_for_all_on_it() -> None:
    areas = Areas()
    areas.r1.ospf(areas.one, password="secret", hello_s=2, bfd_ms=100, network="broadcast")
    areas.b1.ospf(areas.one, priority=0)
    plan = areas.plan(ipv6=True)
    for name in ("b1", "r1"):
        text = text_of(plan.node(name))
        assert " ip ospf message-digest-key 1 md5 secret\n" in text
        assert " ip ospf hello-interval 2\n ip ospf dead-interval 8\n" in text
        assert " ip ospf network broadcast\n" in text
        assert " ip ospf bfd profile every-100ms\n" in text
        assert "key-id 1 hash-algo hmac-sha-256 key secret" in text_of(plan.node(name), OSPF6)
        assert "  transmit-interval 100\n" in text_of(plan.node(name), BFD)
    assert " ip ospf priority 0\n" in text_of(plan.node("b1"))
    assert "priority" not in text_of(plan.node("r1"))


def test_neighbours_that_will_not_agree_are_a_doubt() -> None:
    areas = Areas()
    areas.r1.ospf(areas.one, password="secret")
    areas.b1.ospf(areas.one, password="other")
    with pytest.raises(TopologyError, match=r"differ in their OSPF settings \(passwords\)") as told:
        areas.plan()
    assert "secret" not in str(told.value)
    plan = make_plan([areas.b1], strict=False)
    assert len(plan.warnings) == 1
    assert "md5 other" in text_of(plan.node("b1"))


def test_a_passive_link_has_no_neighbours() -> None:
    areas = Areas()
    areas.b1.ospf(areas.one, passive=True)
    plan = areas.plan()
    assert {peer.node for peer in plan.node("b1").neighbours} == {"b2"}
    assert plan.node("r1").neighbours == ()


def test_contradictions_are_refused() -> None:
    areas = Areas()
    areas.b1.ospf_area(1, kind="stub")
    areas.r1.ospf_area(1, kind="nssa")
    with pytest.raises(TopologyError, match=r"area 0\.0\.0\.1 is 'nssa', and another router says"):
        areas.plan()
    other = Areas()
    other.b1.ospf_area(2, kind="stub")
    with pytest.raises(TopologyError, match=r"none of its links lies \(they lie in 0\.0\.0\.0"):
        other.plan()


def test_each_kind_of_area_leads_everywhere(engine: Engine) -> None:
    areas = Areas()
    lan = Switch("lan", subnet="10.3.0.0/24")
    more = [Router(f"m{number}", routing="ospf") for number in (1, 2)]
    for router in (areas.b1, *more):
        Link(lan, router)
    areas.b1.ospf(areas.b1.links[-1], area=3, password="secret", priority=0)
    Link(more[0], h4 := Host("h4"), subnet="10.3.1.0/24")
    more[0].ospf(more[0].links[-1], area=3)
    areas.b1.ospf_area(1, kind="totally stubby")
    areas.b2.ospf_area(2, kind="nssa", ranges=["10.2.0.0/16"])
    areas.b1.ospf_area(3, receive=PrefixList("few", "10.2.0.0/16", "10.1.0.0/16 le 24"))
    areas.b2.ospf(areas.two, hello_s=1, dead_s=4, bfd_ms=100)
    with Lab(areas.b1, quiet=True):
        assert_can_ping(areas.h1, areas.h2)
        assert_can_ping(areas.h1, areas.h3)
        assert_can_ping(h4, areas.h2)
        inside = {str(route.destination) for route in areas.r1.routes() if route.via}
        assert inside == {"0.0.0.0/0"}
        few = {str(route.destination) for route in more[1].routes() if route.via}
        # What comes from outside of OSPF passes no such filter.
        assert few == {"10.2.0.0/16", "10.1.0.0/24", "10.1.1.0/24", "10.3.1.0/24", "10.9.0.0/24"}
        assert "10.2.0.0/16" in {str(route.destination) for route in areas.b1.routes()}
        assert "Area ID: 0.0.0.2 (NSSA)" in areas.r2.vtysh("show ip ospf")
        assert '"status":"up"' in areas.r2.vtysh("show bfd peers json")
        # A priority of 0 keeps a router from being the designated one.
        said = areas.b1.vtysh("show ip ospf interface eth2")
        assert "State DROther, Priority 0" in said
