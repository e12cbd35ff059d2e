"""Steps from one plan to the next: the quick ones say what comparing everything says."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace

import pytest

from playground.model.impairment import Impairment
from playground.model.switches import SwitchSettings
from playground.operations.network import Host, Link, Router, Switch
from playground.planning.difference import Changes, compare
from playground.planning.plan import Plan
from playground.planning.plan_parts import StoppedNode, WirePlan
from playground.planning.plan_steps import (
    PlanStep,
    plan_step,
    rules_step,
    start_step,
    stop_step,
    switch_step,
    wire_step,
)
from playground.planning.planner import make_plan
from playground.planning.rules_and_nat import with_node_rules

ACCEPT_RA = "net.ipv6.conf.eth0.accept_ra"


@dataclass
class Town:
    """A host at a switch, a modem with two ways out of it, and the plan of it all."""

    home: Switch
    h1: Host
    modem: Router
    uplink: Link
    plan: Plan

    def wire(self, link: Link) -> WirePlan:
        names = set(link.names)
        return next(w for w in self.plan.wires if {w.a.node, w.b.node} == names)

    def planned(self) -> Plan:
        return make_plan((self.home,), previous=self.plan, ipv6=True)


@pytest.fixture
def town() -> Town:
    home, h1, modem, isp, www = (
        Switch("home"),
        Host("h1"),
        Router("modem"),
        Router("isp", sysctls={ACCEPT_RA: "2"}),
        Host("www"),
    )
    Link(home, h1)
    Link(home, modem)
    uplink = Link(isp, modem)
    Link(isp, www)
    isp.route("10.77.0.0/16", via=modem)
    return Town(home, h1, modem, uplink, make_plan((home,), ipv6=True))


def assert_same(step: PlanStep, planned: Plan) -> None:
    """The plan after a step is the one that the declarations make, and so is what differs."""
    assert step.after == planned
    assert step.change == plan_step(step.before, planned).change


@pytest.mark.parametrize("toward", ["isp", "modem", None])
def test_an_impaired_wire_is_all_that_differs(town: Town, toward: str | None) -> None:
    old = town.wire(town.uplink)
    town.uplink.impair(delay_ms=5, toward=toward)
    slow = Impairment(delay_ms=5)
    new = replace(
        old,
        toward_a=slow if toward != "modem" else None,
        toward_b=slow if toward != "isp" else None,
    )
    step = wire_step(town.plan, old, new)
    assert_same(step, town.planned())
    assert step.whole


def test_a_cable_pulled_out_at_a_switch_is_all_that_differs(town: Town) -> None:
    [link] = town.h1.links
    old = town.wire(link)
    link.down()
    assert_same(wire_step(town.plan, old, replace(old, up=False)), town.planned())


def test_the_kernel_forgets_by_itself_what_led_over_an_interface_that_is_down(town: Town) -> None:
    old = town.wire(town.uplink)
    town.uplink.down()
    step = wire_step(town.plan, old, replace(old, up=False))
    assert step.after == town.planned()
    everything = compare(town.plan, step.after)
    assert {item.node for item in everything.inside} == {"isp", "modem"}
    assert step.change == dataclasses.replace(everything, inside=())


def test_a_cable_plugged_in_again_brings_back_addresses_routes_and_settings(town: Town) -> None:
    town.uplink.down()
    town.plan = town.planned()
    old = town.wire(town.uplink)
    town.uplink.up()
    step = wire_step(town.plan, old, replace(old, up=True))
    assert step.after == town.planned()
    inside = {item.node: item for item in step.change.inside}
    for other in compare(town.plan, step.after).inside:
        found = inside.pop(other.node)
        assert found.routes_add == other.routes_add != ()
        assert found.own_routes_add == other.own_routes_add
        # With an interface that is set down IPv6 addresses go, and settings when it is told them.
        assert [item.name for item in found.interfaces] == [
            "eth0" if other.node == "isp" else "eth1"
        ]
        assert (ACCEPT_RA in dict(found.sysctls)) is (other.node == "isp")
    assert inside == {}
    assert step.whole


def test_a_switch_that_becomes_a_hub_is_all_that_differs(town: Town) -> None:
    [old] = town.plan.switches
    town.home.change(hub=True)
    new = replace(old, settings=SwitchSettings(hub=True))
    step = switch_step(town.plan, old, new)
    assert_same(step, town.planned())
    assert not step.whole  # the agent may have done half of it
    assert not switch_step(town.plan, old, old).change


def test_a_rule_more_is_all_that_differs(town: Town) -> None:
    town.modem.firewall.drop(port=25)
    step = rules_step(town.plan, with_node_rules(town.plan, town.modem))
    assert_same(step, town.planned())
    assert step.whole
    assert not rules_step(step.after, step.after.node("modem")).change


def test_every_step_leads_back(town: Town) -> None:
    old = town.wire(town.uplink)
    step = wire_step(town.plan, old, replace(old, up=False))
    assert step.back == compare(step.after, town.plan)
    assert step.back.wires_change[0].new == old


def test_a_queue_set_by_hand_goes_only_where_it_is_said(town: Town) -> None:
    old = town.wire(town.uplink)
    assert wire_step(town.plan, old, old, replace_queues=True).change.wires_change[0].replace_queues
    assert (
        Changes((), (), (), ())
        == switch_step(town.plan, town.plan.switches[0], town.plan.switches[0]).change
    )


def test_routes_rules_and_translations_are_within_nodes(town: Town) -> None:
    town.modem.masquerade(town.uplink)
    town.plan = town.planned()  # NAT takes away what others know of the home
    town.modem.forward(town.uplink, port=8080, to=(town.h1, 80))
    town.modem.route("198.51.100.0/24", via=town.h1)
    town.modem.firewall.drop(port=25, protocol="tcp")
    assert plan_step(town.plan, town.planned()).within_nodes


def test_a_step_that_changes_more_than_routes_and_rules_is_not_within_nodes(town: Town) -> None:
    assert not plan_step(None, town.plan).within_nodes
    Link(town.home, Host("h2"))
    assert not plan_step(town.plan, town.planned()).within_nodes


def test_a_node_that_stops_is_all_that_differs(town: Town) -> None:
    step = stop_step(town.plan, [StoppedNode("modem", ("main",))], 3.0)
    assert step.change == compare(town.plan, step.after)
    assert step.change.nodes_stop == ("modem",)
    assert [item.node for item in step.back.inside] == ["modem"]


def test_a_node_that_starts_gets_all_that_was_declared_for_it_meanwhile(town: Town) -> None:
    dark = stop_step(town.plan, [StoppedNode("modem", ("main",))], 0.0).after
    wire = next(one for one in dark.wires if one == town.wire(town.uplink))
    dark = wire_step(dark, wire, replace(wire, up=False)).after
    town.modem.firewall.drop(port=1)
    rules = rules_step(dark, with_node_rules(dark, town.modem))
    assert not rules.change
    step = start_step(rules.after, ["modem"])
    assert step.lit == (("modem", ("main",)),)
    [inside] = step.change.inside
    assert inside.rules
    assert {item.name for item in inside.interfaces} == {"eth0", "eth1"}
    assert [change.new.up for change in step.change.wires_change] == [False]
    assert step.back.nodes_stop == ("modem",)
    assert step.after.stopped == ()
