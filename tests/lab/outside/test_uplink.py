"""A lab and the machine itself: links between them, ways out, and nothing left of them.

What plays the outside is a network namespace behind a veth pair, made here.

"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from playground.engines.choice import RunningLabs
from playground.engines.seam import Engine
from playground.errors import AgentError, BadArgument, NotRunning
from playground.lab import plug
from playground.lab.lab import Lab
from playground.lab.outside import container_namespaces
from playground.lab.outside.uplink import ways_to
from playground.operations.network import Host, Link, Router, Switch
from playground.planning.planner import make_plan
from tests import machine

# It changes the machine's own: ways out, rules, forwarding.
pytestmark = [pytest.mark.alone, pytest.mark.cannot("swarm", "plug a lab into this machine")]

OUT = f"pgo{os.getpid()}"
INSIDE, OUTSIDE = "198.51.100.1", "198.51.100.2"


def sh(line: str) -> str:
    return subprocess.run(line.split(), check=True, capture_output=True, text=True).stdout


def pings(node: Host | Router, address: object) -> bool:
    # A router's redirect (RFC 792) counts as the answer to the first.
    said = node.run(["ping", "-c3", "-i0.2", "-W5", str(address)], check=False).stdout
    return re.search(r" [1-9]\d* received", said) is not None


def reaches(node: Host | Router, address: object, port: int) -> bool:
    line = f"timeout 3 bash -c '</dev/tcp/{address}/{port}'"
    return node.run(line, check=False).ok


@pytest.fixture
def outside() -> Iterator[int]:
    """A namespace at 198.51.100.2, which the machine reaches by OUT; its process id."""
    # As soon as it prints, it is in its own namespace.
    command = ["unshare", "--net", "sh", "-c", "echo; exec sleep infinity"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        pid = process.pid
        sh(f"ip link add {OUT} type veth peer name out0 netns {pid}")
        # As on a machine that forwards nothing.
        Path(f"/proc/sys/net/ipv4/conf/{OUT}/forwarding").write_text("0")
        sh(f"ip addr add {INSIDE}/24 dev {OUT}")
        sh(f"ip link set {OUT} up")
        for line in (f"addr add {OUTSIDE}/24 dev out0", "link set out0 up", "link set lo up"):
            sh(f"nsenter --net -t {pid} ip {line}")
        yield pid
        sh(f"ip link del {OUT}")
        process.kill()


@pytest.fixture
def home(engine: Engine) -> Iterator[tuple[Lab, Host, Router, Host]]:
    """Two hosts, one of them behind a further router."""
    switch, h1, h2 = Switch("home", subnet="192.168.1.0/24"), Host("h1"), Host("h2")
    modem, inner = Router("modem"), Router("inner")
    for node in (modem, h1, inner):
        Link(switch, node)
    Link(inner, h2, subnet="192.168.2.0/24")
    with Lab(switch, name=f"home-{os.getpid()}", quiet=True) as lab:
        yield lab, h1, modem, h2


def forwarding(device: str = OUT) -> str:
    return Path(f"/proc/sys/net/ipv4/conf/{device}/forwarding").read_text().strip()


def test_where_hosts_could_change_the_machine_they_have_to_be_trusted(home, engine):
    lab, h1, modem, _ = home
    if not (engine.url or "").startswith("namespaces:"):
        for reach in (lambda: lab.machine(h1), lambda: lab.uplink(modem, through=[OUT])):
            with pytest.raises(BadArgument, match="trust_hosts=True"):
                reach()
        with pytest.raises(BadArgument, match="trust_hosts=True"):
            plug.plug(h1, macvlan="lo")
    else:
        with lab.machine(h1) as link:
            assert pings(h1, link.machine_address.ip)


def test_a_host_and_the_machine_reach_each_other_and_nobody_else(home):
    lab, h1, _, h2 = home
    link = lab.machine(h1, trust_hosts=True)
    assert pings(h1, link.machine_address.ip)
    sh(f"ping -c1 -W5 {link.address.ip}")
    with socket.create_server((str(link.machine_address.ip), 0)) as server:
        assert reaches(h1, link.machine_address.ip, server.getsockname()[1])
    assert not h2.run(["ping", "-c1", "-W1", str(link.machine_address.ip)], check=False).ok
    link.remove()
    assert "machine" not in h1.run("ip -brief link").stdout
    assert link.machine_interface not in sh("ip -brief link")


def test_its_subnet_may_be_chosen(home):
    lab, h1, _, _ = home
    with lab.machine(h1, subnet="10.200.0.0/29", trust_hosts=True) as link:
        assert (str(link.machine_address), str(link.address)) == ("10.200.0.1/29", "10.200.0.2/29")
        with pytest.raises(AgentError, match="has an interface machine already"):
            lab.machine(h1, trust_hosts=True)
    with pytest.raises(AgentError, match="in use on the machine or in the lab"):
        lab.machine(h1, subnet="192.168.1.0/24", trust_hosts=True)
    with pytest.raises(BadArgument, match="no room for two"):
        lab.machine(h1, subnet="10.200.0.0/31", trust_hosts=True)


def test_an_uplink_lets_the_whole_lab_out_and_nothing_in(home, outside):
    lab, h1, modem, h2 = home
    before = machine.state()
    assert not h1.run(["ping", "-c1", "-W1", OUTSIDE], check=False).ok
    with lab.uplink(modem, through=[OUT], trust_hosts=True) as link:
        assert forwarding() == "1"
        for node in (modem, h1, h2):
            assert pings(node, OUTSIDE)
        # Who is asked sees the machine's own address, and cannot begin anything.
        sh(f"nsenter --net -t {outside} ip route add {link.address.network} via {INSIDE}")
        ping = ["nsenter", "--net", "-t", str(outside), "ping", "-c1", "-W1", str(link.address.ip)]
        assert subprocess.run(ping, capture_output=True).returncode != 0
        # Nor does the lab reach the machine, but for a ping.
        assert pings(h1, link.machine_address.ip)
        with socket.create_server((INSIDE, 0)) as server:
            assert not reaches(h1, INSIDE, server.getsockname()[1])
    assert forwarding() == "0"
    assert machine.changed(before) == {}
    assert "198.18" not in modem.run("ip route").stdout + modem.run("ip addr").stdout
    assert "default" not in modem.run("ip route").stdout


def test_the_lab_takes_its_uplink_with_it(home, outside):
    before = machine.state()
    lab, _, modem, _ = home
    lab.uplink(modem, through=[OUT], trust_hosts=True)
    lab.stop()
    assert machine.changed(before) == {}
    assert forwarding() == "0"


def test_the_last_of_two_uplinks_puts_forwarding_back(home, outside):
    lab, _, modem, h2 = home
    inner = lab["inner"]
    first = lab.uplink(modem, through=[OUT], trust_hosts=True)
    # The first has led it to the modem.
    inner.run("ip route del default")
    second = lab.uplink(inner, through=[OUT], trust_hosts=True)
    first.remove()
    assert forwarding() == "1"
    assert pings(h2, OUTSIDE)
    second.remove()
    assert forwarding() == "0"


OWNER = """
import sys, time
from playground import Lab, Link, Router
a, b = Router("a"), Router("b")
Link(a, b)
lab = Lab(a, name=sys.argv[1], quiet=True).start()
link = lab.uplink(a, through=[sys.argv[2]], trust_hosts=True)
print(link.machine_interface, flush=True)
time.sleep(600)
"""


def test_nothing_stays_when_the_owner_is_killed(engine, outside):
    # `nothing_left` looks at the machine when the test has ended.
    command = [sys.executable, "-c", OWNER, f"killed-{os.getpid()}", OUT]
    before = machine.state()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        interface = owner.stdout.readline().strip()
        assert interface.startswith("pg_")
        assert machine.changed(before) != {}
        os.kill(owner.pid, signal.SIGKILL)
    # Its table goes last.
    while machine.changed(before):
        pass
    assert forwarding() == "0"


def test_an_uplink_of_a_kept_lab_stays_until_that_is_taken_down(engine, outside):
    a, b = Router("a"), Router("b")
    Link(a, b)
    before = machine.state()
    lab = Lab(a, name=f"kept-{os.getpid()}", keep=True, quiet=True).start()
    lab.uplink(a, through=[OUT], trust_hosts=True)
    lab.detach()
    with Lab.attach(lab.name, quiet=True) as again:
        assert pings(again["b"], OUTSIDE)
    with contextlib.closing(RunningLabs()) as labs:
        labs.stop(labs.find(lab.id)[1])
    while machine.changed(before):
        pass
    assert forwarding() == "0"


def test_what_cannot_be_a_way_out_is_refused_and_changes_nothing(home, outside):
    lab, h1, modem, _ = home
    before = machine.state()
    with pytest.raises(BadArgument, match="no router"):
        lab.uplink(h1, trust_hosts=True)
    with pytest.raises(AgentError, match="modem: there is no interface nowhere0"):
        lab.uplink(modem, through=["nowhere0"], trust_hosts=True)
    modem.run("ip route add default via 192.168.1.2")
    with pytest.raises(AgentError, match="has a default route already"):
        lab.uplink(modem, through=[OUT], trust_hosts=True)
    assert machine.changed(before) == {}


def test_a_container_of_the_engine_does_it_where_this_process_cannot(
    docker_engine, outside, monkeypatch
):
    monkeypatch.setattr(container_namespaces, "_is_here", lambda identity, pid: False)
    a, b = Router("a"), Router("b")
    Link(a, b)
    before = machine.state()
    with Lab(a, name=f"elsewhere-{os.getpid()}", quiet=True) as lab:
        with lab.uplink(a, through=[OUT], trust_hosts=True):
            assert pings(b, OUTSIDE)
            assert forwarding() == "1"
        assert machine.changed(before) == {}
        assert forwarding() == "0"


def test_only_a_lab_that_runs_has_them():
    a, b = Router("a"), Router("b")
    Link(a, b)
    lab = Lab(a, quiet=True)
    with pytest.raises(NotRunning):
        lab.uplink(a, trust_hosts=True)
    with pytest.raises(NotRunning):
        lab.machine(b, trust_hosts=True)


def test_who_has_no_default_route_is_led_to_the_uplink():
    a, b, c = Router("a"), Router("b"), Router("c")
    Link(a, b, subnet="10.0.1.0/24")
    Link(b, c, subnet="10.0.2.0/24")
    found = ways_to(make_plan([a]), "a")
    assert {name: str(route.via) for name, route in found.items()} == {
        "b": "10.0.1.1",
        "c": "10.0.2.1",
    }
