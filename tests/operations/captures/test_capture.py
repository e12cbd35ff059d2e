"""Capturing in a running lab: nothing is lost, and each packet says where it was seen."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from playground.agent.watching import captures
from playground.engines.seam import Engine
from playground.errors import BadArgument, NotReady, NotRunning, TopologyError
from playground.lab.lab import Lab
from playground.operations.captures.capture import Capture, block_reader, with_addresses
from playground.operations.captures.frames import CapturePoint, Directory
from playground.operations.connection.client import Client
from playground.operations.connection.commands import Job
from playground.operations.network import Host, Link, Router, Switch
from tests.made import DIRECTORY
from tests.support_agent import (
    Namespaces,
    connect,
    end,
    in_network,
    needs_libpcap,
    needs_root,
    node,
    veth,
)
from tests.traffic import ask, send, serve

pytestmark = needs_libpcap

# -- without a lab -----------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "compiled"),
    [
        ("tcp port 80", "tcp port 80"),
        ("host www", "host 203.0.113.2"),
        ("src www.example.com and port http", "src 203.0.113.2 and port http"),
        ("icmp and (h1 or www)", "icmp and (host 192.168.1.11 or host 203.0.113.2)"),
        ("dst host modem", "dst host (192.168.1.1 or 203.0.113.1)"),
        ("host elsewhere", "host elsewhere"),
    ],
)
def test_names_in_a_filter_become_addresses(told: str, compiled: str) -> None:
    assert with_addresses(told, DIRECTORY) == compiled


def block(*frames: tuple[bytes, int, int]) -> bytes:
    """A block of the kernel's ring, of frames with a VLAN id (or 0) and a type of packet."""
    data = b""
    for number, (frame, vlan, kind) in enumerate(frames):
        status = 1 | (0x50 if vlan else 0)
        head = struct.pack(
            "<6I2H2I2H8x",
            96 + len(frame),
            1_700_000_000,
            123_456_789 + number,
            len(frame),
            len(frame) + 1000,
            status,
            96,
            110,
            0,
            vlan,
            0x8100,
            0,
        )
        address = struct.pack("<HHiHBB8x", 17, 8, 2, 1, kind, 6)
        data += (head + address).ljust(96, b"\0") + frame
    return struct.pack("<IIIIII", 1, 0, 1, len(frames), 48, 48 + len(data)).ljust(48, b"\0") + data


def test_a_block_of_the_kernel_is_taken_apart_and_tags_stand_where_they_were() -> None:
    plain, tagged = b"a" * 12 + b"\x08\x00first", b"b" * 12 + b"\x08\x00second"
    frames = block_reader("<")(block((plain, 0, 4), (tagged, 10, 0)), 3)
    assert frames[0] == (1_700_000_000_123_456_789, 3, True, len(plain) + 1000, plain)
    assert frames[1].data == b"b" * 12 + b"\x81\x00\x00\x0a\x08\x00second"
    assert (frames[1].outgoing, frames[1].length_bytes) == (False, len(tagged) + 1004)


@pytest.mark.parametrize(
    "options",
    [
        {"limit_packets": 0},
        {"limit_packets": 2.5},
        {"limit_bytes": True},
        {"snaplen_bytes": 1.5},
        {"snaplen_bytes": 1 << 40},
        {"limit_s": float("nan")},
        {"limit_s": 0},
        {"filter": 80},
        {"filter": "tcp\0 or udp"},
    ],
    ids=str,
)
def test_what_is_no_limit_and_no_filter_is_refused(options: dict[str, Any]) -> None:
    (name,) = options
    with pytest.raises(BadArgument, match=f"{name}="):
        Capture(Silent(), [], Directory, **options)


class Silent:
    """An agent whose captures never begin."""

    def __init__(self) -> None:
        self.signals: list[int] = []

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(name)

    def start_job(self, op: str, /, **args: Any) -> Any:
        return self

    def read_stdout(self, timeout_s: float | None = None) -> bytes:
        assert timeout_s is not None, "it would wait for ever"
        raise TimeoutError

    def signal(self, signum: int) -> None:
        self.signals.append(signum)


def test_a_capture_that_does_not_begin_leaves_nothing_behind() -> None:
    agent = Silent()
    capture = Capture(agent, [], Directory)
    with pytest.raises(NotReady, match="did not begin within"):
        capture.start()
    assert agent.signals == [signal.SIGKILL]
    assert not capture.running


