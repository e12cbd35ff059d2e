"""Links, bridges and interfaces, made, changed, read and removed."""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
import time
from typing import Any

import pytest

from playground.agent.kernel import offloads
from playground.agent.links import links
from playground.agent.links.netlink import NLMSG_ERROR, Netlink
from playground.errors import AgentError
from playground.operations.connection.client import Client
from tests.support_agent import Namespaces, end, in_network, needs_root, node, plug, run, says, veth

ETH_P_ALL = 3  # linux/if_ether.h  # linux/if_ether.h
LLDP = bytes.fromhex("0180c200000e")  # IEEE 802.1AB: nearest bridge  # IEEE 802.1AB: nearest bridge


@needs_root
def test_link_between_two_nodes(agent: Client, nodes: tuple[Namespaces, Namespaces]) -> None:
    h1, h2 = nodes
    a = end(h1.pid, "eth0", mac="02:00:00:00:00:01")
    b = end(h2.pid, "wan", mac="02:00:00:00:00:02")
    agent.call("wire", bridges=[], veths=[veth(a, b, mtu_bytes=1400)])
    agent.call(
        "network", nodes=[node(h1.pid, "10.0.0.1/30"), node(h2.pid, "10.0.0.2/30", interface="wan")]
    )
    assert says(h1, h2, "10.0.0.1") == b"hello"
    for h, name, number in ((h1, "eth0", 1), (h2, "wan", 2)):
        script = f"cat /sys/class/net/{name}/address /sys/class/net/{name}/mtu"
        # A /sys of the node's own network.
        seen = run(agent, h.pid, f"mount -t sysfs sysfs /sys && {script}")
        assert seen.split() == [f"02:00:00:00:00:0{number}", "1400"]
    assert _own_interfaces(agent) == ["lo"]


@needs_root
def test_two_nodes_on_a_bridge(agent: Client, nodes: tuple[Namespaces, Namespaces]) -> None:
    h1, h2 = nodes
    plug(agent, h1, h2)
    agent.call("network", nodes=[node(h1.pid, "10.0.0.1/24"), node(h2.pid, "10.0.0.2/24")])
    assert says(h1, h2, "10.0.0.1") == b"hello"
    assert says(h2, h1, "10.0.0.2") == b"hello"
    # No frame of the lab ever was in the machine's own namespace.
    assert f"p{h1.pid}" not in [name for _, name in socket.if_nameindex()]


@needs_root
def test_bridges_linked_to_each_other(agent: Client, nodes: tuple[Namespaces, Namespaces]) -> None:
    h1, h2 = nodes
    agent.call(
        "wire",
        bridges=[{"device": "br0"}, {"device": "br1"}],
        veths=[
            veth(end(None, "p0", "br0"), end(None, "p1", "br1")),
            veth(end(h1.pid, "eth0"), end(None, "p2", "br0")),
            veth(end(None, "p3", "br1"), end(h2.pid, "eth0")),
        ],
    )
    agent.call("network", nodes=[node(h1.pid, "10.0.0.1/24"), node(h2.pid, "10.0.0.2/24")])
    assert says(h1, h2, "10.0.0.1") == b"hello"


@needs_root
def test_a_silent_wire_stays_silent(agent: Client, nodes: tuple[Namespaces, Namespaces]) -> None:
    h1, h2 = nodes
    with contextlib.ExitStack() as stack:
        sniffers = []
        for pid in (agent.hello()["pid"], h1.pid, h2.pid):
            with in_network(pid):
                sniffers.append(stack.enter_context(_sniffer()))
        plug(agent, h1, h2)
        agent.call("wire", bridges=[], veths=[veth(end(h1.pid, "eth1"), end(h2.pid, "eth1"))])
        agent.call("network", nodes=[node(h1.pid, "10.0.0.1/24"), node(h2.pid, "10.0.0.2/24")])
        for h in nodes:
            agent.call("network", nodes=[node(h.pid, f"10.1.0.{h.pid % 250}/24", interface="eth1")])
        time.sleep(1.2)
        for sniffer in sniffers:
            with pytest.raises(BlockingIOError):
                pytest.fail(f"a frame was sent: {sniffer.recv(2000).hex()}")
        # The sniffers do see what there is.
        assert says(h1, h2, "10.0.0.1") == b"hello"
        assert all(sniffer.recv(2000) for sniffer in sniffers)


def _sniffer() -> socket.socket:
    sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    sniffer.setblocking(False)
    return sniffer


