"""Facts about labs on a swarm of which a machine is lost, and about those who would get in."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Iterator

import pytest

from playground import Host, Lab, Link, Router, Switch
from playground.display.progress import Silent
from playground.engines.images import image_for
from playground.engines.swarm.engine import SwarmEngine
from playground.engines.swarm.specs import server_name
from playground.errors import AgentError, NodeDied
from tests.swarm_machines import SwarmMachine, SwarmOfTests


class Branches:
    """A router and a host on m2, a host on m3, and an office that is told no machine."""

    def __init__(self) -> None:
        self.router = Router("r1", machine="m2")
        self.near = Host("near", machine="m2")
        self.third = Host("third", machine="m3")
        self.lan = Switch("lan")
        self.office = [Host("a"), Host("b")]
        for node in (self.near, self.third, self.lan):
            Link(self.router, node)
        for host in self.office:
            Link(self.lan, host)


@pytest.fixture
def three_managers(swarm: SwarmOfTests) -> Iterator[SwarmMachine]:
    """Let all machines be managers, the first their leader; return the second."""
    names = [machine.name for machine in swarm.machines[1:]]
    swarm.manager.docker("node", "promote", *names)
    try:
        for machine in swarm.machines:
            wait_for_a_leader(machine)
        yield swarm.machines[1]
    finally:
        swarm.wait_ready()
        leaders = "{{.Hostname}} {{.ManagerStatus}}"
        deadline = time.monotonic() + 60
        # The first must lead again, or be able to: two that leave at once are no majority.
        for name in names:
            while True:
                with contextlib.suppress(AssertionError):
                    swarm.manager.docker("node", "demote", name)
                    break
                assert time.monotonic() < deadline, swarm.manager.docker(
                    "node", "ls", "--format", leaders
                )
                time.sleep(0.5)
        for machine in swarm.machines[1:]:
            wait_for_a_worker(machine)
        swarm.wait_ready()


def wait_for_a_worker(machine: SwarmMachine) -> None:
    """Wait until a machine that was a manager is none; one that fails at it begins anew."""
    deadline = time.monotonic() + 60
    words = "{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}"
    while (state := machine.docker("info", "--format", words)) != "active false":
        assert time.monotonic() < deadline, f"{machine.name} is {state}"
        if state.startswith("error"):
            machine.restart_engine()
        time.sleep(0.5)


def wait_for_a_leader(machine: SwarmMachine) -> None:
    deadline = time.monotonic() + 60
    while True:
        with contextlib.suppress(AssertionError):
            machine.docker("node", "ls")
            return
        assert time.monotonic() < deadline, "the swarm has found no other leader"
        time.sleep(0.2)


def test_what_a_lost_machine_had_comes_back_elsewhere(
    swarm: SwarmOfTests, swarm_engine: SwarmEngine, three_managers: SwarmMachine
) -> None:
    """The machine that is cut off leads the swarm, so that its leader changes too."""
    first, second = swarm.machines[0], three_managers
    # The second has no images: it finds them in the registry.
    swarm_engine.ensure_images([image_for(())], Silent())
    stays, moves = Branches(), Branches()
    spread = ["m1", "m2", "m3"]
    with contextlib.closing(SwarmEngine(second.url)) as engine, contextlib.ExitStack() as labs:
        strict = Lab(stays.router, name="strict", engine=engine, spread=spread, quiet=True)
        labs.enter_context(strict)
        moving = Lab(
            moves.router, name="moving", engine=engine, spread=spread, quiet=True, reschedule=True
        )
        labs.enter_context(moving)
        placement = moving.plan().placement
        assert placement is not None
        assert [placement[name] for name in ("a", "b", "lan")] == ["m1"] * 3
        assert moves.near.ping(moves.office[0]).received == 3
        with swarm.cut_off(first):
            wait_for_a_leader(second)
            with pytest.raises(AgentError, match="the machine m1 is gone, or cut off"):
                moves.office[0].run("true")
            # The rest goes on.
            assert moves.near.ping(moves.third).received == 3
            with pytest.raises(NodeDied, match="a, b and lan are dead: the machine m1 is gone"):
                strict.start()
            moving.start()
            placement = moving.plan().placement
            assert placement is not None
            assert not {placement[name] for name in ("a", "b", "lan")} & {"m1"}
            for host in moves.office:
                assert moves.third.ping(host).received == 3
            assert moves.office[0].ping(moves.office[1]).received == 3
    deadline = time.monotonic() + 60
    while first.docker("ps", "-q", "--filter", "label=playground.node"):
        assert time.monotonic() < deadline, "what was cut off is still there"
        time.sleep(0.2)


def test_of_an_engine_that_is_restarted_the_nodes_are_dead_and_named(
    swarm: SwarmOfTests, swarm_engine: SwarmEngine
) -> None:
    hosts = three_hosts()
    with Lab(*hosts, name="restarted", engine=swarm_engine, quiet=True) as lab:
        swarm.machines[2].restart_engine()
        with pytest.raises(AgentError, match="the machine m3 is gone, or cut off"):
            for _ in range(100):
                hosts[2].run("true")
                time.sleep(0.1)
        assert hosts[0].ping(hosts[1]).received == 3
        with pytest.raises(NodeDied, match="h3 is dead: the machine m3 is gone"):
            lab.start()
    swarm.wait_ready()
    # The engine that came back takes part as before.
    hosts = three_hosts()
    with Lab(*hosts, name="again", engine=swarm_engine, quiet=True):
        assert hosts[0].ping(hosts[2]).received == 3


def three_hosts() -> list[Host]:
    """A host on each machine, the first linked to both others."""
    hosts = [Host(f"h{number}", machine=f"m{number}") for number in (1, 2, 3)]
    for host in hosts[1:]:
        Link(hosts[0], host)
    return hosts


# Sends a frame in VXLAN (RFC 7348).
_INJECT = """
import socket, struct, sys
address, port, source_port, vni, frame = sys.argv[1:]
line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
line.bind(("", int(source_port)))
message = struct.pack(">II", 0x08000000, int(vni) << 8) + bytes.fromhex(frame)
for _ in range(3):
    line.sendto(message, (address, int(port)))
