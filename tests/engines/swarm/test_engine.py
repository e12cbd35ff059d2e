"""Facts about a lab over three machines of a Docker Swarm."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest

from playground import Host, Lab, Link, Router, Switch
from playground.engines import owners
from playground.engines.seam import LabLabels, LabRecord
from playground.engines.swarm.engine import SwarmEngine, _seconds
from playground.errors import AgentError, EngineError, PlaygroundError, TopologyError
from tests.swarm_machines import SwarmOfTests


class Offices:
    """A switch with hosts on three machines, and behind a router a host on the third."""

    def __init__(self) -> None:
        self.lan = Switch("lan")
        self.hosts = [Host(f"h{number}", machine=f"m{number}") for number in (1, 2, 3)]
        self.router = Router("r1", machine="m1")
        self.far = Host("far", machine="m3")
        self.ports = [Link(self.lan, node) for node in (*self.hosts, self.router)]
        self.uplink = Link(self.router, self.far)


@pytest.fixture(scope="module")
def offices(swarm_engine: SwarmEngine, keep_lab: object) -> Iterator[tuple[Lab, Offices]]:
    made = Offices()
    with Lab(made.lan, name="offices", engine=swarm_engine) as lab:
        keep_lab(lab.id)  # type: ignore[operator]
        yield lab, made


def test_each_node_is_where_it_was_told_to_be(
    offices: tuple[Lab, Offices], swarm: SwarmOfTests
) -> None:
    lab, made = offices
    placement = lab.plan().placement
    assert placement is not None
    assert [placement[host.name] for host in made.hosts] == ["m1", "m2", "m3"]
    for host, machine in zip(made.hosts, swarm.machines, strict=True):
        names = machine.docker("ps", "--format", '{{.Label "playground.node"}}').split()
        assert host.name in names


def test_the_list_of_labs_says_which_machine_has_what(
    offices: tuple[Lab, Offices], swarm_engine: SwarmEngine
) -> None:
    lab, made = offices
    record = next(one for one in swarm_engine.labs() if one.id == lab.id)
    assert dict(record.places) | {"late": ""} == {
        **{host.name: host.machine for host in (*made.hosts, made.far)},
        "r1": "m1",
        "late": "",
    }


def test_a_picture_shades_the_machines_if_asked(offices: tuple[Lab, Offices]) -> None:
    lab, _ = offices
    words = [region.word for region in lab.picture(group="machines").diagram.regions]
    assert words == ["m1", "m2", "m3"]
    assert lab.picture().diagram.regions == ()


def test_hosts_at_one_switch_reach_each_other_over_machines(offices: tuple[Lab, Offices]) -> None:
    _, made = offices
    h1, h2, h3 = made.hosts
    assert h1.ping(h2).received == 3
    assert h2.ping(h3).received == 3


def test_a_way_over_a_router_crosses_machines(offices: tuple[Lab, Offices]) -> None:
    _, made = offices
    assert len(made.hosts[1].traceroute(made.far).hops) == 2


def test_packets_pass_in_full_size(offices: tuple[Lab, Offices]) -> None:
    _, made = offices
    found = made.hosts[1].run("ping -c 2 -i 0.2 -q -M do -s 1472 far").stdout
    assert "2 received" in found


def test_a_node_has_no_interface_but_those_of_the_lab(offices: tuple[Lab, Offices]) -> None:
    _, made = offices
    found = made.hosts[0].run("ip -br link").stdout.split("\n")
    assert sorted(line.split("@")[0].split()[0] for line in found if line) == ["eth0", "lo"]


def test_both_ends_lose_their_carrier(offices: tuple[Lab, Offices]) -> None:
    _, made = offices
    made.uplink.down()
    try:
        for node, name in ((made.router, "eth1"), (made.far, "eth0")):
            assert "NO-CARRIER" in node.run(f"ip link show {name}").stdout or not _is_up(node, name)
        assert made.hosts[0].ping(made.far, count=1).received == 0
    finally:
        made.uplink.up()
    assert made.hosts[0].ping(made.far).received == 3


def test_a_host_at_a_switch_on_another_machine_loses_its_carrier(
    offices: tuple[Lab, Offices],
) -> None:
    _, made = offices
    h3 = made.hosts[2]
    made.ports[2].down()
    try:
        assert "NO-CARRIER" in h3.run("ip link show eth0").stdout
    finally:
        made.ports[2].up()
    assert h3.ping(made.hosts[0]).received == 3


def _is_up(node: Host | Router, name: str) -> bool:
    return "state UP" in node.run(f"ip link show {name}").stdout


def test_a_link_over_machines_is_captured_and_counted(offices: tuple[Lab, Offices]) -> None:
    _, made = offices
    with made.uplink.capture() as packets:
        made.hosts[1].ping(made.far, count=2)
    assert len([packet for packet in packets if "ICMP" in str(packet)]) >= 4


def test_a_packet_is_captured_on_each_machine_that_it_passes(offices: tuple[Lab, Offices]) -> None:
    lab, made = offices
    with lab.capture(filter="icmp") as packets:
        made.hosts[1].ping(made.far, count=1)
    assert [packet.where for packet in packets] == [
        *("h2/eth0", "r1/eth0", "r1/eth1", "far/eth0"),
        *("far/eth0", "r1/eth1", "r1/eth0", "h2/eth0"),
    ]


def test_a_packet_is_explained_over_machines(offices: tuple[Lab, Offices]) -> None:
    lab, made = offices
    found = lab.explain(made.hosts[1], made.far)
    assert found.ok
    assert "r1" in str(found)
    refused = lab.explain(made.hosts[1], made.far, port=80)
    assert (refused.cause, refused.node) == ("server stopped", "far")


def test_the_state_of_all_kernels_is_read_in_one_go(offices: tuple[Lab, Offices]) -> None:
    lab, _ = offices
    assert "far" in str(lab.state())


def test_a_host_that_is_declared_later_is_placed_and_plugged_in(
    offices: tuple[Lab, Offices],
) -> None:
    lab, made = offices
    late = Host("late", machine="m2")
    Link(made.lan, late)
    lab.start()
    assert late.ping(made.hosts[2]).received == 3


def test_sockets_say_why_they_cannot_be(offices: tuple[Lab, Offices]) -> None:
    _, made = offices
    with pytest.raises(PlaygroundError, match="cannot leave the kernel"), made.hosts[0].sockets():
        pass


def test_a_machine_that_there_is_not_is_refused(swarm_engine: SwarmEngine) -> None:
    h1, h2 = Host("h1", machine="m9"), Host("h2")
    Link(h1, h2)
    with pytest.raises(TopologyError, match="'m9', and the swarm has m1, m2, m3"):
        Lab(h1, engine=swarm_engine).start()


def test_a_port_of_a_host_on_another_machine_is_published(offices: tuple[Lab, Offices]) -> None:
    lab, made = offices
    script = "import socket as s; l = s.create_server(('127.0.0.1', 80)); print(flush=True); "
    script += "c, _ = l.accept(); c.sendall(c.recv(9)[::-1])"
    with made.far.start(["python3", "-c", script]) as server:
        server.stdout.readline()
        with (
            lab.publish(made.far, 80) as address,
            socket.create_connection(("127.0.0.1", address.port), 20) as caller,
        ):
            caller.sendall(b"abc")
            assert caller.recv(9) == b"cba"


_OWNER = """
from playground import Host, Lab, Link
from playground.engines import owners
from playground.engines.seam import LabLabels, LabRecord
from playground.engines.swarm.engine import SwarmEngine
hosts = [Host(f"h{n}", machine=f"m{n}") for n in (1, 2, 3)]
for one, other in zip(hosts, hosts[1:]):
    Link(one, other)