# -- in a lab ----------------------------------------------------------------


class Home(NamedTuple):
    """h1 and h2 on the switch home, behind a modem that translates; www outside."""

    lab: Lab
    h1: Host
    modem: Router
    www: Host
    uplink: Link
    at_h1: Link
    at_modem: Link
    server: Job


@pytest.fixture(scope="module")
def home(engine: Engine, keep_lab: Callable[[str], None]) -> Iterator[Home]:
    switch = Switch("home", subnet="192.168.1.0/24")
    h1, modem, www = Host("h1"), Router("modem"), Host("www.example.com")
    at_modem, at_h1 = Link(switch, modem), Link(switch, h1)
    uplink = Link(modem, www, subnet="203.0.113.0/24")
    modem.masquerade(uplink)
    with Lab(h1, name="capture", quiet=True) as lab:
        keep_lab(lab.id)
        with serve(www, 80) as server, serve(www, 53, "udp"):
            yield Home(lab, h1, modem, www, uplink, at_h1, at_modem, server)


def test_all_of_a_connection_is_in_it_from_the_first_packet_to_the_last(home: Home) -> None:
    before = time.time()
    with home.uplink.capture(filter="tcp and host www") as packets:
        assert ask(home.h1, "203.0.113.2", 80).startswith("203.0.113.1 ")
    assert [packet.flags for packet in packets[:3]] == ["SYN", "SYN, ACK", "ACK"]
    assert sum("FIN" in packet.flags for packet in packets) == 2
    assert packets[-1].flags in ("ACK", "RST", "FIN, ACK")
    assert {packet.where for packet in packets} == {"modem/eth1"}
    assert [packet.direction for packet in packets[:2]] == ["out", "in"]
    assert before - 1 < packets[0].frame.time_ns / 1e9 < time.time() + 1
    (stream,) = packets.streams()
    assert stream.received_text.startswith("203.0.113.1 ")
    assert repr(packets) == f"<Capture: {len(packets)} packets at modem/eth1; ended>"
    assert not packets.dropped


def test_a_lab_tells_where_each_packet_was_seen(home: Home, tmp_path: Path) -> None:
    with home.lab.capture(filter="udp") as packets:
        assert send(home.h1, "203.0.113.2", 53).startswith("answer")
    seen = [(packet.where, packet.direction, packet.source) for packet in packets]
    assert seen == [
        ("h1/eth0", "out", "192.168.1.2"),
        ("modem/eth0", "in", "192.168.1.2"),
        ("modem/eth1", "out", "203.0.113.1"),
        ("www.example.com/eth0", "in", "203.0.113.1"),
        ("www.example.com/eth0", "out", "203.0.113.2"),
        ("modem/eth1", "in", "203.0.113.2"),
        ("modem/eth0", "out", "203.0.113.2"),
        ("h1/eth0", "in", "203.0.113.2"),
    ]
    there, back = packets.ladder().rungs
    assert there.path == back.path[::-1] == ("h1", "modem", "www.example.com")
    assert there.changes == (("modem", "source 192.168.1.2 becomes 203.0.113.1"),)
    assert packets.save(tmp_path / "lab.pcapng").stat().st_size > 8 * 60


def test_a_host_is_captured_at_all_its_interfaces_or_at_one(home: Home) -> None:
    with home.modem.capture(filter="udp") as both, home.modem.capture(interface="eth1") as one:
        send(home.h1, "203.0.113.2", 53)
    seen = [packet.where for packet in both]
    assert seen == ["modem/eth0", "modem/eth1", "modem/eth1", "modem/eth0"]
    assert {packet.where for packet in one} == {"modem/eth1"}
    # A switch's port is an interface of the lab's own.
    with home.at_h1.capture(at="home", filter="udp") as port:
        send(home.h1, "203.0.113.2", 53)
    assert [packet.direction for packet in port] == ["in", "out"]
    with home.www.capture(interface="lo") as loopback:
        ask(home.www, "127.0.0.1", 80)
    assert loopback[0].source == "127.0.0.1"


