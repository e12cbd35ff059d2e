"""What turns one plan into another."""

from __future__ import annotations

from playground.changes import compare
from playground.planning import make_plan
from playground.topology import Host, Link, Router, Switch


def small_network() -> tuple[Switch, Router, Host]:
    home, modem, h1 = Switch("home"), Router("modem"), Host("h1")
    Link(home, modem)
    Link(home, h1)
    return home, modem, h1


def test_the_first_start_adds_everything() -> None:
    home, _, _ = small_network()
    plan = make_plan((home,))
    change = compare(None, plan)
    assert [node.name for node in change.nodes_add] == ["modem", "h1"]
    assert change.bridges_add == (plan.switches[0].device,)
    assert change.wires_add == plan.wires
    assert [item.node for item in change.inside] == ["modem", "h1"]
    assert change.nodes_remove == change.bridges_remove == change.wires_remove == ()


def test_nothing_changes_between_a_plan_and_itself() -> None:
    home, _, _ = small_network()
    plan = make_plan((home,))
    assert not compare(plan, make_plan((home,), previous=plan))


def test_a_new_host_on_a_switch_leaves_the_others_alone() -> None:
    home, _, _ = small_network()
    before = make_plan((home,))
    Link(home, Host("h2"))
    change = compare(before, make_plan((home,), previous=before))
    assert [node.name for node in change.nodes_add] == ["h2"]
    assert change.bridges_add == ()
    assert len(change.wires_add) == 1
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


def test_the_way_back_removes_what_the_way_there_added() -> None:
    home, modem, _ = small_network()
    before = make_plan((home,))
    uplink = Link(modem, Host("www"))
    modem.masquerade(uplink)
    after = make_plan((home,), previous=before)
    there, back = compare(before, after), compare(after, before)
    assert back.nodes_remove == there.nodes_add
    assert back.wires_remove == there.wires_add
    rules = {item.node: item.ruleset for item in back.inside}
    assert rules["modem"] == before.node("modem").ruleset