lab = Lab(*hosts, name="owned", quiet=True, engine="swarm").start()
print(lab.id, flush=True)
input()
"""


def test_an_owner_that_is_killed_leaves_nothing_on_any_machine(
    swarm_engine: SwarmEngine, swarm: SwarmOfTests
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(_OWNER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | swarm.environment,
        text=True,
    ) as owner:
        assert owner.stdout is not None
        lab_id = owner.stdout.readline().strip()
        assert any(record.id == lab_id for record in swarm_engine.labs())
        owner.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while left := _left(swarm, lab_id):
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


def _left(swarm: SwarmOfTests, lab_id: str) -> list[str]:
    label = f"label=playground.lab={lab_id}"
    found = swarm.manager.docker("service", "ls", "-q", "--filter", label).split()
    for machine in swarm.machines:
        found += machine.docker("ps", "-q", "--filter", label).split()
    return found


def test_a_lab_to_keep_that_does_not_start_leaves_nothing_on_any_machine(
    swarm_engine: SwarmEngine, swarm: SwarmOfTests, monkeypatch: pytest.MonkeyPatch
) -> None:
    helpers = []

    def refuse(lab: LabLabels, *_: object) -> None:
        deadline = time.monotonic() + 60
        while not _left(swarm, lab.id):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        helpers.append(lab.id)
        raise EngineError("no room")

    monkeypatch.setattr(swarm_engine, "start_nodes", refuse)
    h1, h2 = Host("h1", machine="m1"), Host("h2", machine="m2")
    Link(h1, h2)
    with pytest.raises(EngineError, match="no room"):
        Lab(h1, name="to-keep", keep=True, quiet=True, engine=swarm_engine).start()
    assert _left(swarm, helpers[0]) == []


def test_a_worker_takes_no_orders(swarm: SwarmOfTests) -> None:
    with pytest.raises(EngineError, match="DOCKER_HOST=ssh://manager"):
        SwarmEngine(swarm.machines[1].url).check()


def test_times_of_the_api_are_read() -> None:
    assert _seconds("1970-01-01T00:00:01Z") == 1.0
    assert _seconds("1970-01-01T00:00:01.5Z") == 1.5


def test_an_error_of_a_node_names_the_node(offices: tuple[Lab, Offices]) -> None:
    _, made = offices
    with pytest.raises(AgentError) as caught:
        made.far.running().agent.call("read_file", pid=made.far.running().pid, path="/nowhere")
    assert "nowhere" in str(caught.value)


class Removing:
    """What a swarm's engine asks, where no service of a lab has come to be."""

    def __init__(self) -> None:
        self.removed: list[str] = []
        self.services_of_lab: list[dict[str, Any]] = []

    def install(self, engine: SwarmEngine, monkeypatch: pytest.MonkeyPatch) -> None:
        def stop(image: str, lab_id: str) -> None:
            self.removed.append(lab_id)

        monkeypatch.setattr(engine.server, "errors", lambda doing: nullcontext())
        monkeypatch.setattr(engine.manager, "ready", list)
        monkeypatch.setattr(engine.manager, "stop", lambda *_: None)
        monkeypatch.setattr(engine.manager, "services", lambda label: self.services_of_lab)
        monkeypatch.setattr(engine._images, "know", lambda *_: None)
        monkeypatch.setattr(engine._images, "name_of", lambda tag: tag)
        monkeypatch.setattr(engine._service, "open", lambda *_, **named: None)
        monkeypatch.setattr(engine._service, "stop", stop)
        monkeypatch.setattr(engine._service, "running", lambda: ["playground-1"])


