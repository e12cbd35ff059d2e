"""Links, bridges and interfaces, made, changed, read and removed."""

from __future__ import annotations

import contextlib
import errno
import socket
import time

import pytest

from playground.errors import AgentError
from playground.operations.connection.client import Client
from tests.support_agent import Namespaces, end, in_network, needs_root, node, plug, run, says, veth

ETH_P_ALL = 3  # linux/if_ether.h


LLDP = bytes.fromhex("0180c200000e")  # IEEE 802.1AB: nearest bridge


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
