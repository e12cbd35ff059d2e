"""Interfaces plugged into containers that run: facts about networks, on both engines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from playground.engines.images import image_for
from playground.engines.seam import Engine
from playground.errors import AgentError, BadArgument, NoSuchNode, PlaygroundError
from playground.lab.lab import Lab
from playground.lab.outside import container_namespaces
from playground.lab.plug import plug, plugged, unplug, wait_plugged
from playground.operations.network import Host, Link, Switch
from tests import machine

SUBNET = "192.168.1.0/24"

pytestmark = pytest.mark.cannot("swarm", "plug a lab into this machine")


@dataclass
class Two:
    """A home of two hosts, and a pair of hosts elsewhere."""

    lab: Lab
    home: Switch
    h1: Host
    stranger: Host
    other: Host
    elsewhere: Lab


@pytest.fixture
def two(engine: Engine) -> Iterator[Two]:
    home = Switch("home", subnet=SUBNET)
    h1, h2, stranger, other = Host("h1"), Host("h2"), Host("stranger"), Host("other")
    Link(home, h1, address="192.168.1.11")
    Link(home, h2, address="192.168.1.12")
    Link(stranger, other, subnet="10.5.0.0/24")
    name = f"{os.getpid()}"
    with (
        Lab(home, name=f"home-{name}", quiet=True) as lab,
        Lab(stranger, name=f"elsewhere-{name}", quiet=True) as elsewhere,
    ):
        yield Two(lab, home, h1, stranger, other, elsewhere)


def interfaces(host: Host) -> dict[str, dict]:
    rows = json.loads(host.run("ip -json addr").stdout)
    return {row["ifname"]: row for row in rows}


def routes(host: Host) -> list[tuple]:
    rows = json.loads(host.run("ip -json route").stdout)
    return [(row["dst"], row.get("gateway"), row["dev"]) for row in rows]


def test_a_host_of_another_lab_is_plugged_in_and_out(two):
    before = interfaces(two.stranger), routes(two.stranger)
    found = plug(
        two.stranger,
        to=two.home,
        interface="home0",
        mac="02:00:00:00:00:77",
        addresses="192.168.1.200",
        gateway="192.168.1.11",
        routes={"10.99.0.0/16": "192.168.1.12"},
        mtu_bytes=1400,
    )
    assert (found.interface, found.mac) == ("home0", "02:00:00:00:00:77")
    assert found.addresses == ("192.168.1.200/24",)
    assert found.to == f"{two.lab.name}/home"
    row = interfaces(two.stranger)["home0"]
    assert (row["mtu"], row["address"]) == (1400, "02:00:00:00:00:77")
    assert ("default", "192.168.1.11", "home0") in routes(two.stranger)
    assert ("10.99.0.0/16", "192.168.1.12", "home0") in routes(two.stranger)
    assert two.stranger.run("ping -c1 -W5 192.168.1.11").ok
    assert two.h1.run("ping -c1 -W5 192.168.1.200").ok
    assert plugged(two.stranger) == (found,)
    found.unplug()
    assert (interfaces(two.stranger), routes(two.stranger)) == before
    assert plugged(two.stranger) == ()


def test_the_default_route_that_was_there_comes_back(two):
    two.stranger.run("ip route add default via 10.5.0.2")
    before = routes(two.stranger)
    with plug(two.stranger, to=two.home, addresses=["192.168.1.200"], gateway="192.168.1.11"):
        assert [row for row in routes(two.stranger) if row[0] == "default"] == [
            ("default", "192.168.1.11", "eth1")
        ]
    assert sorted(map(str, routes(two.stranger))) == sorted(map(str, before))


def test_without_an_address_it_is_only_connected(two):
    with plug(f"{two.elsewhere.name}/stranger", to=f"{two.lab.name}/home") as found:
        assert (found.interface, found.addresses) == ("eth1", ())
        ports = [(row.node, row.state) for row in two.home.ports()]
        assert ports[-1] == (found.container, "forwarding")
        assert [node for node, _ in ports[:-1]] == ["h1", "h2"]
        assert wait_plugged(two.stranger, "eth1", timeout_s=30)
        row = interfaces(two.stranger)["eth1"]
        assert row["operstate"] == "UP"
        assert [one for one in row["addr_info"] if one["family"] == "inet"] == []


def test_the_place_of_a_switch_may_be_said_by_the_lab_alone(two):
    with plug(two.stranger, to=two.lab.name, addresses="192.168.1.9/24") as found:
        assert found.to.endswith("/home")
        assert two.stranger.run("ping -c1 -W5 192.168.1.12").ok


def test_waiting_ends_when_the_interface_comes(two):
    found: list[bool] = []
    waiting = threading.Thread(
        target=lambda: found.append(wait_plugged(two.stranger, "late0", timeout_s=60))
    )
    waiting.start()
    plug(two.stranger, to=two.home, interface="late0")
    waiting.join()
    assert found == [True]
    assert not wait_plugged(two.stranger, "never0", timeout_s=0.1)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"addresses": "192.168.1.11"}, "taken already"),
        ({"addresses": "10.1.1.1"}, "in no network of"),
        ({"addresses": "house"}, "not an address"),
        ({"interface": "a name with spaces"}, "no name for an interface"),
        ({"mac": "01:00:5e:00:00:01"}, "one station"),
        ({"mtu_bytes": 7}, "between 68 and 65535"),
        ({"macvlan": "eth0"}, "say once"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_made(two, asked, words):
    before = interfaces(two.stranger)
    with pytest.raises(BadArgument, match=words):
        plug(two.stranger, to=two.home, **asked)
    assert interfaces(two.stranger) == before


def test_after_a_refusal_of_the_kernel_all_is_as_it_was(two):
    before = interfaces(two.stranger), routes(two.stranger)
    with pytest.raises(AgentError, match="stranger: cannot add the route"):
        plug(two.stranger, to=two.home, addresses="192.168.1.200", gateway="172.31.0.1")
    with pytest.raises(AgentError, match="has an interface eth0 already"):
        plug(two.stranger, to=two.home, interface="eth0")
    assert (interfaces(two.stranger), routes(two.stranger)) == before
    assert "plug_" not in json.dumps(interfaces(two.h1))


def test_a_switch_without_vlans_has_no_access_ports(two):
    before = interfaces(two.stranger)
    with pytest.raises(BadArgument, match="the switch home tells no VLANs apart"):
        plug(two.stranger, to=two.home, vlan=10)
    with pytest.raises(BadArgument, match="one that has the VLAN"):
        plug(two.stranger, macvlan="eth0", vlan=10)
    with pytest.raises(BadArgument, match="from 1 to 4094"):
        plug(two.stranger, to=two.home, vlan=4095)
    assert interfaces(two.stranger) == before


def test_only_what_was_plugged_in_is_unplugged(two):
    with pytest.raises(BadArgument, match="eth0 was not plugged into"):
        unplug(two.stranger, "eth0")
    with pytest.raises(BadArgument, match="say which"):
        unplug(two.stranger)


def test_it_ends_with_the_lab_that_the_switch_is_in(two):
    before = interfaces(two.stranger)
    plug(two.stranger, to=two.home, addresses="192.168.1.200")
    two.lab.stop()
    # A namespace goes a moment after the last process in it.
    with pytest.raises(BadArgument):
        while True:
            unplug(two.stranger)
    assert interfaces(two.stranger) == before


def test_what_is_not_there_is_named(two):
    with pytest.raises(NoSuchNode, match="no container 'nobody'"):
        plug("nobody", to=two.home)
    with pytest.raises(NoSuchNode, match="has no host 'h9'"):
        plug(f"{two.lab.name}/h9", to=two.home)
    with pytest.raises(NoSuchNode, match="has no switch 'attic'"):
        plug(two.stranger, to=f"{two.lab.name}/attic")
    with pytest.raises(PlaygroundError, match="network of the machine itself"):
        plug(os.getpid(), to=two.home)


def test_a_switch_of_its_own_becomes_a_lab_that_is_kept(two):
    lan = Switch(f"lan-{os.getpid()}", subnet="10.77.0.0/24")
    found = plug(two.stranger, to=lan, addresses="10.77.0.77")
    assert found.to == f"{lan.name}/{lan.name}"
    with Lab.attach(lan.name, quiet=True) as kept:
        assert kept["probe"].run("ping -c1 -W5 10.77.0.77").ok
        kept.stop()


def test_a_container_that_is_not_ours_is_plugged_in(docker_engine):
    home, h1 = Switch("home", subnet=SUBNET), Host("h1")
    Link(home, h1, address="192.168.1.11")
    docker_engine.ensure_images([image_for(())])
    name = f"not-ours-{os.getpid()}"
    command = ["docker", "run", "-d", "--rm", "--network", "none", "--name", name]
    subprocess.run([*command, image_for(()).tag], check=True, capture_output=True)
    try:
        with Lab(home, name=f"home-{os.getpid()}", quiet=True):
            identity = subprocess.run(
                ["docker", "inspect", "-f", "{{.Id}}", name], capture_output=True, text=True
            ).stdout.strip()
            with plug(identity[:12], to=home, addresses="192.168.1.200") as found:
                assert found.interface == "eth0"
                assert h1.run("ping -c1 -W5 192.168.1.200").ok
    finally:
        subprocess.run(["docker", "rm", "-f", name], check=True, capture_output=True)


def test_a_container_on_the_engine_does_it_where_this_process_cannot(docker_engine, monkeypatch):
    monkeypatch.setattr(container_namespaces, "_is_here", lambda identity, pid: False)
    home, h1, a, b = Switch("home", subnet=SUBNET), Host("h1"), Host("a"), Host("b")
    Link(home, h1, address="192.168.1.11")
    Link(a, b)
    with (
        Lab(home, name=f"home-{os.getpid()}", quiet=True),
        Lab(a, name=f"elsewhere-{os.getpid()}", quiet=True),
    ):
        found = plug(a, to=home, addresses="192.168.1.200")
        assert h1.run("ping -c1 -W5 192.168.1.200").ok
        assert plugged(a) == (found,)
        found.unplug()
        assert list(interfaces(a)) == ["lo", "eth0"]


def test_the_command_line_does_the_same(two):
    def playground(*arguments: str) -> str:
        argv = [sys.executable, "-m", "playground.frontends.cli", *arguments]
        done = subprocess.run(argv, capture_output=True, text=True)
        return done.stdout + done.stderr

    stranger = f"{two.elsewhere.name}/stranger"
    said = playground("plug", stranger, "--to", f"{two.lab.name}/home", "-a", "192.168.1.200")
    assert said == f"eth1 of {stranger} is plugged into {two.lab.name}/home: 192.168.1.200/24\n"
    assert two.h1.run("ping -c1 -W5 192.168.1.200").ok
    assert playground("wait", stranger, "--timeout", "30") == ""
    assert playground("unplug", stranger) == ""
    said = playground("wait", stranger, "--timeout", "0.1")
    assert said.endswith("has no interface eth1 that is up after 0.1 s; it has: eth0\n")


WAITING = """
import sys
from playground.lab.outside import container_namespaces
from playground.frontends.cli import main
if sys.argv.pop(1) == "container":
    container_namespaces._is_here = lambda identity, pid: False