@pytest.fixture
def removing(monkeypatch: pytest.MonkeyPatch) -> tuple[SwarmEngine, Removing]:
    engine, found = SwarmEngine(), Removing()
    found.install(engine, monkeypatch)
    return engine, found


def test_helpers_of_a_lab_to_keep_go_where_no_node_has_started(
    removing: tuple[SwarmEngine, Removing],
) -> None:
    engine, found = removing
    engine.start_helper(LabLabels("one", "one", "here:1", keep=True))
    engine.stop("one", ["h1"])
    assert found.removed == []
    for _ in range(2):
        engine.stop("one")
    assert found.removed == ["one"]


def test_helpers_end_by_themselves_where_the_lab_is_not_kept(
    removing: tuple[SwarmEngine, Removing],
) -> None:
    engine, found = removing
    engine.start_helper(LabLabels("one", "one", "here:1"))
    engine.stop("one")
    assert found.removed == []


def test_a_stop_that_failed_half_way_is_taken_up_again(
    removing: tuple[SwarmEngine, Removing], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, found = removing
    stop = engine._service.stop

    def refuse(image: str, lab_id: str) -> None:
        raise EngineError("no server of playground runs on the manager")

    monkeypatch.setattr(engine._service, "stop", refuse)
    found.services_of_lab = [{"Spec": {"Labels": {"playground.keep": "1"}}}]
    with pytest.raises(EngineError):
        engine.stop("one")
    found.services_of_lab = []  # those are gone
    monkeypatch.setattr(engine._service, "stop", stop)
    engine.stop("one")
    assert found.removed == ["one"]


def test_a_lab_that_stays_keeps_no_other_from_being_swept(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = SwarmEngine()
    gone = " ".join([*owners.own_mark().split()[:-1], "1"])  # this number, but another process
    labs = [LabRecord(name, name, owners.own_name(), (), 0.0, False, mark=gone) for name in "abc"]
    stopped = []

    def stop(lab_id: str) -> None:
        if lab_id == "a":
            raise EngineError("no leader")
        stopped.append(lab_id)

    monkeypatch.setattr(engine, "labs", lambda: labs)
    monkeypatch.setattr(engine, "stop", stop)
    with pytest.raises(EngineError, match="no leader"):
        engine.sweep()
    assert stopped == ["b", "c"]
