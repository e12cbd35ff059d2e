"""Overlays in labs: one network behind several leaves, by VXLAN with EVPN."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from playground.engines.namespaces.engine import NamespacesEngine
from playground.engines.seam import Engine
from playground.lab.lab import Lab
from playground.operations.network import Host, Link, Router, Switch
from tests.facts import assert_can_ping, assert_cannot_ping, assert_path, wait_on


class Fabric:
    """A spine and three leaves, each of a system of its own, and a tenant behind all of them."""

    def __init__(self, *, as_number: int | None = None) -> None:
        self.spine = Router("spine", routing="bgp", as_number=as_number, loopback="10.10.10.100/32")
        self.leaves = [
            Router(f"leaf{n}", routing="bgp", as_number=as_number, loopback=f"10.10.10.{n}/32")
            for n in (1, 2, 3)
        ]
        self.cables = [Link(self.spine, leaf, mtu=1550) for leaf in self.leaves]
        self.lan = Switch("lan", subnet=["192.168.1.0/24", "2001:db8:1::/64"])
        self.h1, self.h2, self.h3 = self.hosts = [Host(f"h{number}") for number in (1, 2, 3)]
        Link(self.lan, self.h1)
        self.ports = [Link(self.leaves[0], self.lan)]
        self.ports += [
            Link(leaf, h) for leaf, h in zip(self.leaves[1:], self.hosts[1:], strict=True)
        ]
        for leaf, port in zip(self.leaves, self.ports, strict=True):
            leaf.vni(100, port)


@pytest.fixture(scope="module")
def fabric(engine: Engine) -> Iterator[Fabric]:
    found = Fabric()
    with Lab(found.spine, name="overlays", quiet=True, engine=engine):
        yield found


def test_hosts_behind_different_leaves_are_at_one_switch(fabric: Fabric) -> None:
    assert_path(fabric.h1, "192.168.1.3", "192.168.1.3")
    assert_can_ping(fabric.h2, fabric.h3)
    assert_can_ping(fabric.h1, "2001:db8:1::2")


def test_full_frames_pass_where_leaves_carry_more(fabric: Fabric) -> None:
    fabric.h1.run("ping -M do -s 1472 -c 1 -W 5 192.168.1.2")


def test_frames_travel_in_udp_from_leaf_to_leaf(fabric: Fabric) -> None:
    with fabric.cables[1].capture(filter="udp port 4789") as packets:
        assert_can_ping(fabric.h1, fabric.h2)
    assert {packet.source for packet in packets} >= {"10.10.10.1", "10.10.10.2"}


def test_leaves_tell_each_other_which_addresses_are_behind_them(fabric: Fabric) -> None:
    assert_can_ping(fabric.h2, fabric.h1)
    mac = fabric.h2.interfaces["eth0"].mac
    deadline = time.monotonic() + 20
    while not (rows := [r for r in fabric.leaves[0].vni_addresses(100) if r.mac == mac]):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    [row] = rows
    assert (row.leaf, row.vtep, row.interface) == ("leaf2", "10.10.10.2", None)


def test_the_network_below_knows_nobody_of_the_tenant(fabric: Fabric) -> None:
    assert_cannot_ping(fabric.leaves[0], "192.168.1.1")
    assert not [r for r in fabric.spine.routes() if str(r.destination).startswith("192.168.")]
    assert "spine" not in fabric.h1.hosts


def test_a_leaf_leaves_and_comes_back_while_a_lab_runs(
    namespaces_engine: NamespacesEngine,
) -> None:
    found = Fabric(as_number=65000)
    with Lab(found.spine, name="overlay-grows", quiet=True, engine=namespaces_engine) as lab:
        assert_can_ping(found.h1, found.h2)
        vni = found.leaves[2].vnis[100]
        vni.remove()
        assert_cannot_ping(found.h1, "192.168.1.3")
        assert_can_ping(found.h1, found.h2)
        found.leaves[2].vni(100, found.ports[2])
        # Its bgpd has started anew, for it tells of another network now.
        wait_on(found.h1, "ping -c 1 -W 1 192.168.1.3")
        # Who has stopped says so, as its sessions end; then nobody sends there any more.
        found.leaves[1].services["bgp"].stop()
        wait_on(found.h1, "! ping -c 1 -W 1 192.168.1.2")
        why = lab.explain(found.h1, found.h2)
        assert why.cause == "no adjacency", why
        assert "bgpd does not run on leaf2" in why.sentence
        assert why.advice == 'Start it: leaf2.services["bgp"].start().'
