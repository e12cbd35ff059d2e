"""Links that go down, come up, are slow and lose frames; on both engines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from playground.engines.seam import Engine
from playground.errors import AgentError, NotRunning, PlaygroundError, TopologyError
from playground.lab.lab import Lab
from playground.model.impairment import Impairment
from playground.operations.connection.client import Client
from playground.operations.network import Host, Link, Router, Switch
from playground.planning.difference import compare
from playground.planning.planner import make_plan
from tests.traffic import tcp_mbit


class Small:
    """h1 - home - modem - www: two hosts, a switch, a router."""

    def __init__(self) -> None:
        self.home, self.modem = Switch("home"), Router("modem")
        self.h1, self.www = Host("h1"), Host("www")
        self.cable = Link(self.home, self.h1)
        self.trunk = Link(self.home, self.modem)
        self.uplink = Link(self.modem, self.www)

    def reaches(self) -> bool:
        return self.h1.ping(self.www, count=1, timeout_s=1).received == 1

    def reaches_again(self) -> bool:
        """Whether it comes to that: who asked in vain for a MAC address asks again in 1 s."""
        return any(self.reaches() for _ in range(5))


@pytest.fixture
def small() -> Small:
    return Small()


@pytest.fixture
def running(engine: Engine, small: Small) -> Iterator[tuple[Small, Lab]]:
    with Lab(small.home, name="links", quiet=True) as lab:
        yield small, lab


# -- Declared -----------------------------------------------------------------


def test_what_is_declared_stands_in_the_plan(small: Small) -> None:
    small.uplink.down()
    small.cable.impair(delay_ms=5, toward=small.h1)
    wires = make_plan((small.home,)).wires
    assert [wire.up for wire in wires] == [True, True, False]
    assert wires[0].toward_a is None
    assert wires[0].toward_b == Impairment(delay_ms=5)


def test_both_directions_are_impaired_unless_one_is_named(small: Small) -> None:
    small.cable.impair(loss_percent=1)
    small.cable.impair(delay_ms=5, toward="h1")
    assert {row.toward: row.impairment for row in small.cable.impairments} == {
        "home": Impairment(loss_percent=1),
        "h1": Impairment(delay_ms=5),
    }
    small.cable.restore(toward=small.home)
    assert [row.toward for row in small.cable.impairments] == ["h1"]
    small.cable.restore()
    assert not small.cable.impairments


def test_a_node_at_neither_end_is_refused(small: Small) -> None:
    with pytest.raises(TopologyError, match="at neither end; give home or h1"):
        small.cable.impair(delay_ms=5, toward=small.www)
    with pytest.raises(TopologyError, match="needs a delay_ms"):
        small.cable.impair(reorder_percent=5)
    assert not small.cable.impairments


def test_counters_are_those_of_a_running_lab(small: Small) -> None:
    with pytest.raises(NotRunning, match="start its lab first"):
        small.cable.statistics()


# -- Live ---------------------------------------------------------------------


def test_nothing_passes_a_link_that_is_down(running: tuple[Small, Lab]) -> None:
    small, lab = running
    for link in (small.cable, small.trunk, small.uplink):
        routes = [node.run("ip route").stdout for node in (small.h1, small.modem, small.www)]
        link.down()
        assert link.is_down
        assert not small.reaches()
        link.up()
        assert not link.is_down
        assert small.reaches_again()
        now = [node.run("ip route").stdout for node in (small.h1, small.modem, small.www)]
        assert now == routes
    assert not compare(lab.running_plan(), lab.plan())


def test_a_host_at_a_switch_loses_its_carrier_and_keeps_its_address(
    running: tuple[Small, Lab],
) -> None:
    small, _ = running
    small.cable.down()
    port, interface = small.cable.statistics()
    assert (port.up, interface.up, interface.carrier) == (False, True, False)
    assert small.cable.as_shell() == [f"home: ip link set dev {port.interface} down"]
    assert "proto static" in small.h1.run("ip route").stdout
    small.cable.up()
    port, interface = small.cable.statistics()
    assert (port.up, interface.up, interface.carrier) == (True, True, True)


def test_counters_count_what_passes(running: tuple[Small, Lab]) -> None:
    small, _ = running
    assert small.reaches_again()
    before = small.uplink.statistics()
    assert small.h1.ping(small.www, count=5, interval_s=0.05).received == 5
    after = small.uplink.statistics()
    assert [row.node for row in after] == ["modem", "www"]
    for old, new in zip(before, after, strict=True):
        assert new.tx_packets - old.tx_packets >= 5
        assert new.rx_bytes - old.rx_bytes >= 5 * 98
    assert after[0].tx_packets == after[1].rx_packets


def test_a_frame_is_as_long_as_its_link_lets_it_be(engine: Engine, small: Small) -> None:
    far = Host("far")
    narrow = Link(small.modem, far, mtu=1000, offload=True)

    def segments_tcp(interface: str) -> bool:
        """Whether the interface takes segments longer than its frames: ethtool(8), -k."""
        import array
        import fcntl
        import socket
        import struct

        wanted = array.array("B", struct.pack("II", 0x23, 0))  # ETHTOOL_GGSO
        request = struct.pack("16sP", interface.encode(), wanted.buffer_info()[0])
        with socket.socket() as probe:
            fcntl.ioctl(probe, 0x8946, request)  # SIOCETHTOOL
        return struct.unpack("II", wanted)[1] == 1

    with Lab(small.home, name="links", quiet=True):
        assert [row.mtu_bytes for row in narrow.statistics()] == [1000, 1000]
        assert [row.mtu_bytes for row in small.uplink.statistics()] == [1500, 1500]
        # An IP header of 20 bytes, one of ICMP of 8.
        for payload, fits in ((972, True), (973, False)):
            command = f"ping -c 1 -W 2 -M do -s {payload} {far.address}"
            assert small.modem.run(command, check=False).ok == fits
        assert small.www.call(segments_tcp, "eth0") is False
        assert far.call(segments_tcp, "eth0") is True
        assert tcp_mbit(small.h1, far, 0.1) > 0


def test_a_link_that_was_declared_down_starts_down(engine: Engine, small: Small) -> None:
    small.uplink.down()
    with Lab(small.home, name="links", quiet=True) as lab:
        assert not small.reaches()
        lab.start()
        small.uplink.up()
        assert small.reaches_again()


def test_a_lab_grows_while_a_link_is_down(running: tuple[Small, Lab]) -> None:
    small, lab = running
    small.uplink.down()
    far = Host("far")
    Link(small.modem, far)
    lab.start()
    assert small.h1.ping(far, count=1).received == 1
    assert not small.reaches()
    small.uplink.up()
    assert small.reaches_again()
    assert far.ping(small.www, count=1).received == 1


def test_delay_is_in_the_direction_that_was_said(running: tuple[Small, Lab]) -> None:
    small, lab = running
    small.uplink.impair(delay_ms=30, toward=small.www)
    [row] = small.uplink.impairments
    assert (row.toward, row.by) in [("www", ("netem",)), ("www", ("relay",))]
    ping = small.h1.ping(small.www, count=5, interval_s=0.05)
    # The way back is as fast as before.
    assert ping.rtt_ms is not None and 30 <= ping.rtt_ms < 60
    assert not compare(lab.running_plan(), lab.plan())
    small.uplink.restore()
    ping = small.h1.ping(small.www, count=5, interval_s=0.05)
    assert ping.rtt_ms is not None and ping.rtt_ms < 30


@pytest.mark.second_kernel
def test_toward_a_switch_and_from_it(running: tuple[Small, Lab]) -> None:
    small, _ = running
    small.cable.impair(delay_ms=20)
    ping = small.h1.ping(small.www, count=5, interval_s=0.05)
    assert ping.rtt_ms is not None and 40 <= ping.rtt_ms < 70
    small.cable.impair(loss_percent=100, toward=small.home)
    assert not small.reaches()
    small.cable.restore(toward=small.home)
    assert small.reaches_again()


def test_a_cable_that_was_pulled_out_is_as_slow_when_it_is_back(running: tuple[Small, Lab]) -> None:
    small, _ = running
    small.uplink.impair(delay_ms=20, toward=small.www)
    small.uplink.down()
    small.uplink.impair(delay_ms=30, toward=small.www)
    assert not small.reaches()
    small.uplink.up()
    assert [row.impairment for row in small.uplink.impairments] == [Impairment(delay_ms=30)]
    assert small.reaches_again()
    ping = small.h1.ping(small.www, count=3, interval_s=0.05)
    assert ping.rtt_ms is not None and ping.rtt_ms >= 30


@pytest.mark.second_kernel
def test_an_impairment_of_the_declaration_is_there_from_the_start(
    engine: Engine, small: Small
) -> None:
    small.uplink.impair(delay_ms=20)
    small.trunk.impair(loss_percent=100)
    with Lab(small.home, name="links", quiet=True):
        assert not small.reaches()
        assert small.trunk.impairments[0].by in [("netem",), ("filter",)]
        small.trunk.restore()
        assert small.reaches_again()
        ping = small.h1.ping(small.www, count=3, interval_s=0.05)
        assert ping.rtt_ms is not None and ping.rtt_ms >= 40


def test_who_attaches_later_finds_links_as_they_are(engine: Engine, small: Small) -> None:
    with Lab(small.home, name="links-kept", keep=True, quiet=True) as lab:
        try:
            small.uplink.impair(delay_ms=20)
            small.cable.down()
            lab.detach()
            with Lab.attach("links-kept", quiet=True) as other:
                cable, _, uplink = other.links
                assert cable.is_down
                assert [row.impairment.delay_ms for row in uplink.impairments] == [20, 20]
                assert uplink.impairments[0].by in [("netem",), ("relay",)]
                cable.up()
                host, www = other.node("h1"), other.node("www")
                ping = host.ping(www, count=3, interval_s=0.05)
                assert ping.rtt_ms is not None and ping.rtt_ms >= 40
        finally:
            Lab.attach("links-kept", quiet=True).stop()


# -- Taken out, and planned ---------------------------------------------------


def test_a_link_that_is_removed_is_gone_and_others_take_its_place(
    running: tuple[Small, Lab],
) -> None:
    small, lab = running
    second = Link(small.home, small.www)
    lab.start()
    lab.remove(small.uplink)
    assert small.uplink not in lab.links
    assert small.www.run("ip -brief link").stdout.count("eth") == 1
    assert small.reaches_again()  # by the other link
    with pytest.raises(NotRunning):
        small.uplink.statistics()
    lab.remove(second)
    assert "www" not in dict(small.h1.hosts)  # nothing leads there
    assert small.www.run("hostname").stdout == "www\n"
    Link(small.home, small.www)
    lab.start()
    assert small.reaches_again()
    assert not compare(lab.running_plan(), lab.plan())


def test_one_of_two_links_between_the_same_nodes_is_removed(
    running: tuple[Small, Lab],
) -> None:
    small, lab = running
    second = Link(small.modem, small.www)
    lab.start()
    before = second.statistics()
    lab.remove(small.uplink)
    assert [row.mac for row in second.statistics()] == [row.mac for row in before]
    assert small.reaches_again()


def test_a_link_that_rules_speak_of_stays(running: tuple[Small, Lab]) -> None:
    small, lab = running
    small.modem.masquerade(small.uplink)
    with pytest.raises(TopologyError, match="while modem translates addresses on it"):
        lab.remove(small.uplink)
    small.modem.untranslate()
    rule = small.modem.firewall.drop(interface=small.uplink)
    with pytest.raises(TopologyError, match=r"rules of modem.firewall speak of it"):
        lab.remove(small.uplink)
    small.modem.firewall.remove(rule)
    assert small.reaches_again()


def test_a_second_node_of_the_same_name_can_be_taken_out_again(
    running: tuple[Small, Lab],
) -> None:
    small, lab = running
    again = Link(small.home, Host("h1"))
    with pytest.raises(TopologyError, match="two nodes are called 'h1'"):
        lab.start()
    lab.remove(again)
    lab.start()
    assert small.reaches_again()


def test_a_lab_ends_with_two_nodes_of_the_same_name(small: Small) -> None:
    lab = Lab(small.home, quiet=True, engine="namespaces").start()
    Link(small.home, Host("h1"))
    lab.stop()
    assert not lab.running
    with pytest.raises(NotRunning):
        small.h1.run("true")
    with pytest.raises(TopologyError, match="two nodes are called 'h1'"):
        lab.start()


def test_a_link_is_removed_before_the_start(small: Small) -> None:
    lab = Lab(small.home, quiet=True)
    lab.remove(small.uplink)
    assert [wire.b.node for wire in lab.plan().wires] == ["h1", "modem"]
    assert "www" in lab
    with pytest.raises(TopologyError, match="no link of lab"):
        lab.remove(small.uplink)
    with pytest.raises(TopologyError, match=r"leaves .*lab\.remove\(Link\(home, h1\)\)"):
        lab.remove(small.h1)  # type: ignore[arg-type]


def test_a_link_goes_down_and_up_as_planned(engine: Engine, small: Small) -> None:
    lab = Lab(small.home, name="links", quiet=True)
    down = lab.at(0, small.uplink.down)
    with lab:
        down.wait(10)
        assert not small.reaches()
        lab.at(0, small.uplink.up).wait(10)
        assert small.reaches_again()
        lab.at(0, small.uplink.impair, delay_ms=10, toward="www").wait(10)
        assert [row.impairment for row in small.uplink.impairments] == [Impairment(delay_ms=10)]
        lab.at(1000, small.uplink.down)
        states = [row.state for row in lab.timetable]
        assert states == ["done", "done", "done", "planned"]
    assert not lab.timetable


def network_of(node: Host | Router) -> list[str]:
    """Addresses and routes; the order, and numbers of interfaces, may be others."""
    said = node.run("ip -br addr; ip route").stdout
    return sorted(re.sub(r"@if\d+ *", " ", said).splitlines())


@pytest.mark.parametrize("step", ["unwire", "forget_neighbours", "network", "state_save"])
def test_a_link_that_cannot_be_removed_is_where_it_was(
    running: tuple[Small, Lab], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    small, lab = running
    second = Link(small.modem, small.www)
    lab.start()
    small.uplink.impair(loss_percent=0.001)
    before = [network_of(node) for node in (small.modem, small.www)]
    call = Client.call
    failed = []

    def broken(self: Client, op: str, /, **args: Any) -> Any:
        if op == step and not failed:
            failed.append(op)
            raise AgentError("injected", op=op)
        return call(self, op, **args)

    with monkeypatch.context() as patch, pytest.raises(PlaygroundError, match="injected"):
        patch.setattr(Client, "call", broken)
        lab.remove(small.uplink)
    assert lab.links == (small.cable, small.trunk, small.uplink, second)
    assert [network_of(node) for node in (small.modem, small.www)] == before
    assert small.uplink.impairments[0].impairment == Impairment(loss_percent=0.001)
    assert small.reaches_again()
    assert not compare(lab.running_plan(), lab.plan())
    lab.remove(small.uplink)
    assert small.reaches_again()