def test_packets_come_as_they_are_seen_until_a_limit(home: Home) -> None:
    with home.lab.capture(filter="udp", limit_packets=10) as packets:
        first = iter(packets)
        send(home.h1, "203.0.113.2", 53)
        assert next(first).where == "h1/eth0"  # while it runs
        assert packets.running
        send(home.h1, "203.0.113.2", 53)
        assert len([*first]) == 9
        assert packets.ended_by == "limit_packets=10"
        assert repr(packets).endswith("; ended by limit_packets=10>")
    assert len(packets) == 10
    with home.h1.capture(limit_s=0.05) as short:
        short.wait(10)
    assert (short.ended_by, len(short)) == ("limit_s=0.05", 0)
    with home.h1.capture(filter="udp", limit_bytes=100, snaplen_bytes=45) as few:
        with pytest.raises(NotReady, match="no limit was reached within 0 s"):
            few.wait(0)
        send(home.h1, "203.0.113.2", 53)
        send(home.h1, "203.0.113.2", 53)
        few.wait(10)
    assert [len(packet.data) for packet in few] == [45, 45]
    assert few[0].length_bytes > 45
    assert few.ended_by == "limit_bytes=100"


def test_what_cannot_be_captured_is_refused_before_it_begins(home: Home) -> None:
    for capture, sentence in (
        (home.h1.capture(filter="tcp prt 80"), "the filter 'tcp prt 80' is not one: .*syntax"),
        (home.h1.capture(filter="host nobody"), "is not one: .*nobody"),
        (home.h1.capture(interface="eth9"), "no such interface as h1/eth9; there are h1/eth0"),
    ):
        with pytest.raises(BadArgument, match=sentence):
            capture.start()
        assert not capture.running
        assert repr(capture).endswith("not started>")
    with pytest.raises(BadArgument, match="limit_packets=0 has to be a whole number above 0"):
        home.h1.capture(limit_packets=0)
    with pytest.raises(BadArgument, match="filter=3 is no text"):
        home.h1.capture(filter=3)
    with pytest.raises(TopologyError, match="at='www' is at neither end"):
        home.at_h1.capture(at="www")


def test_nothing_is_captured_where_nothing_runs() -> None:
    a, b = Host("a"), Host("b")
    link = Link(a, b)
    for door in (a, link, Lab(a, quiet=True)):
        with pytest.raises(NotRunning):
            door.capture()


def test_what_was_seen_stays_when_the_lab_ends(engine: Engine) -> None:
    a, b = Host("a"), Host("b")
    Link(a, b)
    with Lab(a, quiet=True) as lab:
        packets = lab.capture(filter="icmp").start()
        a.ping(b, count=1)
        for _ in zip(range(4), packets, strict=False):
            pass  # they are here
    packets.wait(10)
    packets.stop()
    assert (len(packets), packets.ended_by) == (4, "the end of its lab")


# -- at the agent ------------------------------------------------------------


def flood(pid: int, count: int, size: int) -> None:
    """Send datagrams that nobody hears, from the namespace of a process."""
    with in_network(pid), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        for _ in range(count):
            line.sendto(bytes(size), ("10.0.0.2", 9))


@needs_root
def test_what_the_kernel_had_to_drop_is_counted() -> None:
    # A ring for little, and a client that does not read: the agent stops after 4 MiB.
    small = "from playground.agent.watching import captures; captures.CAPTURE_MEMORY_BYTES = 1"
    with Namespaces("h1") as h1, Namespaces("h2") as h2, connect(before=small) as agent:
        agent.call("wire", bridges=[], veths=[veth(end(h1.pid, "eth0"), end(h2.pid, "eth0"))])
        nodes = [node(h1.pid, "10.0.0.1/24"), node(h2.pid, "10.0.0.2/24")]
        agent.call("network", nodes=nodes)
        held = Held(agent)
        place = CapturePoint("h1", "eth0")
        request = {"pid": h1.pid, "interface": "eth0"}
        capture = Capture(held, [(place, request)], Directory, filter="udp port 9")
        capture.start()
        flood(h1.pid, 10_000, 1400)
        held.go.set()
        with pytest.warns(RuntimeWarning, match="has lost packets, since the machine was too"):
            capture.stop()
    lost = capture.dropped["h1/eth0"]
    assert lost > 1000
    assert len(capture) + lost == 10_000
    assert f"{lost} more were lost" in repr(capture)


