"""Plans placed on the machines of a swarm."""

from __future__ import annotations

import pytest

from playground import Host, Lab, Link, Router, Switch, Volume
from playground.engines.swarm.placement_weights import place_plan
from playground.errors import TopologyError
from playground.planning.placement.shapes import Demand, MachineRoom
from playground.planning.plan import Plan

THREE = [MachineRoom(name, Demand(20, 2000, 4)) for name in ("m1", "m2", "m3")]


def offices(**said: str | None) -> Plan:
    """Two switches with hosts, and a slow link between the routers at them."""
    routers = [Router(f"r{number}", machine=said.get(f"r{number}")) for number in (1, 2)]
    Link(*routers).impair(rate_mbit=10)
    for number, router in enumerate(routers, 1):
        lan = Switch(f"lan{number}")
        Link(lan, router)
        for host in range(6):
            Link(lan, Host(f"h{number}{host}"))
    return Lab(*routers).plan()


def test_a_lab_that_fits_is_on_one_machine() -> None:
    placement = place_plan(offices(), THREE, None, {})
    assert set(placement.machines.values()) == {"m1"}


def test_the_slow_link_between_two_offices_is_cut() -> None:
    placement = place_plan(offices(), THREE, 2, {})
    assert placement.cut == (("r1", "r2"),)
    assert placement["lan1"] == placement["h10"] == placement["r1"]


def test_a_node_is_where_it_was_told_to_be() -> None:
    assert place_plan(offices(r2="m3"), THREE, None, {})["r2"] == "m3"
    with pytest.raises(TopologyError, match="r2 is to run on the machine 'm9'"):
        place_plan(offices(r2="m9"), THREE, None, {})


def test_what_runs_stays_where_it_is() -> None:
    settled = {"r1": "m2", "lan1": "m2"}
    assert place_plan(offices(), THREE, None, settled)["r1"] == "m2"


def test_memory_that_was_promised_counts() -> None:
    hosts = [Host(f"db{number}", memory_mb=1500) for number in range(3)]
    lan = Switch("lan")
    for host in hosts:
        Link(lan, host)
    placement = place_plan(Lab(lan).plan(), THREE, None, {})
    assert sorted(placement[host.name] for host in hosts) == ["m1", "m2", "m3"]


def sharing(**machines: str) -> Plan:
    """Hosts of which the first two share a volume, and the second and third another."""
    data, logs, lan = Volume("data"), Volume("logs"), Switch("lan")
    volumes = ({data: "/data"}, {data: "/data", logs: "/logs"}, {logs: "/logs"}, None)
    for number, shared in enumerate(volumes):
        name = f"h{number}"
        Link(lan, Host(name, volumes=shared, machine=machines.get(name)))
    return Lab(lan).plan()


def test_hosts_that_share_volumes_are_on_one_machine() -> None:
    placement = place_plan(sharing(h3="m1", h2="m3"), THREE, 3, {})
    assert [placement[f"h{number}"] for number in range(4)] == ["m3", "m3", "m3", "m1"]
    assert ("lan", "h3") in placement.cut or ("lan", "h0") in placement.cut


def test_hosts_that_share_a_volume_cannot_be_on_two_machines() -> None:
    with pytest.raises(TopologyError, match="h0 is on the machine m1 and h2 on m2, and both share"):
        place_plan(sharing(h0="m1", h2="m2"), THREE, None, {})
