"""The agent's impairments: messages as tc writes them, and what nodes see of them."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import time
from collections.abc import Iterator
from typing import Any

import pytest

from playground.agent.links import filters, netem, netlink, relay
from playground.errors import AgentError
from playground.model.impairment import NO_IMPAIRMENT, Impairment
from playground.operations.connection.client import Client
from tests.support_agent import Namespaces, connect, end, needs_root, node, veth, wait_for

# -- What netem is told -------------------------------------------------------

EVERYTHING = Impairment(
    delay_ms=50,
    jitter_ms=10,
    loss_percent=1,
    duplicate_percent=0.5,
    corrupt_percent=0.1,
    reorder_percent=25,
    rate_mbit=1.5,
    queue_packets=50,
)

# As `strace tc qdisc replace dev eth0 root netem ...` of iproute2 6.1 shows them.
TC_EVERYTHING = """
c2eb0b00 32000000 295c8f02 01000000 14ae4701 5a620200
0c00 0300 00000040 00000000  0c00 0400 37894100 00000000
1400 0600 6cdc0200 00000000 00000000 00000000
"""
TC_BURSTS = """
00000000 e8030000 00000000 00000000 00000000 00000000
1800 0580 1400 0200 295c8f02 d7a3707d 00000000 00000000
"""


def options(impairment: Impairment) -> bytes:
    return netem.netem_options(impairment.request(1500))


def test_netem_is_told_what_tc_tells_it() -> None:
    ours, theirs = options(EVERYTHING), bytes.fromhex(TC_EVERYTHING)
    assert ours[:24] == theirs[:24]
    found = netlink.attributes(ours[24:])
    assert found.items() >= netlink.attributes(theirs[24:]).items()
    # Newer kernels take these instead of the coarser ones before.
    assert struct.unpack("q", found[netem.TCA_NETEM_LATENCY64]) == (50_000_000,)
    assert struct.unpack("q", found[netem.TCA_NETEM_JITTER64]) == (10_000_000,)


def test_netem_is_told_of_bursts_as_tc_tells_it() -> None:
    ours = options(Impairment(loss_percent=2, loss_correlation=50))
    theirs = bytes.fromhex(TC_BURSTS)
    assert ours[:24] == theirs[:24]
    loss = netem.TCA_NETEM_LOSS
    assert netlink.attributes(ours[24:])[loss] == netlink.attributes(theirs[24:])[loss]


def test_netem_gets_a_table_for_jitter_that_is_not_uniform() -> None:
    found = netlink.attributes(
        options(Impairment(delay_ms=5, jitter_ms=2, distribution="normal"))[24:]
    )
    assert len(found[netem.TCA_NETEM_DELAY_DIST]) == 2 * 4096


def test_what_netem_tells_is_what_it_was_told() -> None:
    for impairment in (
        EVERYTHING,
        Impairment(loss_percent=2, loss_correlation=50),
        Impairment(delay_ms=0.5, jitter_ms=0.25, distribution="normal"),
        Impairment(rate_mbit=40_000),
    ):
        assert impairment.as_read(netem.read_netem(options(impairment))) == impairment


def test_what_the_filter_tells_is_what_it_was_told() -> None:
    for loss in (0.1, 33, 100):
        rows = filters.losing(loss)
        program = b"".join(struct.pack("HBBI", *row) for row in rows)
        assert filters.read_losing(program) == loss


# -- What a relay decides -----------------------------------------------------


class Clock:
    """The fate of frames in a relay of these settings, without any interface."""

    def __init__(self, **settings: Any) -> None:
        self.relay = relay.Relay(-1, -1, -1, Impairment(**settings).request(1500))

    def delays_ms(self, count: int) -> list[float]:
        for _ in range(count):
            self.relay.take(b"frame", 0.0)
        return [due * 1000 for due, _, _ in self.relay.waiting]


def test_a_relay_delays_every_frame_by_as_much() -> None:
    assert Clock(delay_ms=20).delays_ms(10) == [20] * 10


def test_jitter_stays_within_its_width() -> None:
    delays = Clock(delay_ms=20, jitter_ms=5, queue_packets=2000).delays_ms(2000)
    assert 15 <= min(delays) < 16
    assert 24 < max(delays) <= 25
    assert sum(delays) / 2000 == pytest.approx(20, abs=0.5)


def test_what_is_reordered_leaves_at_once() -> None:
    delays = Clock(delay_ms=20, reorder_percent=25, queue_packets=4000).delays_ms(4000)
    assert set(delays) == {0, 20}
    assert delays.count(0) / 4000 == pytest.approx(0.25, abs=0.05)


@pytest.mark.parametrize("settings", [{}, {"loss_correlation": 60}])
def test_losses_are_as_many_as_was_said(settings: dict[str, Any]) -> None:
    clock = Clock(loss_percent=20, queue_packets=20_000, **settings)
    assert len(clock.delays_ms(20_000)) / 20_000 == pytest.approx(0.8, abs=0.04)


def test_duplicates_are_as_many_as_was_said() -> None:
    clock = Clock(duplicate_percent=10, queue_packets=9000)
    assert len(clock.delays_ms(4000)) / 4000 == pytest.approx(1.1, abs=0.05)


def test_a_full_queue_loses_what_comes_later() -> None:
    assert len(Clock(delay_ms=1, queue_packets=5).delays_ms(9)) == 5


def test_what_is_corrupted_has_one_wrong_bit() -> None:
    clock = Clock(corrupt_percent=100)
    clock.relay.take(bytes(100), 0.0)
    [(_, _, frame)] = clock.relay.waiting
    assert sum(byte.bit_count() for byte in frame) == 1


# -- Between two nodes --------------------------------------------------------


class Pair:
    """Two nodes with a link, of which what leaves the first may be impaired."""

    def __init__(self, agent: Client, h1: Namespaces, h2: Namespaces) -> None:
        self.agent, self.h1, self.h2 = agent, h1, h2
        agent.call("wire", bridges=[], veths=[veth(end(h1.pid, "eth0"), end(h2.pid, "eth0"))])
        agent.call("network", nodes=[node(h1.pid, "10.0.0.1/24"), node(h2.pid, "10.0.0.2/24")])

    def impair(self, impairment: Impairment, interface: str = "eth0") -> list[str]:
        direction = {
            "pid": self.h1.pid,
            "interface": interface,
            "watch": self.h1.pid,
            "impairment": impairment.request(1500) if impairment else None,
            "before": None,
        }
        [ways] = self.agent.call("impair", directions=[direction])
        assert isinstance(ways, list)
        return ways

    @contextlib.contextmanager
    def sockets(self) -> Iterator[tuple[socket.socket, socket.socket]]:
        """A sender on the first and a receiver on the second, which know each other."""
        with contextlib.ExitStack() as stack:
            with self.h1.network():
                sender = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            with self.h2.network():
                receiver = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            receiver.bind(("10.0.0.2", 4000))
            receiver.settimeout(10)
            sender.connect(("10.0.0.2", 4000))
            yield sender, receiver

    def impaired(self, declared: Impairment) -> Impairment:
        """The kernel's settings of it."""
        [answer] = self.agent.call("impaired", ends=[end(self.h1.pid, "eth0")])
        return declared.as_read(answer["settings"])

    def arriving(self, count: int) -> list[int]:
        """The numbers of those of so many datagrams that arrive, in their order."""
        with self.sockets() as (sender, receiver):
            for number in range(count):
                sender.send(struct.pack("I", number))
            self.impair(NO_IMPAIRMENT)
            # A relay that ends sends what it has first, and this comes after that.
            wait_for(lambda: not self.relays())
            sender.send(struct.pack("I", count))
            found = []
            while (number := struct.unpack("I", receiver.recv(100))[0]) != count:
                found.append(number)
            return found

    def relays(self) -> list[str]:
        return [name for name in self.h1.interfaces() if name.startswith("relay")]


