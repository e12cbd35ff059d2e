"""VLANs: what may be declared, what is planned, and what goes where; on both engines.

Some also run on a second kernel that has 8021q and bridges that filter, for this machine's
may have neither.

"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from playground.agent.links import bridge_vlans as agents_vlans
from playground.display.tables import Table
from playground.engines.namespaces.engine import NamespacesEngine
from playground.engines.seam import Engine
from playground.errors import BadArgument, NotRunning, TopologyError
from playground.lab.credentials import Credentials
from playground.lab.lab import Lab
from playground.lab.lab_as_json import load, save
from playground.lab.plug import plug
from playground.lab.spanning_tree import unsettled
from playground.model.vlans import PortPlan
from playground.operations.links.switch import SwitchPort
from playground.operations.network import Host, Link, Router, Switch
from playground.operations.pictures.tree import draw
from playground.planning.broadcast_domains import find_domains
from playground.planning.difference import compare
from playground.planning.plan import Plan
from playground.planning.planner import make_plan
from tests.facts import assert_can_ping, assert_cannot_ping, assert_path
from tests.support_agent import Namespaces, connect, end, needs_root, node, veth


class Office:
    """Two floors, joined by a trunk; on each a computer in VLAN 10 and a phone in VLAN 20."""

    def __init__(self) -> None:
        self.first = Switch("first", vlans={10: "192.168.10.0/24", 20: "192.168.20.0/24"})
        self.second = Switch("second", vlans=(10, 20))
        self.pc1, self.pc2 = Host("pc1"), Host("pc2")
        self.phone1, self.phone2 = Host("phone1"), Host("phone2")
        Link(self.first, self.pc1, vlan=10)
        self.desk = Link(self.second, self.pc2, vlan=10)
        self.phones = Link(self.first, self.phone1, vlan=20)
        Link(self.second, self.phone2, vlan=20)
        self.trunk = Link(self.first, self.second, trunk=True)
        self.gateway = Router("gateway")

    def put_a_router_on_a_stick(self) -> Link:
        return Link(self.first, self.gateway, trunk=(10, 20))

    def plan(self, previous: Plan | None = None) -> Plan:
        return make_plan([self.first], previous=previous)


@pytest.fixture
def office() -> Office:
    return Office()


# -- What may be declared -----------------------------------------------------

FIRST = Switch("first", vlans=(10, 20))
PLAIN = Switch("plain")


@pytest.mark.parametrize(
    ("declare", "words"),
    [
        (lambda: Switch("s", vlans=(0,)), "0 is no number of a VLAN; write one from 1 to 4094"),
        (lambda: Switch("s", vlans=(4095,)), "from 1 to 4094"),
        (lambda: Switch("s", vlans=[True]), "True is no number"),
        (lambda: Switch("s", vlans=10), "write the numbers"),
        (lambda: Switch("s", vlans=()), "no VLAN is named"),
        (lambda: Switch("s", vlans=(10, 10)), "VLAN 10 is named twice"),
        (lambda: Switch("s", "10.0.5.0/24", vlans=(10,)), r"vlans=\{10: \"10.0.5.0/24\"\}"),
        (lambda: Switch("s", vlans={10: "10.0.5.1/24"}), "VLAN 10: .* did you mean"),
        (lambda: PLAIN.add_vlan(10), "tells no VLANs apart"),
        (lambda: FIRST.add_vlan(10), "has VLAN 10 already"),
        (lambda: Link(FIRST, Host("h")), "say what the link carries: vlan=10, or trunk=.10, 20"),
        (lambda: Link(FIRST, Host("h"), vlan=30), "no VLAN 30, only 10 and 20; add it"),
        (lambda: Link(FIRST, Host("h"), vlan="10"), "'10' is no number of a VLAN"),
        (lambda: Link(FIRST, Host("h"), vlan=10, trunk=(20,)), "leave out vlan= or trunk="),
        (lambda: Link(FIRST, Host("h"), trunk="all"), "write the numbers of VLANs"),
        (lambda: Link(FIRST, Host("h"), native=10), "this is no trunk; write vlan=10"),
        (lambda: Link(FIRST, Host("h"), trunk=(10,), native=30), "no VLAN 30, only 10 and 20"),
        (lambda: Link(PLAIN, Host("h"), native=1), "switch plain tells no VLANs apart"),
        (lambda: Link(FIRST, PLAIN, trunk=True), "switch plain tells no VLANs apart and could not"),
        (lambda: Link(PLAIN, Host("h"), vlan=10), "declare it with them: Switch.'plain', vlans="),
        (lambda: Link(Host("h"), Host("i"), vlan=10), "VLANs are told apart by a switch"),
        (
            lambda: Link(FIRST, Switch("s", vlans=(30, 40)), trunk=True),
            "have no VLAN in common: first has 10 and 20, s has 30 and 40",
        ),
        (lambda: Link(FIRST, Host("h"), trunk=(10,), address="10.0.5.1"), "in each VLAN; write"),
        (lambda: Link(FIRST, Host("h"), trunk=(10,), address={20: "10.0.5.1"}), "carries 10"),
        (lambda: Link(FIRST, Host("h"), vlan=10, address={10: "10.0.5.1"}), "this is no trunk"),
        (lambda: Link(FIRST, Host("h"), vlan=10, subnet="10.0.5.0/24"), r"vlans=\{\.\.\.: '10"),
        (lambda: Link(PLAIN, Host("h")).change(vlan=10), "tells no VLANs apart"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(declare: Callable[[], Any], words: str) -> None:
    before = len(FIRST.links)
    with pytest.raises(TopologyError, match=words):
        declare()
    assert len(FIRST.links) == before


def test_declarations_say_what_they_are(office: Office) -> None:
    stick = Link(office.first, office.gateway, trunk=(20, 10), address={10: "192.168.10.254"})
    assert repr(office.first) == (
        "Switch('first', vlans={10: '192.168.10.0/24', 20: '192.168.20.0/24'})"
    )
    assert repr(office.trunk) == "Link(first, second, trunk=True)"
    assert repr(stick) == "Link(first, gateway, trunk=(10, 20), address={10: '192.168.10.254'})"
    assert repr(office.desk) == "Link(second, pc2, vlan=10)"
    assert (office.desk.vlan, office.desk.trunk, stick.vlan, stick.trunk) == (
        10,
        (),
        None,
        (10, 20),
    )
    assert stick[10] is stick[10]
    with pytest.raises(TopologyError, match="no interface of VLAN 30, only 10 and 20"):
        stick[30]
    with pytest.raises(TopologyError, match="has no cable of its own"):
        stick[10].down()


def test_two_ways_make_a_loop_only_in_one_vlan(office: Office) -> None:
    a, b = Switch("a", vlans=(1, 2)), Switch("b", vlans=(1, 2))
    Link(a, b, vlan=1)
    second = Link(a, b, vlan=2)
    Link(b, Host("h"), vlan=1)
    make_plan([a])
    second.change(trunk=True)
    with pytest.raises(TopologyError, match="a and b are linked in a loop"):
        make_plan([a])
    second.change(vlan=2)
    Link(a, b, vlan=2)
    with pytest.raises(TopologyError, match="a and b are linked in a loop"):
        make_plan([a])


# -- What is planned ----------------------------------------------------------


def test_each_vlan_is_a_network_of_its_own(office: Office) -> None:
    stick = office.put_a_router_on_a_stick()
    plan = office.plan()
    addresses = {
        (node.name, item.name): [str(address) for address in item.addresses]
        for node in plan.nodes
        for item in node.interfaces
    }
    assert addresses == {
        ("pc1", "eth0"): ["192.168.10.2/24"],
        ("pc2", "eth0"): ["192.168.10.3/24"],
        ("phone1", "eth0"): ["192.168.20.2/24"],
        ("phone2", "eth0"): ["192.168.20.3/24"],
        ("gateway", "eth0"): [],
        ("gateway", "eth0.10"): ["192.168.10.1/24"],
        ("gateway", "eth0.20"): ["192.168.20.1/24"],
    }
    assert [str(route.via) for route in plan.node("phone2").routes] == ["192.168.20.1"]
    whole, ten, twenty = plan.node("gateway").interfaces
    assert whole.mac == ten.mac == twenty.mac
    assert ten.as_shell() == ("ip link add link eth0 name eth0.10 type vlan id 10",)
    assert {"pc1", "phone2"} <= {name for row in plan.node("pc2").hosts for name in row.names}
    assert find_domains(plan)[0] == [
        ("first", "10"),
        ("pc1", "eth0"),
        ("second", "10"),
        ("pc2", "eth0"),
        ("gateway", "eth0.10"),
    ]
    office.gateway.masquerade(stick[20])
    nat = office.plan().node("gateway").nat
    assert nat is not None
    assert nat.uplinks[0].interface == "eth0.20"
    with pytest.raises(TopologyError, match=r"say which VLAN, as in link\[10\]"):
        office.gateway.masquerade(stick)


def test_a_switch_with_vlans_is_planned_as_so_many_switches() -> None:
    def plan(apart: bool) -> Plan:
        """Two floors and two VLANs, or a switch for each of the four; a NAT router on a stick."""
        names = ("gateway", "www", "pc1", "phone1", "pc2", "phone2")
        gateway, www, *hosts = (Router(names[0]), *(Host(name) for name in names[1:]))
        if apart:
            first = [Switch("pcs1", "192.168.10.0/24"), Switch("phones1")]
            second = [Switch("pcs2"), Switch("phones2")]
            for one, other in zip(first, second, strict=True):
                Link(one, gateway)
                Link(one, other)
            for switch, host in zip((*first, *second), hosts, strict=True):
                Link(switch, host)
        else:
            floor1 = Switch("floor1", vlans={10: "192.168.10.0/24", 20: None})
            floor2 = Switch("floor2", vlans=(10, 20))
            Link(floor1, gateway, trunk=True)
            Link(floor1, floor2, trunk=True)
            for number, host in enumerate(hosts):
                Link((floor1, floor2)[number // 2], host, vlan=(10, 20)[number % 2])
        gateway.masquerade(Link(gateway, www))
        return make_plan([gateway], ipv6=True)

    called = {"eth0.10": "eth0", "eth0.20": "eth1", "eth1": "eth2"}
    vlans, apart = plan(apart=False), plan(apart=True)
    for one, other in zip(vlans.nodes, apart.nodes, strict=True):
        names = called if one.kind == "router" else {"eth0": "eth0"}
        found = {names[item.name]: item.addresses for item in one.interfaces if item.name in names}
        assert found == {item.name: item.addresses for item in other.interfaces}
        assert [replace(item, interface=names[item.interface]) for item in one.routes] == [
            *other.routes
        ]
        assert one.hosts == other.hosts


def test_a_plain_switch_at_an_access_port_is_in_its_vlan(office: Office) -> None:
    dumb, printer = Switch("dumb"), Host("printer")
    Link(office.second, dumb, vlan=20)
    Link(dumb, printer)
    [interface] = office.plan().node("printer").interfaces
    assert [str(address) for address in interface.addresses] == ["192.168.20.3/24"]


def test_a_host_may_have_a_trunk_and_ipv6(office: Office) -> None:
    server = Host("server")
    Link(office.second, server, trunk=(20,), address={20: "192.168.20.9"}, names=(None, "lan"))
    found = make_plan([server], ipv6=True).node("server").interfaces
    assert [(item.name, len(item.addresses)) for item in found] == [("lan", 0), ("lan.20", 2)]
    assert str(found[1].addresses[0]) == "192.168.20.9/24"


def test_commands_that_do_the_same_are_those_of_bridge(office: Office) -> None:
    [first, _] = office.plan().switches
    assert list(first.as_shell()) == [
        "ip link set dev first type bridge vlan_filtering 1 vlan_default_pvid 0",
        "bridge vlan add dev pc1-eth0 vid 10 pvid untagged",
        "bridge vlan add dev phone1-eth0 vid 20 pvid untagged",
        "bridge vlan add dev second-first vid 10",
        "bridge vlan add dev second-first vid 20",
    ]


def test_a_vlan_is_named_as_the_kernel_wants_it() -> None:
    # linux/if_link.h, linux/if_bridge.h: PVID and untagged are 2 and 4.
    untagged = agents_vlans.BRIDGE_VLAN_INFO_PVID | agents_vlans.BRIDGE_VLAN_INFO_UNTAGGED
    assert agents_vlans.vlans_body(5, {10: untagged}).hex(" ", 4) == (
        "07000000 05000000 00000000 00000000 0c001a80 08000200 06000a00"
    )


def test_a_moved_port_changes_the_host_and_the_switch_alone(office: Office) -> None:
    office.put_a_router_on_a_stick()
    before = office.plan()
    office.desk.change(vlan=20)
    after = office.plan(before)
    changes = compare(before, after)
    assert [change.node for change in changes.inside] == ["pc2"]
    assert [str(item.addresses[0]) for item in changes.inside[0].interfaces] == ["192.168.20.4/24"]
    assert [str(address) for _, address in changes.inside[0].addresses_remove] == [
        "192.168.10.3/24"
    ]
    [switched] = changes.switches_change
    assert switched.old.moved(switched.new) == (PortPlan("pc2-eth0", 20),)
    assert not (changes.wires or changes.wires_remove or changes.nodes)


def test_a_trunk_gains_and_loses_interfaces(office: Office) -> None:
    stick = office.put_a_router_on_a_stick()
    rule = office.gateway.firewall.drop(interface=stick[20])
    with pytest.raises(TopologyError, match="speak of it"):
        stick.change(trunk=(10,))
    assert stick.trunk == (10, 20)
    office.gateway.firewall.remove(rule)
    before = office.plan()
    stick.change(trunk=(10,))
    [lost] = [
        change for change in compare(before, office.plan(before)).inside if change.node == "gateway"
    ]
    assert [item.name for item in lost.interfaces_remove] == ["eth0.20"]
    back = compare(office.plan(before), before).inside
    [gained] = [change for change in back if change.node == "gateway"]
    assert [(item.name, item.parent, item.vlan) for item in gained.interfaces] == [
        ("eth0.20", "eth0", 20)
    ]


def test_a_new_vlan_goes_over_trunks_of_all(office: Office) -> None:
    office.first.add_vlan(30, "192.168.30.0/24")
    assert office.trunk.trunk == (10, 20)
    office.second.add_vlan(30)
    assert office.trunk.trunk == (10, 20, 30)
    camera = Host("camera")
    Link(office.second, camera, vlan=30)
    [interface] = office.plan().node("camera").interfaces
    assert str(interface.addresses[0]) == "192.168.30.1/24"


def test_what_is_saved_is_loaded(office: Office) -> None:
    stick = Link(office.first, office.gateway, trunk=(10, 20), address={10: "192.168.10.254"})
    office.gateway.masquerade(stick[20])
    office.gateway.firewall.drop(interface=stick[10])
    plan = office.plan()
    nodes = list(Lab(office.first).nodes)
    loaded = load(save(nodes, plan, Credentials.make({"ann": "secret"})))
    assert loaded.plan == plan
    assert [repr(node) for node in loaded.nodes] == [repr(node) for node in nodes]
    links = [repr(link) for node in loaded.nodes for link in node.links]
    assert links == [repr(link) for node in nodes for link in node.links]
    assert make_plan(loaded.nodes) == plan


def test_a_picture_shows_vlans(office: Office) -> None:
    office.put_a_router_on_a_stick()
    assert draw(office.plan(), width=90).splitlines() == [
        "gateway             eth0.10 192.168.10.1  eth0.20 192.168.20.1",
        "╰── [first]         10: 192.168.10.0/24  20: 192.168.20.0/24",
        "    ├── pc1         eth0 192.168.10.2  VLAN 10",
        "    ├── phone1      eth0 192.168.20.2  VLAN 20",
        "    ╰── [second]    10: 192.168.10.0/24  20: 192.168.20.0/24",
        "        ├── pc2     eth0 192.168.10.3  VLAN 10",
        "        ╰── phone2  eth0 192.168.20.3  VLAN 20",
    ]


def test_where_each_vlan_has_a_tree_each_has_a_root(office: Office) -> None:
    plan = office.plan()

    def row(device: str, vlan: int, root: str) -> dict[str, Any]:
        own = {"first": "8000aa", "second": "8000bb"}[device]
        return {"device": device, "vlan": vlan, "id": own, "root": root, "ports": []}

    rows = [row(device, vlan, "8000aa") for device in ("first", "second") for vlan in (10, 20)]
    assert unsettled(plan, rows) == []
    rows[-1] = row("second", 20, "8000bb")
    assert unsettled(plan, rows) == ["second does not know that first is the root"]


# -- Running ------------------------------------------------------------------


@pytest.fixture(scope="module")
def running(engine: Engine, keep_lab: Callable[[str], None]) -> Iterator[tuple[Office, Lab]]:
    """One lab for all that follows; each test leaves it as it was."""
    office = Office()
    with Lab(office.first, office.gateway, name="vlans", quiet=True, keep=True) as lab:
        keep_lab(lab.id)
        yield office, lab
        lab.stop()


Running = tuple[Office, Lab]


def _address(node: Host | Router, interface: str = "eth0") -> Any:
    return node.interfaces[interface].addresses[0].ip


@pytest.mark.second_kernel
def test_hosts_of_one_vlan_reach_each_other_and_no_others(running: Running) -> None:
    office, _ = running
    assert_can_ping(office.pc1, office.pc2)
    assert_can_ping(office.phone1, office.phone2)
    # With a way there, but for the switches: a route says that it is on the link itself.
    there = _address(office.phone1)
    office.pc1.run(f"ip route add {there} dev eth0")
    assert_cannot_ping(office.pc1, str(there))
    office.pc1.run(f"ip route del {there}")


@pytest.mark.second_kernel
def test_frames_on_a_trunk_have_the_tag_of_their_vlan(running: Running) -> None:
    office, _ = running
    with office.trunk.capture() as trunk, office.desk.capture() as desk:
        assert_can_ping(office.pc1, office.pc2)
        assert_can_ping(office.phone1, office.phone2)
    tags = {(str(packet.source), packet.vlan) for packet in trunk if packet.protocol == "ICMP"}
    assert tags == {
        ("192.168.10.1", 10),
        ("192.168.10.2", 10),
        ("192.168.20.1", 20),
        ("192.168.20.2", 20),
    }
    assert {packet.vlan for packet in desk if packet.protocol == "ICMP"} == {None}


@pytest.mark.second_kernel
def test_ports_and_table_say_the_vlan(running: Running) -> None:
    office, _ = running
    assert_can_ping(office.pc1, office.pc2)
    ports: Table[SwitchPort] = office.second.ports()
    assert [(row.node, row.vlan, row.trunk, row.state) for row in ports] == [
        ("pc2", 10, (), "forwarding"),
        ("phone2", 20, (), "forwarding"),
        ("first", None, (10, 20), "forwarding"),
    ]
    learned = {(row.node, row.vlan, row.port) for row in office.second.table()}
    assert {("pc2", 10, "pc2-eth0"), ("first", 10, "first-second")} <= learned
    assert office.trunk.as_shell() == [
        "first: bridge vlan add dev second-first vid 10",
        "first: bridge vlan add dev second-first vid 20",
        "second: bridge vlan add dev first-second vid 10",
        "second: bridge vlan add dev first-second vid 20",
    ]


@pytest.mark.second_kernel
def test_a_router_on_a_stick_leads_from_vlan_to_vlan(running: Running) -> None:
    office, lab = running
    stick = office.put_a_router_on_a_stick()
    lab.start()
    assert_can_ping(office.pc2, office.phone2)
    gateway = str(_address(office.gateway, "eth0.10"))
    assert_path(office.pc2, "phone2", gateway, str(_address(office.phone2)))
    assert stick.as_shell()[-1] == "gateway: ip link add link eth0 name eth0.20 type vlan id 20"
    stick.change(trunk=(20,))
    assert "eth0.10" not in office.gateway.run("ip -br link").stdout
    assert_cannot_ping(office.pc2, gateway)
    stick.change(trunk=True)
    assert_can_ping(office.pc2, office.phone2)
    lab.remove(stick)
    assert office.gateway.run("ip -br link").stdout.split() == ["lo", "UNKNOWN", *_LOOPBACK]
    assert_can_ping(office.pc1, office.pc2)


_LOOPBACK = ("00:00:00:00:00:00", "<LOOPBACK,UP,LOWER_UP>")


def test_a_firewall_may_speak_of_one_vlan_of_a_trunk(running: Running) -> None:
    office, lab = running
    stick = office.put_a_router_on_a_stick()
    lab.start()
    rule = office.gateway.firewall.drop(interface=stick[20])
    assert_cannot_ping(office.phone2, office.pc2)
    office.gateway.firewall.remove(rule)
    assert_can_ping(office.phone2, office.pc2)
    lab.remove(stick)


def test_a_port_is_moved_to_another_vlan(running: Running) -> None:
    office, _ = running
    office.desk.change(vlan=20)
    assert [row.vlan for row in office.second.ports() if row.node == "pc2"] == [20]
    assert_can_ping(office.pc2, office.phone1)
    assert_can_ping(office.phone2, "pc2")
    # No router leads there now, and nobody knows a name that leads nowhere.
    assert "pc2" not in office.pc1.hosts
    office.desk.change(vlan=10, address="192.168.10.77")
    assert_can_ping(office.pc1, "192.168.10.77")


def test_a_container_is_plugged_into_one_vlan(running: Running) -> None:
    office, lab = running
    with pytest.raises(BadArgument, match="has the VLANs 10 and 20: say which"):
        plug(office.pc1, to=office.second)
    with pytest.raises(BadArgument, match="no VLAN 30, only 10 and 20"):
        plug(office.pc1, to=office.second, vlan=30)
    with plug(office.pc1, to=f"{lab.id}/second", vlan=20, addresses="192.168.20.200"):
        assert_can_ping(office.phone1, "192.168.20.200")
        assert_can_ping(office.pc1, office.pc2)


def test_hosts_themselves_load_no_programs(running: Running) -> None:
    office, _ = running
    # The agent may, and needs no more than what a host must not have: bpf(2), CAP_BPF.
    assert office.pc1.call(_load_a_program) == errno.EPERM


def _load_a_program() -> int:
    """Return the error number of loading a program for tc that returns 0."""
    import ctypes
    import os
    import struct

    program = ctypes.create_string_buffer(struct.pack("=QQ", 0xB7, 0x95))
    license_ = ctypes.create_string_buffer(b"MIT")
    where = ctypes.addressof(program), ctypes.addressof(license_)
    request = ctypes.create_string_buffer(struct.pack("=IIQQ", 3, 2, *where), 120)
    libc = ctypes.CDLL(None, use_errno=True)
    number = 321 if os.uname().machine == "x86_64" else 280
    return 0 if libc.syscall(number, 5, request, 120) >= 0 else ctypes.get_errno()


def test_whoever_attaches_finds_vlans_and_changes_them(running: Running) -> None:
    _, lab = running
    with Lab.attach(lab.id, quiet=True) as attached:
        second, pc2 = attached["second"], attached["pc2"]
        assert isinstance(second, Switch)
        [desk] = pc2.links
        assert (dict(second.vlans), desk.vlan) == ({10: (), 20: ()}, 10)
        desk.change(vlan=20)
        assert_can_ping(pc2, "phone2")
        desk.change(vlan=10)


def test_what_does_not_run_has_no_commands(office: Office) -> None:
    with pytest.raises(NotRunning):
        office.trunk.as_shell()


# -- Running by themselves ------------------------------------------------------


def test_a_host_asks_the_server_of_the_vlan_that_it_is_moved_to(
    namespaces_engine: NamespacesEngine,
) -> None:
    floor, host = Switch("floor", vlans=(10, 20)), Host("pc")
    servers = {vlan: Router(f"r{vlan}", services=["dhcp"]) for vlan in (10, 20)}
    for vlan, server in servers.items():
        Link(floor, server, vlan=vlan)
    desk = Link(floor, host, vlan=10, address="dhcp")
    with Lab(floor, quiet=True, engine=namespaces_engine):
        assert_can_ping(host, "r10")
        desk.change(vlan=20)
        assert_can_ping(host, "r20")


def test_a_loop_of_trunks_heals(namespaces_engine: NamespacesEngine) -> None:
    a, b, c = (Switch(name, vlans=(10, 20), stp=True) for name in "abc")
    pc1, pc2, phone1, phone2 = (Host(name) for name in ("pc1", "pc2", "phone1", "phone2"))
    for switch, pc, phone in ((a, pc1, phone1), (c, pc2, phone2)):
        Link(switch, pc, vlan=10)
        Link(switch, phone, vlan=20)
    Link(a, b, trunk=True)
    Link(b, c, trunk=True)
    direct = Link(a, c, trunk=True)
    with Lab(a, quiet=True, engine=namespaces_engine) as lab:
        states = [row.state for switch in (a, b, c) for row in switch.ports()]
        assert (states.count("blocking"), states.count("forwarding")) == (1, 9)
        direct.down()
        lab.wait_converged()
        assert_can_ping(pc1, pc2)
        assert_can_ping(phone1, phone2)


# -- A native VLAN: frames without a tag on a trunk -----------------------------


class Native:
    """Two floors; a trunk carries VLAN 1 without a tag, and a router at it has one in it."""

    def __init__(self) -> None:
        self.first, self.second = (Switch(name, vlans=(1, 10)) for name in ("first", "second"))
        self.trunk = Link(self.first, self.second, trunk=(10,), native=1)
        self.gateway = Router("gateway")
        self.stick = Link(self.second, self.gateway, trunk=True, native=1)
        self.old, self.new, self.far = Host("old"), Host("new"), Host("far")
        Link(self.first, self.old, vlan=1)
        Link(self.first, self.new, vlan=10)
        Link(self.second, self.far, vlan=1)


def test_a_native_vlan_is_read_back_and_is_the_interface_itself() -> None:
    native = Native()
    assert repr(native.trunk) == "Link(first, second, trunk=(10,), native=1)"
    assert repr(native.stick) == "Link(second, gateway, trunk=True, native=1)"
    assert (native.stick.vlan, native.stick.trunk) == (1, (10,))
    assert native.stick[1] is native.stick
    plan = make_plan([native.first])
    assert [item.name for item in plan.node("gateway").interfaces] == ["eth0", "eth0.10"]
    assert all(item.addresses for item in plan.node("gateway").interfaces)
    [port] = [port for port in plan.switches[0].ports if port.trunk]
    assert list(port.as_shell()) == [
        "bridge vlan add dev second-first vid 1 pvid untagged",
        "bridge vlan add dev second-first vid 10",
    ]
    one = {("far", "eth0"), ("first", "1"), ("gateway", "eth0"), ("old", "eth0"), ("second", "1")}
    assert one in [set(domain) for domain in find_domains(plan)]


def test_a_native_vlan_has_an_address_of_its_own_and_survives_saving() -> None:
    office, gateway = Switch("office", vlans={1: "10.1.0.0/24", 10: None}), Router("gateway")
    link = Link(office, gateway, trunk=(10,), native=1, address={1: "10.1.0.99"})
    assert repr(link) == "Link(office, gateway, trunk=(10,), native=1, address={1: '10.1.0.99'})"
    plan = make_plan([office])
    assert str(plan.node("gateway").interfaces[0].addresses[0]) == "10.1.0.99/24"
    saved = load(save([office, gateway], plan, Credentials.make()))
    assert repr(saved.nodes[0].links[0]) == repr(link)


@pytest.mark.second_kernel
def test_frames_of_the_native_vlan_pass_a_trunk_without_a_tag(
    namespaces_engine: NamespacesEngine,
) -> None:
    native = Native()
    with Lab(native.first, quiet=True, engine=namespaces_engine):
        with native.stick.capture(filter="icmp or vlan") as packets:
            assert_can_ping(native.old, native.far)
            assert_can_ping(native.old, native.gateway)
            way = (str(_address(node)) for node in (native.gateway, native.new))
            assert_path(native.old, native.new, *way)
        tags = {packet.vlan for packet in packets if packet.protocol == "ICMP"}
        assert tags == {None, 10}


# -- Both ways, whatever this kernel has ----------------------------------------

PROGRAMS = "import os; os.environ['PLAYGROUND_VLANS'] = 'programs'"


@needs_root
@pytest.mark.parametrize(
    "before",
    [
        pytest.param("", id="as the kernel can", marks=pytest.mark.second_kernel),
        pytest.param(PROGRAMS, id="by programs"),
    ],
)
def test_a_trunk_of_a_node_has_an_interface_for_each_vlan(before: str) -> None:
    with Namespaces("h1") as h1, Namespaces("h2") as h2, connect(before=before) as agent:
        port = {"vlans": {"vlan": 10, "trunk": []}}, {"vlans": {"vlan": None, "trunk": [10, 20]}}
        agent.call(
            "wire",
            bridges=[{"device": "s", "vlans": True}],
            veths=[
                veth(end(h1.pid, "eth0"), end(None, "p1", "s") | port[0]),
                veth(end(h2.pid, "eth0"), end(None, "p2", "s") | port[1]),
            ],
        )
        tagged = [
            {"name": "eth0", "addresses": []},
            *(
                {
                    "name": f"eth0.{vlan}",
                    "addresses": [f"10.0.{vlan}.2/24"],
                    "parent": "eth0",
                    "vlan": vlan,
                    "offload": False,
                }
                for vlan in (10, 20)
            ),
        ]
        agent.call(
            "network", nodes=[node(h1.pid, "10.0.10.1/24"), node(h2.pid) | {"interfaces": tagged}]
        )
        ping = ["ping", "-c1", "-W1"]
        assert agent.spawn(h1.pid, [*ping, "10.0.10.2"]).wait(10) == 0
        agent.call(
            "switch",
            bridges=[
                {
                    "device": "s",
                    "settings": _PLAIN,
                    "ports": [{"port": "p1", "vlan": 20, "trunk": []}],
                    "unmirror": [],
                    "mirror": None,
                }
            ],
        )
        assert agent.spawn(h1.pid, [*ping, "10.0.10.2"]).wait(10) != 0
        gone = [{"name": "eth0.10", "parent": "eth0", "vlan": 10}]
        agent.call("network", nodes=[{"pid": h2.pid, "interfaces_remove": gone}])
        agent.call("unwire", veths=[end(None, "p2")], bridges=[{"device": "s"}])
        left = set(h2.interfaces()) & {"eth0", "eth0.10", "q2.10"}
        assert left == set()


_PLAIN = {
    "stp": False,
    "ageing": 30000,
    "priority": 32768,
    "forward_delay": 0,
    "hello_time": 100,
    "max_age": 600,
}