"""


class Underlay:
    """The network below a link from m1 to m2: its tunnel's secrets, and who may send there."""

    def __init__(self, swarm: SwarmOfTests, engine: SwarmEngine, lab: Lab) -> None:
        self._swarm = swarm
        self._servers = f"name={server_name(engine._helper())}"
        helper = swarm.machines[0].docker("ps", "-q", "--filter", f"name={lab.id}._helper")
        shown = swarm.machines[0].in_network_of(helper, "ip", "-d", "-j", "link", "show")
        (row,) = [
            one["linkinfo"]["info_data"]
            for one in json.loads(shown)
            if one.get("linkinfo", {}).get("info_kind") == "vxlan"
        ]
        self.vni, self.port = row["id"], row["port"]
        self.source_port = row["port_range"]["low"]
        self.address = row["local"]

    def inject(self, machine: int, frame: bytes, **guessed: int) -> None:
        """Send a frame from the server of a machine, which is on the same network."""
        said = {"port": self.port, "source_port": self.source_port, "vni": self.vni} | guessed
        server = self._swarm.machines[machine].docker("ps", "-q", "--filter", self._servers)
        numbers = [str(said[key]) for key in ("port", "source_port", "vni")]
        command = [sys.executable, "-I", "-c", _INJECT, self.address, *numbers, frame.hex()]
        self._swarm.machines[machine].in_network_of(server, *command)


def test_nobody_on_the_underlay_gets_into_a_lab_by_guessing(
    swarm: SwarmOfTests, swarm_engine: SwarmEngine
) -> None:
    h1, h2 = Host("h1", machine="m1"), Host("h2", machine="m2")
    Link(h1, h2)
    with Lab(h1, name="guarded", engine=swarm_engine, quiet=True) as lab:
        underlay = Underlay(swarm, swarm_engine, lab)

        def arrived() -> int:
            # Of a kind of Ethernet frame that nobody has (IEEE 802: for experiments).
            return len(h1.run("cat /tmp/seen").stdout.splitlines())

        h1.run("tcpdump -Uni eth0 -l ether proto 0x88b5 >/tmp/seen 2>/tmp/said &")
        h1.run("until grep -q listening /tmp/said; do sleep 0.05; done")
        frame = b"\xff" * 6 + bytes.fromhex("020000000001") + b"\x88\xb5" + bytes(46)
        others = {
            "source_port": underlay.source_port + 1,
            "vni": underlay.vni ^ 1,
            "port": underlay.port + 1,
        }
        for name, value in others.items():
            underlay.inject(1, frame, **{name: value})
        underlay.inject(2, frame)  # all is known, but m3 has no part in the lab
        assert arrived() == 0
        # The control: the other end's own machine, with all that is secret.
        underlay.inject(1, frame)
        h1.run("until [ $(wc -l </tmp/seen) -ge 3 ]; do sleep 0.05; done", timeout_s=10)