WITHOUT_NETEM = "from playground.agent.queues import impairments; impairments.WITHOUT_NETEM = True"


WAYS = [pytest.param("as the kernel can", marks=pytest.mark.second_kernel), "without netem"]


@contextlib.contextmanager
def new_pair(way: str) -> Iterator[Pair]:
    before = "" if way == "as the kernel can" else WITHOUT_NETEM
    with Namespaces("h1") as h1, Namespaces("h2") as h2, connect(before=before) as agent:
        pair = Pair(agent, h1, h2)
        with pair.sockets() as (sender, receiver):  # so that both know the other's MAC address
            sender.send(b"hello")
            assert receiver.recv(100) == b"hello"
        yield pair


@pytest.fixture(scope="module", params=WAYS)
def lasting_pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    with new_pair(request.param) as pair:
        yield pair


@pytest.fixture
def pair(lasting_pair: Pair) -> Iterator[Pair]:
    """The pair that all tests share, without an impairment."""
    yield lasting_pair
    lasting_pair.impair(NO_IMPAIRMENT)
    wait_for(lambda: not lasting_pair.relays())


@pytest.fixture(params=WAYS)
def own_pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """A pair to be broken."""
    with new_pair(request.param) as pair:
        yield pair


@needs_root
def test_a_link_that_loses_all_loses_it_unseen(pair: Pair) -> None:
    pair.impair(Impairment(loss_percent=100))
    # An error would tell the sender, which no cable does.
    assert pair.arriving(20) == []


