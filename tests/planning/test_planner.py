"""The whole plan: what is put together, settings, and checks of the whole."""

from __future__ import annotations

import pytest

from playground.errors import TopologyError
from playground.operations.network import Host, Link, Router, Switch
from playground.planning.plan import Plan
from playground.planning.planner import BRIDGE_PORTS, make_plan


def sysctls(plan: Plan, node: str) -> dict[str, str]:
    return dict(plan.node(node).sysctls)


def test_a_lab_of_one_host() -> None:
    plan = make_plan([Host("alone")])
    assert [node.name for node in plan.nodes] == ["alone"]
    assert (plan.wires, plan.switches, plan.records) == ((), (), ())


def test_a_lab_with_no_nodes() -> None:
    with pytest.raises(TopologyError, match="a lab needs at least one host or router"):
        make_plan([])


def test_nodes_switches_and_wires_stand_in_the_order_declared() -> None:
    b, a, s = Host("b"), Router("a"), Switch("s")
    Link(s, b)
    Link(a, s)
    plan = make_plan([a])
    assert [(node.name, node.kind) for node in plan.nodes] == [("b", "host"), ("a", "router")]
    assert [(wire.a.node, wire.b.node) for wire in plan.wires] == [("s", "b"), ("a", "s")]


def test_what_is_said_of_a_link_reaches_both_its_ends() -> None:
    a, s = Host("a"), Switch("s")
    Link(s, a, mtu=9000, offload=True)
    plan = make_plan([s])
    assert (plan.wires[0].mtu_bytes, plan.wires[0].offload) == (9000, True)
    interface = plan.node("a").interfaces[0]
    assert (interface.mtu_bytes, interface.offload, interface.segment) == (9000, True, "s")


def test_planning_has_no_effect_on_the_declarations() -> None:
    a, b = Host("a"), Host("b")
    link = Link(a, b)
    before = (repr(link), list(a.links), link.ends)
    assert make_plan([a]) == make_plan([b]) == make_plan([a, b])
    assert (repr(link), list(a.links), link.ends) == before


# -- settings ---------------------------------------------------------------


def test_routers_forward_and_hosts_do_not() -> None:
    a, b = Host("a"), Router("b")
    Link(a, b)
    plan = make_plan([a])
    assert sysctls(plan, "a")["net.ipv4.ip_forward"] == "0"
    assert sysctls(plan, "b")["net.ipv4.ip_forward"] == "1"


def test_without_ipv6_it_is_off() -> None:
    a, b = Host("a"), Router("b")
    Link(a, b)
    found = sysctls(make_plan([a]), "b")
    assert found["net.ipv6.conf.all.disable_ipv6"] == "1"
    assert found["net.ipv6.conf.default.disable_ipv6"] == "1"
    assert not any("accept_ra" in key for key in found)


def test_with_ipv6_the_wire_stays_silent() -> None:
    a, b = Host("a"), Router("b")
    Link(a, b)
    plan = make_plan([a], ipv6=True)
    found = sysctls(plan, "b")
    assert found["net.ipv6.conf.all.forwarding"] == "1"
    assert sysctls(plan, "a")["net.ipv6.conf.all.forwarding"] == "0"
    for name in ("all", "default", "eth0"):
        assert found[f"net.ipv6.conf.{name}.accept_ra"] == "0"
        assert found[f"net.ipv6.conf.{name}.router_solicitations"] == "0"
    assert list(found)[-2:] == [
        "net.ipv6.conf.all.disable_ipv6",
        "net.ipv6.conf.default.disable_ipv6",
    ]
    assert found["net.ipv6.conf.all.disable_ipv6"] == "0"


def test_ipv6_is_on_only_where_it_is_used() -> None:
    a, b, c = Host("a"), Router("b"), Host("c")
    Link(a, b, subnet="2001:db8:7::/64")
    Link(b, c)
    plan = make_plan([a])
    assert [sysctls(plan, name)["net.ipv6.conf.all.disable_ipv6"] for name in "abc"] == [
        "0",
        "0",
        "1",
    ]