main(["wait", *sys.argv[1:]])
"""


@pytest.mark.parametrize("where", ["here", "container"])
def test_who_waits_says_for_what_and_leaves_nothing_when_it_is_killed(docker_engine, where):
    def helpers() -> set[str]:
        if where == "container":
            query = ["docker", "ps", "-aq", "--filter", "label=playground.machine-access"]
            return set(subprocess.run(query, capture_output=True, text=True).stdout.split())
        script = ["pgrep", "-f", f'"op": "wait".*"pid": {pid}[,}}].*"eth7"']
        return set(subprocess.run(script, capture_output=True, text=True).stdout.split())

    a, b = Host("a"), Host("b")
    Link(a, b)
    with Lab(a, name=f"waits-{os.getpid()}", engine=docker_engine, quiet=True) as lab:
        pid = machine.first_process(docker_engine, lab.id, "a")
        before = helpers()
        argv = [sys.executable, "-c", WAITING, where, f"{lab.id}/a", "eth7"]
        with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as waiting:
            assert waiting.stderr is not None
            said = waiting.stderr.readline()
            assert said.endswith("eth7 that is up yet (it has: eth0); waiting for it\n")
            deadline = time.monotonic() + 30
            while not helpers() - before:
                assert time.monotonic() < deadline, "nobody waits"
                time.sleep(0.05)
            mine = helpers() - before
            waiting.kill()
        while helpers() & mine:
            assert time.monotonic() < deadline, "its helper waits for ever"
            time.sleep(0.05)


# -- what begins in the machine's own namespace ------------------------------


@pytest.fixture
def outside() -> Iterator[str]:
    """An interface of the machine, made for the test, that is connected to nothing."""
    name = f"pgt{os.getpid()}"
    argv = ["ip", "link", "add", name, "type", "veth", "peer", "name", f"{name}x"]
    subprocess.run(argv, check=True)
    yield name
    subprocess.run(["ip", "link", "del", name], check=True)


@pytest.fixture
def pair(namespaces_engine: Engine) -> Iterator[tuple[Host, Host]]:
    a, b = Host("a"), Host("b")
    Link(a, b, subnet="10.5.0.0/24")
    with Lab(a, name=f"pair-{os.getpid()}", quiet=True):
        yield a, b


def test_two_stations_by_macvlan_reach_each_other(outside, pair):
    subprocess.run(["ip", "link", "set", outside, "up"], check=True)
    subprocess.run(["ip", "link", "set", f"{outside}x", "up"], check=True)
    a, b = pair
    with (
        plug(a, macvlan=outside, addresses="198.51.100.1/24") as one,
        plug(b, macvlan=outside, addresses="198.51.100.2/24"),
    ):
        assert one.to == outside
        assert a.run("ping -c1 -W5 198.51.100.2").ok


def state_of(interface: str) -> dict:
    """Return what an interface of the machine is like, {} if there is none so called."""
    said = subprocess.run(["ip", "-json", "addr", "show", interface], capture_output=True)
    if said.returncode:
        return {}
    [row] = json.loads(said.stdout)
    addresses = [one["local"] for one in row["addr_info"] if one["scope"] == "global"]
    return {**{name: row[name] for name in ("mtu", "address", "flags")}, "addr": addresses}


@pytest.fixture
def used(outside: str) -> dict:
    """The state of the machine's interface: up, with addresses."""
    for command in (
        "link set {}x up",
        "link set {} mtu 1300 up",
        "addr add 198.51.100.9/24 dev {}",
        "addr add 2001:db8:77::1/64 dev {} nodad",
    ):
        subprocess.run(["ip", *command.format(outside).split()], check=True)
    found = state_of(outside)
    assert len(found["addr"]) == 2
    return found


