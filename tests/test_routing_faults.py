"""Routers that do not come together: what is said of them, and when."""

from __future__ import annotations

import time

import pytest

from playground.engines.seam import Engine
from playground.errors import NotReady, TopologyError
from playground.lab.convergence import refuse_split
from playground.lab.lab import Lab
from playground.operations.network import Host, Link, Router, Switch
from playground.planning.planner import make_plan


def split() -> list[Router]:
    """A system in two places, with another between them, and a host on each."""
    transit = Router("transit", routing="bgp", as_number=2)
    a, b = (Router(name, routing="bgp", as_number=180) for name in ("a", "b"))
    for router in (a, b):
        Link(transit, router)
        Link(router, Host(f"h{router.name}"))
    return [transit, a, b]


def test_a_system_in_two_places_is_named_before_anything_is_made() -> None:
    routers = split()
    with pytest.raises(TopologyError, match="AS 180 is in two places: a and b are joined by no"):
        Lab(*routers, quiet=True).start()
    Link(routers[1], routers[2])
    refuse_split(make_plan(routers))


def test_two_ends_of_a_system_that_nothing_lies_between_are_no_trouble() -> None:
    a, b = (Router(name, routing="bgp", as_number=180) for name in ("a", "b"))
    middle = Router("middle")
    for router in (a, b):
        Link(middle, router)
        Link(router, Host(f"h{router.name}"))
    refuse_split(make_plan([a]))  # static routes lead from one to the other


def test_a_lab_that_cannot_converge_starts_where_nobody_waits(engine: Engine) -> None:
    routers = split()
    with Lab(*routers, converge=False, quiet=True) as lab:
        Link(routers[0], Host("h"))
        lab.start()  # a lab that grows does not wait either
        with pytest.raises(NotReady):
            lab.wait_converged(0.1)
        began = time.monotonic()
        with pytest.raises(NotReady, match="AS 180 is in two places"):
            lab.wait_converged()
        assert time.monotonic() - began < 30  # nobody waits for what no time would help
    with pytest.raises(TopologyError, match="converge='no' is neither True nor False"):
        lab.start(converge="no")  # type: ignore[arg-type]


def test_what_a_policy_hides_is_not_waited_for(engine: Engine) -> None:
    r1, r2 = (Router(f"r{n}", routing="bgp", as_number=n) for n in (1, 2))
    Link(r1, r2, addresses=("193.10.11.1/24", "193.10.11.2/24"))
    shown, hidden = Switch("b", subnet="195.11.14.0/24"), Switch("c", subnet="195.11.15.0/24")
    Link(shown, r1)
    Link(hidden, r1)
    with Lab(r1, quiet=True) as lab:
        r1.vtysh(
            "configure terminal",
            "ip prefix-list out permit 195.11.14.0/24",
            "router bgp 1",
            "address-family ipv4 unicast",
            "neighbor 193.10.11.2 prefix-list out out",
        )
        r1.vtysh("clear ip bgp * soft")
        r3, h3 = Router("r3", routing="bgp", as_number=3), Host("h3")
        Link(r2, r3)
        Link(r3, h3)
        lab.start()
        known = {str(route.destination) for route in r3.routes()}
        assert "195.11.14.0/24" in known
        assert "195.11.15.0/24" not in known
        found = lab.explain(h3, "195.11.15.1")
        assert (found.node, found.cause) == ("r3", "not announced"), found
        assert "neighbor 193.10.11.2 prefix-list out out" in found.sentence
        # A neighbour that is gone is no policy: the number is not that of r3.
        r2.vtysh("configure terminal", "router bgp 2", "neighbor 10.0.1.2 remote-as 7")
        with pytest.raises(NotReady, match="r2 takes r3 to be of AS 7, and it is of AS 3"):
            lab.wait_converged(1)


def test_two_ospf_routers_whose_mtus_differ(engine: Engine) -> None:
    h1, h2 = Host("h1"), Host("h2")
    r1, r2 = Router("r1", routing="ospf"), Router("r2", routing="ospf")
    Link(h1, r1)
    Link(r2, h2)
    Link(r1, r2)
    with Lab(r1, quiet=True) as lab:
        r2.run("ip link set eth1 mtu 1400")
        for router in (r1, r2):
            router.vtysh("clear ip ospf process")
        r1.run(
            "until vtysh -c 'show ip ospf neighbor' | grep -qE 'ExStart|Exchange'; "
            "do sleep 0.1; done"
        )
        told = r"OSPF with each other \(Ex\w+ at r1\): their MTUs differ: 1500 bytes on eth1 of r1"
        with pytest.raises(NotReady, match=told):
            lab.wait_converged(1)
        found = lab.explain(h1, h2)
        assert (found.node, found.cause) == ("r1", "no adjacency"), found
        assert "their MTUs differ" in found.sentence
        assert found.advice == 'Look at r1.vtysh("show ip ospf neighbor").'
