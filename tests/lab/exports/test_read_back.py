"""What is read back from our own exports is the same network: a property of all labs."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import playground
from playground import Host, Lab, Link, Router, Switch
from playground.operations.network import Node
from playground.planning.plan import Plan


@st.composite
def labs(draw: st.DrawFn) -> list[Node]:
    """Return the nodes of a lab: hosts at switches, routers between, cables between those."""
    switches = [Switch(f"lan{n}") for n in range(draw(st.integers(1, 3)))]
    routers = [Router(f"r{n}") for n in range(draw(st.integers(1, 3)))]
    hosts = [Host(f"h{n}", env={"N": f"${n} $HOME"}) for n in range(draw(st.integers(1, 4)))]
    for host in hosts:
        Link(draw(st.sampled_from(switches)), host)
    for router in routers:
        for switch in draw(st.lists(st.sampled_from(switches), unique=True, max_size=2)):
            Link(switch, router)
    for a, b in itertools.pairwise(routers):
        if draw(st.booleans()):
            Link(a, b, names=("eth7", None), subnet=draw(st.sampled_from([None, "10.200.0.0/24"])))
    return [*switches, *routers, *hosts]


def cabling(plan: Plan) -> set[Any]:
    """Return who is linked with whom, by which interfaces."""
    machines = {node.name for node in plan.nodes}
    found = set()
    for wire in plan.wires:
        ends = [(e.node, e.interface if e.node in machines else "") for e in (wire.a, wire.b)]
        found.add(frozenset(ends))
    return found


def addresses(plan: Plan) -> dict[tuple[str, str], list[str]]:
    """Return the addresses of each interface."""
    return {
        (node.name, item.name): [str(one) for one in item.addresses]
        for node in plan.nodes
        for item in node.interfaces
    }


def ways(plan: Plan) -> set[tuple[str, str, str]]:
    """Return each node's routes by gateways, whoever said them."""
    found: set[tuple[str, str, str]] = set()
    for node in plan.nodes:
        found |= {
            (node.name, str(route.destination), str(route.via))
            for route in node.routes
            if route.via is not None
        }
        found |= {
            (node.name, str(route.destination), str(hop.via))
            for route in node.own_routes
            for hop in route.hops
        }
    return found


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp())
    yield path
    shutil.rmtree(path)


SETTINGS = settings(
    max_examples=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
pytestmark = pytest.mark.filterwarnings("ignore::playground.errors.LabWarning")


@SETTINGS
@given(labs())
def test_a_topology_of_containerlab_is_the_same_network(folder: Path, nodes: list[Node]) -> None:
    lab = Lab(*nodes, quiet=True, strict=False, name="x")
    path = lab.export("containerlab", folder / "lab.clab.yml")
    again = playground.load(path, quiet=True).plan()
    assert cabling(again) == cabling(lab.plan())
    assert addresses(again) == addresses(lab.plan())
    assert ways(again) == ways(lab.plan())
    assert [node.container.env for node in again.nodes] == [
        node.container.env for node in lab.plan().nodes
    ]


@SETTINGS
@given(labs())
def test_a_folder_of_kathara_is_the_same_network(folder: Path, nodes: list[Node]) -> None:
    lab = Lab(*nodes, quiet=True, strict=False, name="x")
    shutil.rmtree(folder / "kathara", ignore_errors=True)
    again = playground.load(lab.export("kathara", folder / "kathara"), quiet=True).plan()
    # A cable between two is a domain there, which is a hub here: the ends are what counts.
    assert {end for one in cabling(lab.plan()) for end in one if end[1]} == {
        end for one in cabling(again) for end in one if end[1]
    }
    assert addresses(again) == addresses(lab.plan())
    assert ways(again) == ways(lab.plan())


@SETTINGS
@given(labs())
def test_a_compose_file_has_the_same_addresses(folder: Path, nodes: list[Node]) -> None:
    lab = Lab(*nodes, quiet=True, strict=False, name="x")
    again = playground.load(lab.export("compose", folder / "compose.yaml"), quiet=True).plan()
    assert sorted(addresses(again).values()) == sorted(addresses(lab.plan()).values())
    assert {node.name for node in again.nodes} == {node.name for node in lab.plan().nodes}


@pytest.mark.parametrize("seen", ["containerlab", "again"])
def test_settings_of_a_container_are_read_back_from_containerlab(tmp_path: Path, seen: str) -> None:
    web = Host(
        "web",
        image="alpine:3",
        entrypoint=["/bin/sh", "-c"],
        command=["echo $STATUS; sleep 9"],
        env={"STATUS": "$1", "EMPTY": ""},
        labels={"team": "a"},
        user="1000:1000",
        memory_mb=64,
        cpus=0.5,
        shm_mb=32,
        cap_add=["SYS_NICE"],
        dns=["10.0.0.53"],
        restart="always",
        aliases=["shop"],
        after={"db": "well", "init": "ended"},
    )
    db = Host("db", image="postgres:17", healthcheck=["true", "$X"], health_interval_s=5)
    init = Host("init", image="alpine:3", command="true")
    path = Lab(web, db, init, quiet=True).export("containerlab", tmp_path / "lab.clab.yml")
    lab = playground.load(path, quiet=True)
    if seen == "again":
        lab = playground.load(lab.export("containerlab", tmp_path / "again.clab.yml"), quiet=True)
    for host in (web, db, init):
        before, after = host.container.said(), lab[host.name].container.said()
        assert after["programs"], "what sets it up is run beside"
        assert {**after, **before} == after
    assert lab["web"].limits == web.limits