def test_a_physical_interface_moves_in_and_is_given_back(outside, used, pair):
    a = pair[0]
    with plug(a, physical=outside, mac="02:00:00:00:00:78", addresses="198.51.100.1/24") as found:
        assert interfaces(a)[found.interface]["address"] == "02:00:00:00:00:78"
        assert outside not in machine.state()["interfaces"]
    assert state_of(outside) == used


def test_a_physical_interface_whose_name_was_taken_has_another(outside, used, pair):
    with plug(pair[0], physical=outside):
        subprocess.run(["ip", "link", "add", outside, "type", "bridge"], check=True)
    subprocess.run(["ip", "link", "del", outside], check=True)
    back = f"{outside[:12]}.1"
    assert state_of(back) == used
    for command in (f"{back} down", f"{back} name {outside}"):
        subprocess.run(["ip", "link", "set", *command.split()], check=True)


# An owner that is killed while an interface of the machine is in its lab.
OWNER = """
import sys, time
from playground import Host, Lab, plug
host = Host("h1")
with Lab(host, name=sys.argv[1], quiet=True):
    plug(host, physical=sys.argv[2], addresses="198.51.100.1/24")
    print("plugged", flush=True)
    time.sleep(600)
"""


def test_a_physical_interface_comes_back_however_the_lab_ends(outside, used, engine):
    # By the end of the lab: at once.
    host = Host("h1")
    with Lab(host, name=f"physical-{os.getpid()}", quiet=True):
        found = plug(host, physical=outside, addresses="198.51.100.1/24")
        # Root there may call it what it likes.
        for command in (f"{found.interface} down", f"{found.interface} name mine mtu 1280"):
            host.run(f"ip link set {command}")
    assert state_of(outside) == used
    # By that of its owner: when the lab is gone.
    argv = [sys.executable, "-c", OWNER, f"killed-{os.getpid()}", outside]
    owner = subprocess.Popen(argv, stdout=subprocess.PIPE)
    assert owner.stdout.readline() == b"plugged\n"
    assert state_of(outside) == {}
    owner.kill()
    owner.communicate()
    deadline = time.monotonic() + 60
    while state_of(outside) != used and time.monotonic() < deadline:
        time.sleep(0.05)
    assert state_of(outside) == used


