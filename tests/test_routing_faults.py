"""Routers that do not come together: what is said of them, and when."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from playground.engines.namespaces.engine import NamespacesEngine
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


def pair(name: str, routing: str, version: int = 4) -> tuple[Router, Router, Link]:
    """Two routers on a link, of which the second has an address that the first is to learn of."""
    a = Router(f"{name}1", routing=routing, as_number=65001 if routing == "bgp" else None)
    number = len(name) + sum(map(ord, name)) % 200
    b = Router(
        f"{name}2",
        routing=routing,
        as_number=65002 if routing == "bgp" else None,
        loopback=f"10.254.{number}.1/32" if version == 4 else f"2001:db8:{number}::1/128",
    )
    subnet = None if version == 4 else f"2001:db8:{number}:1::/64"
    return a, b, Link(a, b, subnet=subnet)


@pytest.fixture(scope="module")
def disagreeing(
    namespaces_engine: NamespacesEngine, keep_lab: Callable[[str], None]
) -> Iterator[Lab]:
    """Pairs of routers that do not come together, each for a reason of its own."""
    routers: list[Router] = []
    for name, routing in (
        *((one, "ospf") for one in ("area", "timer", "key", "zero", "v6key", "v6timer")),
        *((one, "bgp") for one in ("number", "secret")),
        *((one, "isis") for one in ("level", "sign")),
    ):
        a, b, link = pair(name, routing, 6 if name.startswith("v6") else 4)
        routers += [a, b]
        if name == "area":
            b.configure("interface eth0\n no ip ospf area 0.0.0.0\n ip ospf area 0.0.0.7")
        elif name in ("timer", "v6timer"):
            a.ospf(link, hello_s=1)
            b.ospf(link, hello_s=2)
        elif name in ("key", "v6key"):
            a.ospf(link, password="one")
            b.ospf(link, password="two")
        elif name == "zero":
            a.ospf(link, network="broadcast", priority=0)
            b.ospf(link, priority=0)
        elif name == "number":
            b.configure(
                "router bgp 65002\n no neighbor 10.0.5.1\n neighbor 10.0.5.1 remote-as 65009"
            )
        elif name == "secret":
            a.bgp_peer(b, password="one")
            b.bgp_peer(a, password="two")
        elif name == "level":
            a.isis_options(level=1)
        elif name == "sign":
            a.isis(link, password="one")
            b.isis(link, password="two")
    with Lab(
        *routers,
        name="disagreeing",
        strict=False,
        converge=False,
        quiet=True,
        engine=namespaces_engine,
    ) as lab:
        keep_lab(lab.id)
        yield lab


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("area", "they are in different areas: 0.0.0.0 on eth0 of area1, and 0.0.0.7 on eth0 of"),
        ("timer", "their hello intervals differ: 1000 ms on eth0 of timer1, and 2000 ms"),
        ("key", "their passwords, or kinds of authentication, differ on eth0 of key1"),
        ("v6timer", "their hello intervals differ: 1000 ms on eth0 of v6timer1, and 2000 ms"),
        ("v6key", "their passwords, or kinds of authentication, differ on eth0 of v6key1"),
        ("zero", "all routers there have priority 0, so that none becomes the designated router"),
        ("number", "number2 takes number1 to be of AS 65009, and it is of AS 65001"),
        ("secret", "their passwords (`neighbor ... password`) differ"),
        ("level", "they have no level in common: level 1 on eth0 of level1, and 2 on eth0 of"),
        ("sign", "their passwords differ on eth0 of sign1 and eth0 of sign2"),
    ],
)
def test_the_cause_of_a_neighbours_state_is_named(disagreeing: Lab, name: str, words: str) -> None:
    there = disagreeing[f"{name}2"].loopback[0].ip
    for _ in range(40):
        found = disagreeing.explain(disagreeing[f"{name}1"], str(there))
        if words in found.sentence:
            break
        time.sleep(0.5)
    assert (found.node, found.cause) == (f"{name}1", "no adjacency"), found
    assert words in found.sentence