@needs_root
def test_bridge_passes_reserved_multicast(
    agent: Client, nodes: tuple[Namespaces, Namespaces]
) -> None:
    h1, h2 = nodes
    plug(agent, h1, h2)
    agent.call("network", nodes=[node(h1.pid), node(h2.pid)])
    frame = LLDP + bytes.fromhex("020000000001") + bytes.fromhex("88cc") + bytes(50)
    with contextlib.ExitStack() as stack:
        with h2.network():
            receiver = stack.enter_context(_sniffer())
            receiver.settimeout(10)
        with h1.network():
            sender = stack.enter_context(_sniffer())
            sender.bind(("eth0", 0))
        sender.send(frame)
        assert receiver.recv(2000) == frame


@needs_root
@pytest.mark.parametrize("offload", [False, True], ids=["off", "on"])
def test_offloads(agent: Client, nodes: tuple[Namespaces, Namespaces], offload: bool) -> None:
    h1, h2 = nodes
    plug(agent, h1, h2, offload)
    textbook = {
        "tx-checksum-ip-generic",
        "tx-scatter-gather",
        "tx-tcp-segmentation",
        "tx-tcp6-segmentation",
        "tx-generic-segmentation",
        "tx-udp-segmentation",
        "rx-gro",
    }
    for pid, name in ((h1.pid, "eth0"), (agent.hello()["pid"], f"p{h1.pid}")):
        with in_network(pid):
            on = _active_features(name)
        if offload:
            assert {"tx-checksum-ip-generic", "tx-tcp-segmentation"} <= on
        else:
            assert on & textbook == set()