def test_the_way_out_of_the_machine_is_not_moved(pair):
    default = json.loads(subprocess.run(["ip", "-json", "route"], capture_output=True).stdout)
    device = next((row["dev"] for row in default if row["dst"] == "default"), None)
    if device is not None:
        with pytest.raises(AgentError, match="own way out"):
            plug(pair[0], physical=device)


def test_a_dummy_is_made_or_the_kernel_has_none(pair):
    try:
        with plug(pair[0], dummy=True, addresses="10.6.0.1/24") as found:
            assert found.interface in interfaces(pair[0])
    except AgentError as error:
        assert "has no dummy interfaces" in str(error)


# -- DHCP --------------------------------------------------------------------

# Answers each client with the same address; prints what it was asked, a kind a line.
SERVER = """
import socket, struct, sys
device, own, given, lease_s = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
line.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
line.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
line.bind(("", 67))
print("serving", flush=True)
while True:
    asked = line.recv(2000)
    kind = asked[asked.index(bytes([53, 1]), 240) + 2]
    renewing = asked[12:16] != bytes(4)
    print({1: "discover", 3: "renew" if renewing else "request"}[kind], flush=True)
    def option(code, data):
        return bytes([code, len(data)]) + data
    answer = struct.pack("!4B", 2, 1, 6, 0) + asked[4:12] + bytes(4) + socket.inet_aton(given)
    answer += bytes(8) + asked[28:44] + bytes(192) + asked[236:240]
    answer += option(53, bytes([{1: 2, 3: 5}[kind]])) + option(54, socket.inet_aton(own))
    answer += option(51, struct.pack("!I", lease_s)) + option(1, socket.inet_aton("255.255.255.0"))
    answer += option(3, socket.inet_aton(own)) + bytes([255])
    line.sendto(answer, ("255.255.255.255", 68))
"""


