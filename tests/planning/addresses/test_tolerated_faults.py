"""Likely mistakes: refused, or taken with a warning by a lab that is not strict."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest

from playground.engines.seam import Engine
from playground.errors import LabWarning, TopologyError
from playground.lab import lab_as_json
from playground.lab.credentials import Credentials
from playground.lab.lab import Lab
from playground.operations.network import Host, Link, Node, Router, Switch
from playground.planning.addresses.tolerated_faults import Doubts
from playground.planning.planner import make_plan
from tests.facts import assert_can_ping


def masks_between_two() -> Node:
    r, client = Router("r"), Host("client")
    Link(r, client, addresses=("200.2.0.1/16", "200.2.0.2/24"))
    return r


def mask_at_a_switch() -> Node:
    lan = Switch("lan", subnet="200.2.0.0/16")
    Link(lan, Router("r"), address="200.2.0.1")
    Link(lan, Host("client"), address="200.2.0.2/24")
    return lan


def network_that_is_not_the_switchs() -> Node:
    lan = Switch("lan", subnet="10.3.0.0/24")
    Link(lan, Router("r"))
    Link(lan, Host("client"), address="10.9.0.5/24")
    return lan


def one_address_twice() -> Node:
    lan = Switch("lan", subnet="10.3.0.0/24")
    for name in ("h1", "h2"):
        Link(lan, Host(name), address="10.3.0.5")
    return lan


def one_address_at_both_ends() -> Node:
    h1 = Host("h1")
    Link(h1, Host("h2"), addresses=("10.3.0.5/24", "10.3.0.5/24"))
    return h1


def one_subnet_twice() -> Node:
    r = Router("r")
    for name in ("h1", "h2"):
        Link(r, Host(name), subnet="10.3.0.0/24")
    return r


def two_mtus() -> Node:
    h1 = Host("h1")
    Link(h1, Host("h2"), mtu=(1500, 1400))
    return h1


def storm() -> Node:
    a, b = Switch("a"), Switch("b")
    for _ in range(2):
        Link(a, b)
    Link(a, Host("h1"))
    return a


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (masks_between_two, "client's address 200.2.0.2/24) and 200.2.0.0/16 (from r's address"),
        (mask_at_a_switch, "client's address 200.2.0.2/24) and 200.2.0.0/16 (from switch lan)"),
        (network_that_is_not_the_switchs, "cannot have both 10.3.0.0/24"),
        (one_address_twice, "address 10.3.0.5 is given to h1 and to h2"),
        (one_address_at_both_ends, "address 10.3.0.5 is given to h1 and to h2"),
        (one_subnet_twice, "their subnets 10.3.0.0/24 and 10.3.0.0/24 overlap"),
        (two_mtus, "the MTU is 1500 bytes at h1 and 1400 at h2"),
        (storm, "a and b are linked in a loop in which broadcasts go round for ever"),
    ],
)
def test_what_is_refused_is_taken_by_a_lab_that_is_not_strict(
    build: Callable[[], Node], sentence: str
) -> None:
    node = build()
    with pytest.raises(TopologyError) as caught:
        Lab(node)
    assert sentence in str(caught.value)
    assert "Lab(strict=False)" in str(caught.value)
    with pytest.warns(LabWarning) as shown:
        lab = Lab(node, strict=False)
    assert any(sentence in warning for warning in lab.warnings)
    assert [str(one.message) for one in shown] == list(lab.warnings)
    # It is the line of whoever declared the lab that is shown.
    assert {one.filename for one in shown} == {__file__}


def test_what_is_impossible_is_refused_all_the_same() -> None:
    lan = Switch("lan", subnet="10.3.0.0/24")
    Link(lan, Host("h1"))
    Link(lan, Switch("other"))
    Link(lan.links[-1].peer(lan).node, Host("h2"), address="10.9.0.1")  # type: ignore[arg-type]
    with pytest.raises(TopologyError, match="lies outside its subnet"):
        Lab(lan, strict=False)


def test_each_warning_is_given_once_and_saved_with_the_lab() -> None:
    with pytest.warns(LabWarning):
        lab = Lab(one_address_twice(), strict=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plan = lab.plan()
    saved = lab_as_json.load(lab_as_json.save(lab.nodes, plan, Credentials.make({})))
    assert not saved.plan.strict
    assert saved.plan.warnings == lab.warnings != ()


def test_a_sound_lab_warns_of_nothing() -> None:
    lan = Switch("lan")
    Link(lan, Host("h1"))
    assert Lab(lan, strict=False).warnings == ()


def test_a_sentence_is_kept_once() -> None:
    doubts = Doubts(strict=False)
    doubts.say("a")
    doubts.say("a")
    assert doubts.said == ["a"]
    with pytest.raises(TopologyError, match=r"^a \(Lab"):
        Doubts().say("a")


def test_a_gateway_that_is_out_of_sight_is_no_route() -> None:
    plan = make_plan([network_that_is_not_the_switchs()], strict=False)
    assert plan.node("client").routes == ()
    lan = Switch("lan", subnet="10.3.0.0/16")
    r = Router("r")
    Link(lan, r, address="10.3.0.1")
    Link(lan, Host("client"), address="10.3.9.5/24")
    Link(r, Host("far"))
    plan = make_plan([lan], strict=False)
    assert plan.node("client").routes == ()
    assert "client has no route to 0.0.0.0/0: the gateway 10.3.0.1 lies outside" in " ".join(
        plan.warnings
    )


def test_the_classic_fault_runs_and_is_found(engine: Engine) -> None:
    lan, r = Switch("lan", subnet="200.2.0.0/16"), Router("r")
    client, server, spare = Host("client"), Host("server"), Host("spare")
    Link(lan, r, address="200.2.0.1")
    Link(lan, client, address="200.2.0.2/24")
    Link(lan, server, address="200.2.9.9")
    Link(lan, spare, address=None)
    Link(r, Host("far"), mtu=(1500, 1400))
    with pytest.warns(LabWarning, match="differ in their prefix|the MTU is 1500 bytes at r"):
        lab = Lab(lan, strict=False, quiet=True)
    with lab:
        assert [str(a) for a in client.interfaces["eth0"].addresses] == ["200.2.0.2/24"]
        assert_can_ping(client, "far")
        # Its own MTU is shorter than the router's, which sends what is lost there.
        assert lab["far"].interfaces["eth0"].mtu_bytes == 1400
        assert not client.run("ping -c 2 -i 0.1 -W 1 -s 1450 -M do far", check=False).ok
        assert client.run("ping -c 1 -W 5 -s 1300 -M do far").ok
        # Packets to hosts that its mask hides go by the router, and come back straight.
        assert client.traceroute(server).hops[0] == "200.2.0.1"
        # And who was given no address takes one by hand.
        assert spare.address is None
        assert "inet " not in spare.run("ip address show dev eth0").stdout
        spare.run("ip address add 200.2.0.3/16 dev eth0")
        assert_can_ping(server, "200.2.0.3")