def test_reverse_path_filters_are_off_on_every_interface() -> None:
    a, b = Router("a"), Router("b")
    Link(a, b, names=("wan.5", None))
    found = sysctls(make_plan([a]), "a")
    assert found["net.ipv4.conf.all.rp_filter"] == "0"
    # A dot in an interface's name is no separator: sysctl.d(5).
    assert found["net/ipv4/conf/wan.5/rp_filter"] == "0"


# -- checks of the whole ----------------------------------------------------


@pytest.mark.parametrize("ipv6", [True, False], ids=["asked for", "by hand"])
def test_ipv6_needs_an_mtu_of_1280(ipv6: bool) -> None:
    a, b = Host("a"), Host("b")
    Link(a, b, mtu=1000, subnet=None if ipv6 else "2001:db8:7::/64")
    with pytest.raises(TopologyError, match=r"needs an mtu of 1280 bytes or more \(RFC 8200\)"):
        make_plan([a], ipv6=ipv6)


def test_without_ipv6_a_small_mtu_is_fine() -> None:
    a, b = Host("a"), Host("b")
    Link(a, b, mtu=576)
    assert make_plan([a]).wires[0].mtu_bytes == 576


# -- a lab that grows -------------------------------------------------------


def test_new_nodes_are_fitted_in() -> None:
    home, h1, modem = Switch("home", subnet="192.168.1.0/24"), Host("h1"), Router("modem")
    Link(home, h1)
    before = make_plan([home])
    Link(home, modem)
    Link(home, Host("h2"))
    Link(modem, Host("www"))
    after = make_plan([home], previous=before)
    first = {node.name: str(node.interfaces[0].addresses[0]) for node in after.nodes}
    assert first == {
        "h1": "192.168.1.1/24",
        "modem": "192.168.1.2/24",
        "h2": "192.168.1.3/24",
        "www": "10.0.1.2/24",
    }
    assert [str(route.via) for route in after.node("h1").routes] == ["192.168.1.2"]


def test_an_automatic_subnet_stays_where_it_is() -> None:
    a, b, c = Router("a"), Router("b"), Router("c")
    Link(a, b)
    before = make_plan([a])
    Link(b, c, subnet="10.0.2.0/24")
    Link(c, Host("d"))
    after = make_plan([a], previous=before)
    assert after.node("a").interfaces == before.node("a").interfaces
    assert str(after.node("d").interfaces[0].addresses[0]) == "10.0.3.2/24"


def test_a_subnet_set_by_hand_that_meets_one_chosen_earlier_is_refused() -> None:
    a, b, c = Router("a"), Router("b"), Router("c")
    Link(a, b)
    before = make_plan([a])
    Link(b, c, subnet="10.0.0.0/16")
    assert str(make_plan([a]).node("a").interfaces[0].addresses[0]) == "10.1.0.1/24"
    with pytest.raises(TopologyError, match="overlap"):
        make_plan([a], previous=before)


def test_linking_two_switches_that_have_their_subnets_is_refused() -> None:
    one, two = Switch("one"), Switch("two")
    Link(one, Host("h1"))
    Link(two, Host("h2"))
    before = make_plan([one, two])
    Link(one, two)
    with pytest.raises(TopologyError, match="it cannot have both"):
        make_plan([one], previous=before)


def test_a_switch_has_as_many_ports_as_a_bridge() -> None:
    switch = Switch("switch", subnet="10.0.0.0/16")
    for number in range(BRIDGE_PORTS):
        Link(switch, Host(f"h{number}"))
    assert len(make_plan([switch]).wires) == BRIDGE_PORTS
    Link(switch, Host("one-more"))
    with pytest.raises(TopologyError, match=r"switch has 1,024 links, .* takes 1,023; link some"):
        make_plan([switch])
