"""Tunnels of VXLAN between two machines, each an agent with a network of its own."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from playground.errors import AgentError
from playground.operations.connection.client import Client
from tests.support_agent import Namespaces, connect, end, needs_root, node, run, says, veth

pytestmark = needs_root

VNI, PORT, SOURCE = 0xABC123, 23_456, 34_567
FAR_END = "xabc123"
ETH_P_ALL = 3  # linux/if_ether.h


@dataclass
class OneOfTwo:
    """A machine: its agent, the namespace whose network is its way out, and a node on it."""

    agent: Client
    underlay: Namespaces
    node: Namespaces
    address: str

    def tunnel(self, other: OneOfTwo, **changed: Any) -> None:
        row = {
            "vni": VNI,
            "local": self.address,
            "remote": other.address,
            "port": PORT,
            "source_port": SOURCE,
            "mtu_bytes": 1500,
        }
        self.agent.call("tunnel", underlay=self.underlay.pid, tunnels=[row | changed])

    def names(self) -> list[str]:
        return sorted(self.agent.call("interface_names"))


@pytest.fixture
def machines() -> Iterator[tuple[OneOfTwo, OneOfTwo]]:
    """Two machines whose networks take packets of 1450 bytes, each with half of a link."""
    with ExitStack() as stack:
        found = []
        for number in (1, 2):
            under = stack.enter_context(Namespaces(f"m{number}"))
            inside = stack.enter_context(Namespaces(f"h{number}"))
            agent = stack.enter_context(connect())
            found.append(OneOfTwo(agent, under, inside, f"198.18.0.{number}"))
        one, two = found
        ends = [end(machine.underlay.pid, "eth0") for machine in found]
        one.agent.call("wire", bridges=[], veths=[veth(*ends, mtu_bytes=1450)])
        outer = [node(machine.underlay.pid, f"{machine.address}/24") for machine in found]
        one.agent.call("network", nodes=outer)
        for machine in found:
            half = veth(end(machine.node.pid, "eth0"), end(None, FAR_END))
            machine.agent.call("wire", bridges=[], veths=[half])
        yield one, two


def joined(one: OneOfTwo, two: OneOfTwo) -> None:
    one.tunnel(two)
    two.tunnel(one)
    for number, machine in enumerate((one, two), 1):
        machine.agent.call("network", nodes=[node(machine.node.pid, f"10.0.0.{number}/24")])


def test_packets_pass_in_full_size_over_a_smaller_underlay(
    machines: tuple[OneOfTwo, OneOfTwo],
) -> None:
    one, two = machines
    joined(one, two)
    assert says(two.node, one.node, "10.0.0.2") == b"hello"
    whole = "ping -c 2 -i 0.2 -W 5 -q -M do -s 1472 10.0.0.2"
    assert "2 received" in run(one.agent, one.node.pid, whole)


def test_frames_to_groups_that_a_bridge_keeps_pass_too(
    machines: tuple[OneOfTwo, OneOfTwo],
) -> None:
    one, two = machines
    joined(one, two)
    # IEEE 802.1D: the group of spanning trees, which no bridge of Linux forwards.
    frame = bytes.fromhex("0180c20000000200000000010027") + bytes(60)
    with ExitStack() as stack:
        with two.node.network():
            ear = stack.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0x0300))
            ear.bind(("eth0", ETH_P_ALL))
        ear.settimeout(5)
        with one.node.network():
            mouth = stack.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
            mouth.bind(("eth0", 0))
        mouth.send(frame)
        while ear.recv(2000)[:6] != frame[:6]:
            pass


def test_what_comes_with_another_identifier_does_not_arrive(
    machines: tuple[OneOfTwo, OneOfTwo],
) -> None:
    one, two = machines
    joined(one, two)
    # RFC 7348 section 5: flags with the I bit, and the identifier in the upper 24 bits.
    inner = bytes.fromhex("ffffffffffff02000000000988b5") + b"injected".ljust(50, b".")

    def inject(vni: int) -> None:
        head = bytes.fromhex("08000000") + (vni << 8).to_bytes(4, "big")
        with one.underlay.network():
            sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with sender:
            sender.sendto(head + inner, (two.address, PORT))

    with ExitStack() as stack:
        with two.node.network():
            ear = stack.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0xB588))
        ear.bind(("eth0", 0x88B5))
        ear.settimeout(0.5)
        inject(VNI ^ 1)
        with pytest.raises(TimeoutError):
            ear.recv(2000)
        # The control: with the right one the kernel takes it.  What keeps others out who know
        # that is the machine's server, by port and address.
        inject(VNI)
        assert b"injected" in ear.recv(2000)


def test_a_tunnel_is_removed_with_its_half_of_the_link(
    machines: tuple[OneOfTwo, OneOfTwo],
) -> None:
    one, two = machines
    joined(one, two)
    assert one.names() == ["lo", "vabc123", FAR_END]
    one.agent.call("untunnel", vnis=[VNI])
    assert one.names() == ["lo"]
    one.agent.call("untunnel", vnis=[VNI])


def test_what_a_failing_request_made_is_gone(machines: tuple[OneOfTwo, OneOfTwo]) -> None:
    one, two = machines
    one.tunnel(two)
    rows = [
        {"vni": vni, "local": one.address, "remote": two.address, "port": PORT}
        | {"source_port": SOURCE, "mtu_bytes": 1500}
        for vni in (7, VNI)
    ]
    with pytest.raises(AgentError, match=r"cannot make the tunnel vabc123 to 198.18.0.2"):
        one.agent.call("tunnel", underlay=one.underlay.pid, tunnels=rows)
    assert "v000007" not in one.names()