@needs_root
def test_some_are_lost_and_the_others_stay_in_order(pair: Pair) -> None:
    pair.impair(Impairment(loss_percent=50))
    found = pair.arriving(400)
    assert 100 < len(found) < 300
    assert found == sorted(found)


@needs_root
def test_a_delayed_datagram_arrives_that_much_later(pair: Pair) -> None:
    pair.impair(Impairment(delay_ms=50))
    with pair.sockets() as (sender, receiver):
        start = time.monotonic()
        sender.send(b"late")
        assert receiver.recv(100) == b"late"
        assert time.monotonic() - start >= 0.05


@needs_root
def test_a_rate_is_kept(pair: Pair) -> None:
    pair.impair(Impairment(rate_mbit=1, queue_packets=1000))
    with pair.sockets() as (sender, receiver):
        start = time.monotonic()
        for _ in range(40):
            sender.send(bytes(1000 - 42))
        for _ in range(40):
            receiver.recv(2000)
        # 40,000 bytes, of which two full frames may be sent at once.
        assert time.monotonic() - start >= (40_000 - 2 * 1514) * 8 / 1e6 * 0.95


@needs_root
def test_jitter_puts_frames_out_of_order(pair: Pair) -> None:
    pair.impair(Impairment(delay_ms=20, jitter_ms=10))
    with pair.sockets() as (sender, receiver):
        for number in range(100):
            sender.send(struct.pack("I", number))
        found = [struct.unpack("I", receiver.recv(100))[0] for _ in range(100)]
    assert sorted(found) == list(range(100))
    assert found != sorted(found)


@needs_root
def test_an_impairment_gives_way_to_the_next(pair: Pair) -> None:
    # Modules of tunnels bring devices of their own into each network: `tunl0` and others.
    before = pair.h1.interfaces()
    for impairment in (
        Impairment(delay_ms=5),
        Impairment(delay_ms=1, rate_mbit=100),
        Impairment(loss_percent=0.001),
        Impairment(rate_mbit=1000, queue_packets=500),
        Impairment(delay_ms=5, jitter_ms=0.5, distribution="normal", queue_packets=99),
        Impairment(delay_ms=5),
    ):
        pair.impair(impairment)
        assert pair.impaired(impairment) == impairment
        assert len(pair.relays()) <= 1
    with pair.sockets() as (sender, receiver):
        for number in range(20):
            sender.send(bytes([number]))
        assert [receiver.recv(100)[0] for _ in range(20)] == list(range(20))
    assert pair.impair(NO_IMPAIRMENT) == []
    wait_for(lambda: pair.h1.interfaces() == before)


@needs_root
def test_a_refused_impairment_leaves_what_was_before(pair: Pair) -> None:
    pair.impair(Impairment(loss_percent=100))
    directions = [
        {
            "pid": pair.h1.pid,
            "interface": interface,
            "watch": pair.h1.pid,
            "impairment": Impairment(delay_ms=1).request(1500),
            "before": Impairment(loss_percent=100).request(1500),
        }
        for interface in ("eth0", "eth9")
    ]
    with pytest.raises(AgentError, match="there is no interface eth9"):
        pair.agent.call("impair", directions=directions)
    assert pair.arriving(20) == []


@needs_root
def test_a_relay_ends_with_its_node(own_pair: Pair) -> None:
    # Those of the node itself are gone at once, and a relay would keep its network.
    network = os.stat(f"/proc/{own_pair.h1.pid}/ns/net").st_ino
    own_pair.impair(Impairment(delay_ms=10))
    assert processes_in(network) != [own_pair.h1.pid] or not own_pair.relays()
    own_pair.h1.kill()
    wait_for(lambda: processes_in(network) == [])


@needs_root
def test_a_relay_outlives_the_agent_that_began_it(own_pair: Pair) -> None:
    own_pair.impair(Impairment(delay_ms=10))
    own_pair.agent.close()
    with own_pair.sockets() as (sender, receiver):
        sender.send(b"hello")
        assert receiver.recv(100) == b"hello"


def processes_in(network: int) -> list[int]:
    """All processes in a network namespace, by its inode number."""
    found = []
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            if name.isdigit() and os.stat(f"/proc/{name}/ns/net").st_ino == network:
                found.append(int(name))
    return found
