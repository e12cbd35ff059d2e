"""Ready labs about routing do what their pictures say."""

from __future__ import annotations

from playground.engines.seam import Engine
from playground.examples import customers_and_peers, data_centre, multi_area_ospf, vrrp_pair
from playground.lab.lab import Lab
from playground.operations.network import Router
from tests.facts import assert_can_ping, wait_on


def learned(lab: Lab, name: str) -> set[str]:
    """The networks that a router has been told of."""
    router = lab[name]
    assert isinstance(router, Router)
    return {str(route.destination) for route in router.routes() if route.via}


def test_each_area_hears_what_its_kind_lets_it_hear(engine: Engine) -> None:
    with multi_area_ospf(quiet=True) as lab:
        assert learned(lab, "branch") == {"0.0.0.0/0"}
        assert {"10.1.0.0/16", "10.2.3.0/24", "172.20.0.0/24"} <= learned(lab, "core2")
        assert "10.1.1.0/24" not in learned(lab, "core2")
        assert {"0.0.0.0/0", "10.1.0.0/16", "172.20.0.0/24"} <= learned(lab, "factory")
        assert_can_ping(lab["shop"], lab["supplier"])
        assert_can_ping(lab["office"], lab["machine"])


def way(lab: Lab, start: str, to: str) -> list[str]:
    """The nodes that a packet passes, by their names."""
    owners = lab.plan().owners
    return [owners[hop] for hop in lab[start].traceroute(to).hops if hop]


def test_nobody_is_a_way_for_those_who_do_not_pay_it(engine: Engine) -> None:
    with customers_and_peers(quiet=True) as lab:
        # By the providers' peering, which costs nothing, and by the way that is no backup.
        assert way(lab, "alice", "bob") == ["r-alice", "west", "east", "r-bob", "bob"]
        assert way(lab, "mirror", "both") == ["transit", "west", "r-both", "both"]
        west, east = lab["west"], lab["east"]
        [peering] = [link for link in west.links if link in east.links]
        peering.down()
        lab.wait_converged()
        # Their customer would be as near, and is no way for them: the transit is paid for it.
        assert way(lab, "alice", "bob") == ["r-alice", "west", "transit", "east", "r-bob", "bob"]


def test_leaves_send_by_all_spines_over_links_without_addresses(engine: Engine) -> None:
    with data_centre(quiet=True) as lab:
        leaf, spine = lab["leaf1"], lab["spine1"]
        # start() waits until one way leads there, not until all of as many hops do.
        wait_on(leaf, "ip route show 10.0.3.0/24 | grep -c eth | grep 2")
        ways = {
            route.interface for route in leaf.routes() if str(route.destination) == "10.0.3.0/24"
        }
        assert ways == {"eth0", "eth1"}
        assert all(":" in str(route.via) for route in leaf.routes() if route.via)
        assert_can_ping(lab["s1"], lab["s3"])
        found = lab.explain("s1", "s3")
        assert found.ok, found
        [link] = [link for link in leaf.links if link in spine.links]
        link.down()
        lab.wait_converged()
        ways = {
            route.interface for route in leaf.routes() if str(route.destination) == "10.0.3.0/24"
        }
        assert ways == {"eth1"}
        assert_can_ping(lab["s1"], lab["s3"])


def test_one_of_two_gates_has_the_address_that_hosts_send_by(engine: Engine) -> None:
    with vrrp_pair(quiet=True) as lab:
        assert_can_ping(lab["pc1"], lab["www"])
        having = [
            name
            for name in ("gate1", "gate2")
            if "192.168.1.254" in lab[name].run("ip address").stdout
        ]
        assert len(having) == 1
