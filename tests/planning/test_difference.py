"""Differences that turn one plan into another."""

from __future__ import annotations

from playground.operations.network import Host, Link, Router, Switch
from playground.planning.difference import compare
from playground.planning.nft_text import NO_RULES, loadable
from playground.planning.plan_parts import RulesetPlan
from playground.planning.planner import make_plan


def small_network() -> tuple[Switch, Router, Host]:
    home, modem, h1 = Switch("home"), Router("modem"), Host("h1")
    Link(home, modem)
    Link(home, h1)
    return home, modem, h1


def test_the_first_start_adds_everything() -> None:
    home, _, _ = small_network()
    plan = make_plan((home,))
    change = compare(None, plan)
    assert [node.name for node in change.nodes] == ["modem", "h1"]
    assert change.bridges == (plan.switches[0].device,)
    assert change.wires == plan.wires
    assert [item.node for item in change.inside] == ["modem", "h1"]


def test_nothing_changes_between_a_plan_and_itself() -> None:
    home, _, _ = small_network()
    plan = make_plan((home,))
    assert not compare(plan, make_plan((home,), previous=plan))


def test_a_new_host_on_a_switch_leaves_the_others_alone() -> None:
    home, _, _ = small_network()
    before = make_plan((home,))
    Link(home, Host("h2"))
    change = compare(before, make_plan((home,), previous=before))
    assert [node.name for node in change.nodes] == ["h2"]
    assert change.bridges == ()
    assert len(change.wires) == 1
    assert [item.node for item in change.inside] == ["h2"]


def test_a_new_network_behind_a_router_changes_the_routes_of_the_old_ones() -> None:
    home, modem, _ = small_network()
    office = Router("office")
    Link(modem, office)
    before = make_plan((home,))
    Link(office, Host("desk"))
    change = compare(before, make_plan((home,), previous=before))
    routes = {item.node: item.routes_add for item in change.inside}
    assert [str(route.destination) for route in routes["modem"]] == ["10.0.3.0/24"]


def test_the_way_back_takes_out_of_the_nodes_what_came_in() -> None:
    home, modem, h1 = small_network()
    before = make_plan((home,))
    modem.masquerade(Link(modem, Host("www")))
    Link(home, Host("h2"), address="2001:db8::5/64")
    after = make_plan((home,), previous=before)
    back = {change.node: change for change in compare(after, before).inside}
    assert back["modem"].rules == RulesetPlan()
    assert loadable(RulesetPlan()) == [NO_RULES]  # an empty ruleset would change nothing
    assert [str(address) for _, address in back["h1"].addresses_remove] == [
        str(address) for address in after.node("h1").interfaces[0].addresses if address.version == 6
    ]
    assert dict(back["h1"].sysctls).items() <= dict(before.node("h1").sysctls).items()
    assert h1.name in back


def test_a_wire_that_goes_down_takes_the_routes_of_both_its_ends_along() -> None:
    modem, isp, h1, www = Router("modem"), Router("isp"), Host("h1"), Host("www")
    Link(h1, modem)
    uplink = Link(modem, isp)
    Link(isp, www)
    before = make_plan((modem,))
    uplink.down()
    after = make_plan((modem,), previous=before)
    change = compare(before, after)
    [wire] = change.wires_change
    assert (wire.old.up, wire.new.up) == (True, False)
    assert (change.wires, change.wires_remove, change.nodes) == ((), (), ())
    assert {item.node for item in change.inside} == {"modem", "isp"}
    assert all(item.routes_remove and not item.routes_add for item in change.inside)
    back = compare(after, before)
    assert {item.node: item.routes_add for item in back.inside} == {
        item.node: item.routes_remove for item in change.inside
    }


def test_a_wire_at_a_switch_goes_down_without_a_change_in_its_host() -> None:
    home, _, h1 = small_network()
    before = make_plan((home,))
    h1.links[0].down()
    change = compare(before, make_plan((home,), previous=before))
    assert len(change.wires_change) == 1
    assert change.inside == ()


def test_a_new_wire_that_begins_impaired_is_made_and_then_changed() -> None:
    home, _, h1 = small_network()
    h1.links[0].impair(delay_ms=5)
    plan = make_plan((home,))
    change = compare(None, plan)
    assert change.wires == plan.wires
    [wire] = change.wires_change
    assert wire.new in plan.wires
    assert (wire.old.toward_a, wire.old.up) == (None, True)