class Held:
    """An agent whose jobs are not read on before ``go`` is set."""

    def __init__(self, agent: Client) -> None:
        self.agent = agent
        self.go = threading.Event()
        self.begun = False

    def start_job(self, op: str, /, **args: Any) -> Any:
        process = self.agent.start_job(op, **args)
        read = process.read_stdout

        def wait_and_read(timeout_s: float | None = None) -> bytes:
            if self.begun:
                self.go.wait(30)
            self.begun = True
            return read(timeout_s)

        process.read_stdout = wait_and_read  # type: ignore[method-assign]
        return process


@needs_root
def test_a_vlan_tag_is_in_the_frame_and_a_filter_finds_it() -> None:
    with Namespaces("h1") as h1, Namespaces("h2") as h2, connect() as agent:
        agent.call("wire", bridges=[], veths=[veth(end(h1.pid, "eth0"), end(h2.pid, "eth0"))])
        nodes = [node(h1.pid, "10.0.0.1/24"), node(h2.pid, "10.0.0.2/24")]
        agent.call("network", nodes=nodes)
        place = (CapturePoint("h2", "eth0"), {"pid": h2.pid, "interface": "eth0"})
        tagged = b"\xff" * 6 + b"\x02" + bytes(5) + b"\x81\x00\x00\x0a\x08\x00" + bytes(46)
        with in_network(h1.pid):
            line = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        with line, Capture(agent, [place], Directory, filter="vlan 10") as packets:
            line.bind(("eth0", 0))
            line.send(tagged.replace(b"\x00\x0a\x08", b"\x00\x0b\x08"))
            line.send(tagged)
    assert [packet.vlan for packet in packets] == [10]
    assert packets[0].data == tagged


@needs_root
def test_an_interface_without_ethernet_is_captured_too() -> None:
    with Namespaces("h1") as h1, connect() as agent:
        with in_network(h1.pid):
            tun = os.open("/dev/net/tun", os.O_RDWR)
            # linux/if_tun.h: TUNSETIFF, IFF_TUN | IFF_NO_PI
            fcntl.ioctl(tun, 0x400454CA, struct.pack("16sH22x", b"tun0", 0x1001))
        try:
            nodes = [node(h1.pid, "10.0.0.1/24", interface="tun0")]
            agent.call("network", nodes=nodes)
            place = (CapturePoint("h1", "tun0"), {"pid": h1.pid, "interface": "tun0"})
            with Capture(agent, [place], Directory, filter="udp port 9 or arp") as packets:
                flood(h1.pid, 2, 100)
        finally:
            os.close(tun)
    assert [(packet.protocol, packet.destination) for packet in packets] == [
        ("UDP", "10.0.0.2"),
        ("UDP", "10.0.0.2"),
    ]


@needs_root
def test_an_interface_that_is_down_is_waited_for_and_captured_again() -> None:
    with Namespaces("h1") as h1, Namespaces("h2") as h2, connect() as agent:
        ends = [end(h1.pid, "eth0"), end(h2.pid, "eth0")]
        agent.call("wire", bridges=[], veths=[veth(*ends)])
        nodes = [node(h1.pid, "10.0.0.1/24"), node(h2.pid, "10.0.0.2/24")]
        agent.call("network", nodes=nodes)
        before = signal.getsignal(signal.SIGTERM)
        here = captures.Recorder([{"pid": h2.pid, "interface": "eth0"}], "", 1 << 16)
        out = os.open("/dev/null", os.O_WRONLY)
        try:
            agent.call("link", ends=ends, up=False)
            assert here.poll.poll(1000), "the kernel tells of it"
            here._round(out, 0)
            assert not here.poll.poll(0), "and no more, once it was heard"
            agent.call("link", ends=ends, up=True)
            flood(h1.pid, 2, 100)
            assert any(here._round(out, 0.1) for _ in range(100))
        finally:
            signal.signal(signal.SIGTERM, before)
            for handle in [*here.watched]:
                here._lose(handle)
            os.close(out)


@needs_root
def test_a_capture_that_was_killed_says_so() -> None:
    with Namespaces("h1") as h1, connect() as agent:
        place = (CapturePoint("h1", "lo"), {"pid": h1.pid, "interface": "lo"})
        packets = Capture(agent, [place], Directory).start()
        assert packets._process is not None
        packets._process.signal(signal.SIGKILL)
        packets.wait(10)
        packets.stop()
    assert packets.ended_by == "a failure of the agent"