def _active_features(interface: str) -> set[str]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        names = offloads.feature_names(probe, interface)
        blocks = offloads.features(probe, interface)
    return {name for bit, name in enumerate(names) if blocks[bit // 32][2] >> bit % 32 & 1}


def _own_interfaces(agent: Client) -> list[str]:
    with in_network(agent.hello()["pid"]):
        return sorted(name for _, name in socket.if_nameindex())


@needs_root
@pytest.mark.parametrize("fault", ["name taken", "node dead", "bad mac", "no bridge", "long name"])
def test_failed_wiring_leaves_nothing(
    agent: Client, nodes: tuple[Namespaces, Namespaces], fault: str
) -> None:
    h1, h2 = nodes
    veths = [
        veth(end(h1.pid, "eth0"), end(None, "p0", "br0")),
        veth(end(h1.pid, "eth1"), end(h2.pid, "eth1")),
        veth(end(h2.pid, "eth0"), end(None, "p1", "br0")),
    ]
    number = None
    if fault == "name taken":
        veths[2]["a"]["interface"] = "lo"
        number = errno.EEXIST
    elif fault == "node dead":
        veths[2]["a"]["pid"] = 2**22 - 3
        number = errno.ESRCH
    elif fault == "bad mac":
        veths[2]["a"]["mac"] = "01:00:00:00:00:01"
        number = errno.EADDRNOTAVAIL
    elif fault == "no bridge":
        veths[2]["b"]["bridge"] = "br9"
        number = errno.ENODEV
    else:
        veths[2]["a"]["interface"] = "x" * 16
        number = errno.ERANGE
    with pytest.raises(AgentError) as caught:
        agent.call("wire", bridges=[{"device": "br0"}], veths=veths)
    assert caught.value.errno in (number, errno.ENXIO)
    assert _own_interfaces(agent) == h1.interfaces() == h2.interfaces() == ["lo"]
    # And what was there before stays, when a second call fails.
    plug(agent, h1, h2)
    before = _own_interfaces(agent)
    with pytest.raises(AgentError, match="make the bridge br0: File exists"):
        agent.call("wire", bridges=[{"device": "br1"}, {"device": "br0"}], veths=[])
    assert _own_interfaces(agent) == before


class _LateSocket:
    """A netlink socket in which acknowledgements of an earlier batch still are."""

    def __init__(self) -> None:
        self.packets = [self._acknowledge(sequence) for sequence in (1, 2, 3, 4)]

    def _acknowledge(self, sequence: int) -> bytes:
        return struct.pack("IHHIIi", 20, NLMSG_ERROR, 0, sequence, 0, -sequence)

    def send(self, data: bytes) -> None:
        pass

    def recv(self, size: int) -> bytes:
        return self.packets.pop(0)


def test_acknowledgements_that_come_late_are_not_taken_for_others() -> None:
    line = Netlink.__new__(Netlink)
    line.socket = _LateSocket()  # type: ignore[assignment]
    line.sequence = 2
    messages = [links.delete_link("eth0"), links.delete_link("eth1")]
    assert [number for _, number, _ in line.attempt(messages)] == [3, 4]


@needs_root
def test_unwire(agent: Client, nodes: tuple[Namespaces, Namespaces]) -> None:
    h1, h2 = nodes
    plug(agent, h1, h2)
    for _ in range(2):
        agent.call(
            "unwire",
            veths=[end(h1.pid, "eth0"), end(None, f"p{h2.pid}"), end(2**22 - 3, "eth0")],
            bridges=[{"device": "br0"}],
        )
    assert _own_interfaces(agent) == h1.interfaces() == h2.interfaces() == ["lo"]


@needs_root
def test_link_down_and_up(agent: Client, nodes: tuple[Namespaces, Namespaces]) -> None:
    h1, h2 = nodes
    agent.call("wire", bridges=[], veths=[veth(end(h1.pid, "eth0"), end(h2.pid, "eth0"))])
    agent.call("network", nodes=[node(h1.pid, "10.0.0.1/24"), node(h2.pid, "10.0.0.2/24")])
    ends = [end(h1.pid, "eth0"), end(h2.pid, "eth0")]
    agent.call("link", ends=ends, up=False)
    with pytest.raises(OSError, match="unreachable"):
        says(h2, h1, "10.0.0.2")
    agent.call("link", ends=ends, up=True)
    assert says(h2, h1, "10.0.0.2") == b"hello"


@needs_root
def test_what_is_sent_at_once_over_a_link_that_came_up_is_not_dropped(
    agent: Client, nodes: tuple[Namespaces, Namespaces]
) -> None:
    h1, h2 = nodes
    ends = [end(h1.pid, "eth0"), end(h2.pid, "eth0")]
    for _ in range(10):
        agent.call("wire", bridges=[], veths=[veth(*ends)])
        agent.call("network", nodes=[node(h1.pid, "10.0.0.1/24"), node(h2.pid, "10.0.0.2/24")])
        with h1.network():
            probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with probe:
            probe.sendto(b"", ("10.0.0.2", 9))
        for row in agent.call("interfaces", ends=ends):
            assert row["statistics"]["tx_dropped"] == row["statistics"]["rx_dropped"] == 0
        agent.call("unwire", veths=ends[:1])


@needs_root
def test_link_up_brings_back_the_routes_that_went(
    agent: Client, nodes: tuple[Namespaces, Namespaces]
) -> None:
    h1, h2 = nodes
    agent.call("wire", bridges=[], veths=[veth(end(h1.pid, "eth0"), end(h2.pid, "eth0"))])
    default = {"destination": "0.0.0.0/0", "via": "10.0.0.2", "interface": "eth0"}
    here = node(h1.pid, "10.0.0.1/24", routes_add=[default])
    agent.call("network", nodes=[here, node(h2.pid, "10.0.0.2/24")])
    before = run(agent, h1.pid, "ip route")
    agent.call("link", ends=[end(h1.pid, "eth0")], up=False)
    assert run(agent, h1.pid, "ip route") == ""
    agent.call("link", ends=[end(h1.pid, "eth0")], up=True, nodes=[here])
    assert run(agent, h1.pid, "ip route") == before


@needs_root
def test_a_link_of_which_one_end_is_missing_stays_as_it_is(
    agent: Client, nodes: tuple[Namespaces, Namespaces]
) -> None:
    h1, h2 = nodes
    agent.call("wire", bridges=[], veths=[veth(end(h1.pid, "eth0"), end(h2.pid, "eth0"))])
    agent.call("network", nodes=[node(h1.pid, "10.0.0.1/24"), node(h2.pid, "10.0.0.2/24")])
    with pytest.raises(AgentError, match="set the interface eth9 down"):
        agent.call("link", ends=[end(h1.pid, "eth0"), end(h2.pid, "eth9")], up=False)
    assert says(h2, h1, "10.0.0.2") == b"hello"


@needs_root
def test_neighbours_that_are_forgotten_are_asked_for_again(
    agent: Client, nodes: tuple[Namespaces, Namespaces]
) -> None:
    h1, h2 = nodes
    agent.call("wire", bridges=[], veths=[veth(end(h1.pid, "eth0"), end(h2.pid, "eth0"))])
    agent.call("network", nodes=[node(h1.pid, "10.0.0.1/24"), node(h2.pid, "10.0.0.2/24")])
    assert says(h2, h1, "10.0.0.2") == b"hello"
    assert "10.0.0.2" in run(agent, h1.pid, "ip neigh show nud reachable")
    here = {
        "pid": h1.pid,
        "interface": "eth0",
        "addresses": ["10.0.0.2", "10.0.0.9", "2001:db8::1"],
    }
    agent.call("forget_neighbours", nodes=[here, {**here, "interface": "eth9"}])
    assert run(agent, h1.pid, "ip neigh show nud reachable") == ""
    assert says(h2, h1, "10.0.0.2") == b"hello"


# What `model.switches.SwitchSettings` says of a plain switch.
PLAIN_SWITCH = {
    "stp": False,
    "ageing": 30000,
    "priority": 32768,
    "forward_delay": 0,
    "hello_time": 100,
    "max_age": 600,
}


@needs_root
def test_a_bridge_is_changed_and_says_what_it_learned(
    agent: Client, nodes: tuple[Namespaces, Namespaces]
) -> None:
    h1, h2 = nodes
    ports = [
        veth(end(h1.pid, "eth0", mac="02:00:00:00:00:01"), end(None, "p1", "lan")),
        veth(end(h2.pid, "eth0", mac="02:00:00:00:00:02"), end(None, "p2", "lan")),
    ]
    agent.call("wire", bridges=[{"device": "lan", "settings": PLAIN_SWITCH}], veths=ports)
    agent.call("network", nodes=[node(h1.pid, "10.0.0.1/24"), node(h2.pid, "10.0.0.2/24")])
    assert says(h2, h1, "10.0.0.2") == b"hello"
    rows = agent.call("learned", device="lan")
    assert {row["mac"]: row["port"] for row in rows} == {
        "02:00:00:00:00:01": "p1",
        "02:00:00:00:00:02": "p2",
    }
    hub = {"device": "lan", "settings": {**PLAIN_SWITCH, "ageing": 0}, "unmirror": []}
    agent.call("switch", bridges=[{**hub, "mirror": None}])
    assert says(h2, h1, "10.0.0.2") == b"hello"
    assert agent.call("learned", device="lan") == []


@needs_root
def test_a_bridge_tells_its_tree_and_where_its_ports_stand(
    agent: Client, nodes: tuple[Namespaces, Namespaces]
) -> None:
    h1, _ = nodes
    speaks = {**PLAIN_SWITCH, "stp": True, "priority": 4096, "forward_delay": 200}
    pair = veth(end(h1.pid, "eth0"), end(None, "p1", "lan"))
    agent.call("wire", bridges=[{"device": "lan", "settings": speaks}], veths=[pair])
    [row] = agent.call("switches", devices=["lan"])
    assert row["id"] == row["root"]
    assert row["id"].startswith("1000")
    assert [(port["port"], port["carrier"]) for port in row["ports"]] == [("p1", False)]
    # Back to a plain one, whose delay of 0 the kernel takes only without the protocol.
    plain = {"device": "lan", "settings": PLAIN_SWITCH, "unmirror": ["p1"], "mirror": None}
    agent.call("switch", bridges=[plain])
    agent.call("network", nodes=[node(h1.pid, "10.0.0.1/24")])
    # The kernel hears of a carrier a moment after it is there (its net/core/link_watch.c).
    deadline = time.monotonic() + 10
    while (row := agent.call("switches", devices=["lan"])[0])["ports"][0]["state"] != "forwarding":
        assert time.monotonic() < deadline, row


@needs_root
def test_interfaces_tell_their_state_and_count_what_passes(
    agent: Client, nodes: tuple[Namespaces, Namespaces]
) -> None:
    h1, h2 = nodes
    mac = "02:00:00:00:00:01"
    agent.call("wire", bridges=[], veths=[veth(end(h1.pid, "eth0", mac=mac), end(h2.pid, "eth0"))])
    agent.call("network", nodes=[node(h1.pid, "10.0.0.1/24"), node(h2.pid, "10.0.0.2/24")])
    ends = [end(h1.pid, "eth0"), end(h2.pid, "eth0")]
    before = agent.call("interfaces", ends=ends)
    assert says(h2, h1, "10.0.0.2") == b"hello"
    row, other = agent.call("interfaces", ends=ends)
    assert (row["up"], row["carrier"], row["mtu_bytes"], row["mac"]) == (True, True, 1500, mac)
    # An ARP request and the datagram: Ethernet, IP and UDP headers and 5 bytes.
    sent = row["statistics"]["tx_bytes"] - before[0]["statistics"]["tx_bytes"]
    assert sent == 42 + 14 + 20 + 8 + 5
    assert row["statistics"]["tx_packets"] == other["statistics"]["rx_packets"]
    agent.call("link", ends=ends[1:], up=False)
    row, other = agent.call("interfaces", ends=ends)
    assert (row["up"], row["carrier"], other["up"]) == (True, False, False)
    with pytest.raises(AgentError, match="look at the interface eth9"):
        agent.call("interfaces", ends=[end(h1.pid, "eth9")])


@needs_root
def test_routes_are_read_from_each_node(
    agent: Client, nodes: tuple[Namespaces, Namespaces]
) -> None:
    h1, h2 = nodes
    agent.call("wire", bridges=[], veths=[veth(end(h1.pid, "eth0"), end(h2.pid, "eth0"))])
    gateway = {"destination": "10.9.0.0/16", "via": "10.0.0.2", "interface": "eth0"}
    agent.call("network", nodes=[node(h1.pid, "10.0.0.1/24", routes_add=[gateway])])
    first, second = agent.call("routes", pids=[h1.pid, h2.pid])
    found = {(r["destination"], r["via"], r["interface"]) for r in first if "." in r["destination"]}
    assert found == {("10.0.0.0/24", None, "eth0"), ("10.9.0.0/16", "10.0.0.2", "eth0")}
    assert [r for r in second if "." in r["destination"]] == []


@needs_root
def test_a_packet_is_sent_and_seen_and_ways_are_found(
    agent: Client, nodes: tuple[Namespaces, Namespaces]
) -> None:
    h1, h2 = nodes
    agent.call("wire", bridges=[], veths=[veth(end(h1.pid, "eth0"), end(h2.pid, "eth0"))])
    gateway = {"destination": "10.9.0.0/16", "via": "10.0.0.2", "interface": "eth0"}
    ends = [node(h1.pid, "10.0.0.1/24", routes_add=[gateway]), node(h2.pid, "10.0.0.2/24")]
    agent.call("network", nodes=ends)
    question = {"pid": h1.pid, "source": None, "interface": None, "mark": 0, "protocol": None}
    question |= {"source_port": None, "port": None}
    there, nowhere = agent.call(
        "ways",
        questions=[question | {"destination": to} for to in ("10.9.1.1", "10.8.1.1")],
    )
    assert (there["via"], there["interface"], there["prefix"]) == (
        "10.0.0.2",
        "eth0",
        "10.9.0.0/16",
    )
    assert nowhere == {"errno": errno.ENETUNREACH, "message": "Network is unreachable"}

    def probe(protocol: int, port: int | None) -> Any:
        to = {"destination": "10.0.0.2", "port": port, "payload": ""}
        return agent.call("probe", pid=h1.pid, watch=[h1.pid, h2.pid], protocol=protocol, **to)

    # A socket that was refused at once is writable, and yet nobody has answered.
    unsent = {"destination": "10.8.1.1", "port": 80, "payload": ""}
    refused = agent.call("probe", pid=h1.pid, watch=[h1.pid], protocol=6, **unsent)["outcome"]
    assert (refused["answered"], refused["errno"]) == (False, errno.ENETUNREACH)
    answered = probe(1, None)
    assert answered["outcome"]["answered"]
    assert {(row[0], row[1]) for row in answered["frames"]} == {(0, "eth0"), (1, "eth0")}
    refused = probe(6, 80)
    assert refused["outcome"]["errno"] == errno.ECONNREFUSED
    assert refused["outcome"]["source"] == "10.0.0.1"
    # With rules, each tells what it decided; what made them tell is gone after that.
    rules = "table inet t { chain c { type filter hook input priority 0; tcp dport 80 drop; }; }"
    agent.call("firewall", nodes=[{"pid": h2.pid, "ruleset": rules}])
    lost = probe(6, 80)
    assert (lost["outcome"]["answered"], lost["outcome"]["errno"]) == (False, None)
    assert any(
        (row["watch"], row["chain"], row["verdict"]) == (1, "c", 0) for row in lost["traces"]
    )
    [state] = agent.call("states", pids=[h2.pid])
    assert state["tables"] == [["inet", "t"]]
    assert "tcp dport 80 drop # handle" in state["ruleset"]
