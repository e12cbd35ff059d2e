"""What routers are told of BGP, seen in the ways of one network that runs.

AS 3 are c1, c2 and the reflector rr on one LAN.  c1 and c2 are linked with isp, AS 2, which has
two networks in one aggregate, and a customer with a private number.

"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from playground.engines.namespaces.engine import NamespacesEngine
from playground.lab.lab import Lab
from playground.model.routing.policy import Permit, RouteMap
from playground.operations.network import Host, Link, Router, Switch

LIMIT_S = 30.0


@pytest.fixture(scope="module")
def lab(namespaces_engine: NamespacesEngine, keep_lab: Callable[[str], None]) -> Iterator[Lab]:
    core = Switch("core", subnet="10.1.0.0/24")
    rr, c1, c2 = (Router(name, routing="bgp", as_number=3) for name in ("rr", "c1", "c2"))
    isp = Router("isp", routing="bgp", as_number=2)
    customer = Router("customer", routing="bgp", as_number=64512)
    for router, address in ((rr, "10.1.0.1/24"), (c1, "10.1.0.2/24"), (c2, "10.1.0.3/24")):
        Link(core, router, address=address)
        if router is not rr:
            rr.bgp_peer(router, client=True)
    for number, router in enumerate((c1, c2), 1):
        Link(isp, router, addresses=(f"192.0.{number}.1/30", f"192.0.{number}.2/30"))
        Link(isp, Host(f"h{number}"), subnet=f"10.2.{number}.0/24")
    Link(isp, customer, addresses=("192.0.3.1/30", "192.0.3.2/30"))
    Link(customer, Host("h3"), subnet="10.4.0.0/24")
    isp.bgp_options(aggregates=["10.2.0.0/16"])
    for router, metric in ((c1, 50), (c2, 10)):
        cost = RouteMap(f"cost-{metric}", Permit(set_metric=metric))
        isp.bgp_peer(router, send=cost, remove_private_as=True, password="secret")
    isp.bgp_peer(customer, default=True)
    with Lab(core, quiet=True, engine=namespaces_engine) as lab:
        assert lab.id is not None
        keep_lab(lab.id)
        yield lab


def way(lab: Lab, router: str, destination: str) -> str | None:
    """Return the next hop that a router uses, and None where it has no such route of BGP."""
    found = {str(row.destination): row for row in lab.node(router).routes()}
    row = found.get(destination)
    return str(row.via) if row is not None and row.protocol == "bgp" else None


def until(look: Callable[[], bool]) -> bool:
    """Look until it is so, for some seconds at most."""
    deadline = time.monotonic() + LIMIT_S
    while not (found := look()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def uses(lab: Lab, router: str, destination: str, hop: str) -> bool:
    """Wait until a router sends to a next hop what is for a network."""
    return until(lambda: way(lab, router, destination) == hop)


def told(lab: Lab, router: str, prefix: str) -> str:
    node = lab[router]
    assert isinstance(node, Router)
    return node.vtysh(f"show bgp ipv4 unicast {prefix}")


def test_the_lower_med_leads_the_way_of_the_whole_system(lab: Lab) -> None:
    assert uses(lab, "c2", "10.2.0.0/16", "192.0.2.1")
    # RFC 4271 section 9.1.2.2: it counts for more than that c1's own way is one out.
    for router in ("rr", "c1"):
        assert uses(lab, router, "10.2.0.0/16", "10.1.0.3")
    assert all(f"metric {metric}" in told(lab, "c1", "10.2.0.0/16") for metric in (10, 50))


def test_a_reflector_hands_on_what_its_client_told(lab: Lab) -> None:
    assert until(lambda: "Cluster list: 10.1.0.1" in told(lab, "c1", "10.2.0.0/16"))
    c1 = lab["c1"]
    assert isinstance(c1, Router)
    neighbours = c1.vtysh("show bgp ipv4 unicast summary")
    assert "10.1.0.1" in neighbours
    assert "10.1.0.3" not in neighbours


def test_an_aggregate_stands_for_its_parts(lab: Lab) -> None:
    assert uses(lab, "c2", "10.2.0.0/16", "192.0.2.1")
    for router in ("rr", "c1", "c2"):
        assert way(lab, router, "10.2.1.0/24") is None
    assert "10.2.1.0/24" in {str(row.destination) for row in lab.node("isp").routes()}


def test_a_private_number_does_not_leave_the_provider(lab: Lab) -> None:
    assert uses(lab, "c2", "10.4.0.0/24", "192.0.2.1")
    assert "64512" in told(lab, "isp", "10.4.0.0/24")
    assert "64512" not in told(lab, "c2", "10.4.0.0/24")


def test_a_customer_is_told_of_a_default_route(lab: Lab) -> None:
    assert uses(lab, "customer", "0.0.0.0/0", "192.0.3.1")
    assert way(lab, "c1", "0.0.0.0/0") is None


def test_a_session_with_a_password_is_signed(lab: Lab) -> None:
    # RFC 2385 section 3.0: option 19 of TCP, 18 bytes long.
    def signed(router: str) -> bool:
        command = "timeout 10 tcpdump -n -v -c 1 -i any tcp port 179 and host"
        address = {"c1": "192.0.1.2", "customer": "192.0.3.2"}[router]
        return "md5" in lab.node("isp").run(f"{command} {address}").stdout

    assert signed("c1")
    assert not signed("customer")
