"""Names of interfaces, ports and bridges, and MAC addresses."""

from __future__ import annotations

import pytest

from playground.errors import TopologyError
from playground.operations.network import Host, Link, Router, Switch
from playground.planning.interface_names import derived_mac
from playground.planning.plan import Plan
from playground.planning.planner import make_plan


def interfaces(plan: Plan, node: str) -> list[str]:
    return [item.name for item in plan.node(node).interfaces]


def ports(plan: Plan) -> list[str]:
    switches = {switch.name for switch in plan.switches}
    ends = [end for wire in plan.wires for end in (wire.a, wire.b)]
    return [end.interface for end in ends if end.node in switches]


def test_interfaces_are_numbered_in_the_order_linked() -> None:
    router = Router("router")
    for name in ("a", "b", "c"):
        Link(router, Host(name))
    assert interfaces(make_plan([router]), "router") == ["eth0", "eth1", "eth2"]


def test_names_chosen_by_hand_are_left_out_of_the_numbers() -> None:
    router = Router("router")
    Link(router, Host("a"))
    Link(router, Host("b"), names=("eth0", None))
    Link(router, Host("c"), names=("wan", None))
    Link(router, Host("d"))
    assert interfaces(make_plan([router]), "router") == ["eth1", "eth0", "wan", "eth2"]


def test_bridges_and_ports_are_called_after_switch_and_node() -> None:
    home, shed = Switch("home"), Switch("shed")
    Link(home, Host("h1"), names=(None, "eth7"))
    Link(home, shed)
    plan = make_plan([home])
    assert [switch.device for switch in plan.switches] == ["home", "shed"]
    assert ports(plan) == ["h1-eth7", "shed-home", "home-shed"]


def test_names_that_would_not_fit_are_told_apart_by_a_hash() -> None:
    switches = [Switch("a-switch-with-a-long-name-" + letter) for letter in "xy"]
    for switch in switches:
        Link(switch, Host(f"www-of-{switch.short}.example.com"))
    Link(*switches)
    plan = make_plan(switches)
    names = [switch.device for switch in plan.switches] + ports(plan)
    assert len(set(names)) == 6
    assert all(len(name) <= 15 and "." not in name for name in names)
    assert names == [switch.device for switch in make_plan(switches).switches] + ports(plan)


@pytest.mark.parametrize("name", ["lo", "all", "default", "a-eth0"])
def test_a_switch_whose_name_means_something_else_to_linux(name: str) -> None:
    switch = Switch(name)
    Link(switch, Host("a"))
    plan = make_plan([switch])
    names = [plan.switches[0].device, *ports(plan)]
    assert len(set(names)) == 2 and not {"lo", "all", "default"} & set(names)


def test_macs_are_derived_from_lab_node_and_interface() -> None:
    a, b = Host("a"), Host("b")
    Link(a, b)
    plan = make_plan([a], lab="one")
    assert plan.node("a").interfaces[0].mac == derived_mac("one", "a", "eth0")
    macs = {make_plan([a], lab=lab).node(node).interfaces[0].mac for lab in "xy" for node in "ab"}
    assert len(macs) == 4


def test_a_derived_mac_is_that_of_one_station_administered_locally() -> None:
    assert derived_mac("lab", "h1", "eth0") == "02:64:50:06:7b:40"


def test_a_derived_mac_keeps_clear_of_one_chosen_by_hand() -> None:
    a, b = Host("a"), Host("b")
    Link(a, b, macs=(None, derived_mac("lab", "a", "eth0")))
    plan = make_plan([a])
    assert plan.node("a").interfaces[0].mac == derived_mac("lab", "a", "eth0", attempt=1)


def test_a_mac_used_twice() -> None:
    lan = Switch("lan")
    for name in "ab":
        Link(lan, Host(name), macs=(None, "02:00:00:00:00:01"))
    with pytest.raises(TopologyError, match="a and b have the same MAC address 02:00:00:00:00:01"):
        make_plan([lan])


# -- a lab that grows -------------------------------------------------------


def test_what_has_a_name_keeps_it_when_a_lab_grows() -> None:
    home, h1, h2 = Switch("home"), Host("h1"), Host("h2")
    Link(home, h1)
    Link(h1, h2)
    before = make_plan([home])
    Link(h1, h2)
    Link(home, Router("a-router"))
    Link(home, h1, names=(None, "extra"))
    after = make_plan([home], previous=before)
    for node in before.nodes:
        assert after.node(node.name).interfaces[: len(node.interfaces)] == node.interfaces
    assert after.wires[: len(before.wires)] == before.wires
    assert after.switches == before.switches
    assert interfaces(after, "h1") == ["eth0", "eth1", "eth2", "extra"]


def test_a_name_that_the_running_lab_gave_cannot_be_chosen_any_more() -> None:
    h1, h2 = Host("h1"), Host("h2")
    Link(h1, h2)
    before = make_plan([h1])
    Link(h1, h2, names=("eth0", None))
    assert interfaces(make_plan([h1]), "h1") == ["eth1", "eth0"]
    with pytest.raises(TopologyError, match="the running lab has an interface eth0 on it already"):
        make_plan([h1], previous=before)