@pytest.fixture
def dhcp_server(engine: Engine, two: Two) -> Iterator[subprocess.Popen]:
    """A server on h1 that gives everybody 192.168.1.99, for two seconds."""
    pid = machine.first_process(engine, two.lab.id, "h1")
    command = ["nsenter", "--net", "-t", str(pid), sys.executable, "-c", SERVER]
    command += ["eth0", "192.168.1.11", "192.168.1.99", "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "serving\n"
        yield process
        process.kill()


def test_an_address_comes_by_dhcp_and_is_renewed(two, dhcp_server):
    with plug(two.stranger, to=two.home, dhcp=True) as found:
        assert found.addresses == ("192.168.1.99/24",)
        assert two.stranger.run("ping -c1 -W5 192.168.1.12").ok
        assert ("default", "192.168.1.11", found.interface) in routes(two.stranger)
        asked = [dhcp_server.stdout.readline().strip() for _ in range(4)]
        assert asked == ["discover", "request", "renew", "renew"]
    assert "eth1" not in interfaces(two.stranger)


def test_without_a_server_nothing_is_left(two, monkeypatch):
    monkeypatch.setattr("playground.lab.plug.DHCP_LIMIT_S", 0.5)
    before = interfaces(two.stranger)
    with pytest.raises(AgentError, match="nobody has given eth1 an address"):
        plug(two.stranger, to=two.home, dhcp=True)
    assert interfaces(two.stranger) == before
    with pytest.raises(BadArgument, match="leave both out"):
        plug(two.stranger, to=two.home, dhcp=True, addresses="192.168.1.9")
