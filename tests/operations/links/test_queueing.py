"""Queues of links and classes of traffic: who waits, who is dropped, who gets which share."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator

import pytest

from playground.engines.namespaces.engine import NamespacesEngine
from playground.engines.seam import Engine
from playground.errors import AgentError, BadArgument, EngineError, NotRunning, TopologyError
from playground.lab.credentials import Credentials
from playground.lab.lab import Lab
from playground.lab.lab_as_json import load, save
from playground.model.kernel.features import FEATURES
from playground.model.queues.classes import TrafficClass
from playground.model.queues.discipline import Queue
from playground.operations.links.queue_statistics import QueueStatistics
from playground.operations.network import Host, Link, Router
from tests.second_kernel import lacking

VOICE, BULK = 5004, 9000


class Path:
    """h1 - r - h2, of which the link from r to h2 is the narrow one."""

    lab: Lab

    def __init__(self) -> None:
        self.h1, self.r, self.h2 = Host("h1"), Router("r"), Host("h2")
        Link(self.h1, self.r)
        self.narrow = Link(self.r, self.h2)
        self.narrow.impair(rate_mbit=2)

    def row(self, name: str = "", queue: str = "pfifo") -> QueueStatistics:
        [found] = [
            row
            for row in self.narrow.queues
            if (row.toward, row.traffic_class, row.queue) == ("h2", name, queue)
        ]
        return found

    def flood(self, ports: dict[int, int], size: int = 1000, tos: int = 0) -> dict[int, int]:
        """Send so many datagrams to each port in turn, at once; return how many arrive."""
        with contextlib.ExitStack() as stack:
            receivers = {}
            for port in ports:
                receiver = stack.enter_context(self.h2.socket(type=socket.SOCK_DGRAM))
                receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
                receiver.bind(("0.0.0.0", port))
                receivers[port] = receiver
            sender = stack.enter_context(self.h1.socket(type=socket.SOCK_DGRAM))
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)
            for number in range(max(ports.values())):
                for port, count in ports.items():
                    if number < count:
                        sender.sendto(bytes(size), (self.h2.address, port))
            return {port: _count(receiver) for port, receiver in receivers.items()}


def _count(receiver: socket.socket) -> int:
    """Return how many datagrams come, until none has for a while that no queue here takes."""
    receiver.settimeout(1.5)
    count = 0
    with contextlib.suppress(TimeoutError):
        while True:
            receiver.recv(2000)
            count += 1
            receiver.settimeout(0.7)
    return count


@pytest.fixture(scope="module")
def path(namespaces_engine: NamespacesEngine, keep_lab: Callable[[str], None]) -> Iterator[Path]:
    path = Path()
    with Lab(path.h1, quiet=True, engine=namespaces_engine) as path.lab:
        keep_lab(path.lab.id)
        path.h1.ping(path.h2, count=1)  # all know each other's MAC address
        yield path


def test_so_many_packets_wait_as_was_said_of_whatever_size(path: Path) -> None:
    path.narrow.queue("pfifo", limit_packets=20, toward=path.h2)
    path.narrow.impair(rate_mbit=0.1)
    sent = 400
    arrived = path.flood({BULK: sent}, size=30)[BULK]
    row = path.row()
    path.narrow.impair(rate_mbit=2)
    assert row.dropped == sent - arrived > 0
    # 20 wait; two full frames' worth of small ones may pass at once, and some while they come.
    assert 20 <= arrived < 150


def test_a_class_has_what_it_was_promised_and_one_that_floods_drops_its_own(path: Path) -> None:
    path.narrow.classes(
        TrafficClass("voice", rate_mbit=1, port=VOICE, queue=Queue(limit_packets=100)),
        TrafficClass("rest", rate_mbit=0.5, queue=Queue(limit_packets=30)),
        toward=path.h2,
    )
    arrived = path.flood({BULK: 300, VOICE: 60})
    voice, rest = path.row("voice"), path.row("rest")
    assert arrived[VOICE] == 60
    assert (voice.sent_packets, voice.dropped) == (60, 0)
    assert rest.dropped == 300 - arrived[BULK] > 100


def test_packets_of_a_code_point_are_told_apart(path: Path) -> None:
    path.narrow.classes(
        TrafficClass("voice", rate_mbit=1, dscp="EF"),
        TrafficClass("rest", rate_mbit=0.5),
        toward=path.h2,
    )
    assert path.flood({BULK: 5}, tos=0xB8) == {BULK: 5}
    assert path.row("voice").sent_packets == 5
    assert path.flood({BULK: 3}) == {BULK: 3}
    assert path.row("voice").sent_packets == 5


def test_a_class_that_lends_nothing_keeps_to_its_ceiling(path: Path) -> None:
    path.narrow.classes(
        TrafficClass("slow", 0.1, ceil_mbit=0.1, port=BULK, queue=Queue(limit_packets=5)),
        TrafficClass("rest", rate_mbit=1),
        toward=path.h2,
    )
    # Two frames may pass at once, and five wait.
    assert path.flood({BULK: 40})[BULK] < 15


def test_each_class_is_watched_while_packets_pass(path: Path) -> None:
    path.narrow.classes(
        TrafficClass("voice", rate_mbit=1, port=VOICE),
        TrafficClass("rest", rate_mbit=0.5),
        toward=path.h2,
    )
    with path.narrow.watch_queues(0.05) as samples:
        path.flood({VOICE: 20})
    voice = [row for row in samples.table() if row.traffic_class == "voice"]
    assert any(row.mbit_per_s > 0 for row in voice)
    assert {row.dropped for row in voice} == {0}
    with pytest.raises(BadArgument, match='"throughput" and "queue"'):
        samples.plot("colour")
    labels = samples.plot("queue").get_legend_handles_labels()[1]
    assert "voice toward h2" in labels


def test_queues_are_told_before_and_after_they_are_there(path: Path) -> None:
    path.narrow.queue("pfifo", limit_packets=33)
    assert [row.settings for row in path.narrow.queues if row.queue == "pfifo"] == [
        "limit_packets=33"
    ] * 2
    assert path.narrow.declared_queues == (Queue(limit_packets=33),) * 2
    lines = path.narrow.as_shell()
    assert "r: tc qdisc replace dev eth1 parent 7067:1 handle 7068: pfifo limit 33" in lines
    path.narrow.queue(None)
    assert path.narrow.declared_queues == (None, None)
    # Its rate stays, with the usual queue.
    assert [row.impairment.rate_mbit for row in path.narrow.impairments] == [2, 2]


def test_a_queue_is_written_down_with_its_lab(path: Path) -> None:
    path.narrow.classes(TrafficClass("rest", rate_mbit=1, queue="pfifo"), toward=path.h2)
    saved = load(save(path.lab.nodes, path.lab.plan(), Credentials.make()))
    assert saved.plan == path.lab.plan()
    [link] = [link for node in saved.nodes for link in node.links if any(link.declared_queues)][:1]
    assert link.declared_queues == path.narrow.declared_queues


def test_a_queue_of_somebody_else_is_left_alone(path: Path) -> None:
    path.narrow.queue(None)
    path.r.run("tc qdisc replace dev eth1 root handle 1: pfifo limit 7")
    before = path.narrow.declared_queues
    with pytest.raises(AgentError, match="a queue that somebody has set by hand, pfifo"):
        path.narrow.queue("pfifo", limit_packets=9, toward=path.h2)
    assert path.narrow.declared_queues == before
    assert "limit 7p" in path.r.run("tc qdisc show dev eth1").stdout
    path.narrow.queue("pfifo", limit_packets=9, toward=path.h2, replace=True)
    assert path.row().settings == "limit_packets=9"


def test_what_clashes_is_refused_and_all_is_as_it_was(path: Path) -> None:
    path.narrow.queue("pfifo", limit_packets=9)
    with pytest.raises(TopologyError, match="queue_packets=5 of impair"):
        path.narrow.impair(rate_mbit=2, queue_packets=5)
    with pytest.raises(TopologyError, match="promised 3 Mbit/s in all"):
        path.narrow.classes(TrafficClass("rest", rate_mbit=3))
    with pytest.raises(TopologyError, match="flows= is for a queue that is named by its kind"):
        path.narrow.queue(Queue("pfifo"), flows=3)
    assert path.narrow.declared_queues == (Queue(limit_packets=9),) * 2


@pytest.mark.second_kernel
@pytest.mark.parametrize("kind", ["fq_codel", "pie", "red", "sfq", "cake"])
def test_each_queue_passes_packets_where_the_kernel_has_it_and_else_is_refused(
    path: Path, kind: str
) -> None:
    if kind in lacking():
        with pytest.raises(EngineError, match=f"this kernel has no {FEATURES[kind].module}"):
            path.narrow.queue(kind, toward=path.h2)
        assert path.narrow.declared_queues[1] != Queue(kind)
        return
    path.narrow.queue(kind, toward=path.h2)
    assert path.h1.ping(path.h2, count=2)
    row = path.row(queue=kind)
    assert row.sent_packets >= 2
    assert row.settings


@pytest.mark.second_kernel("fq_codel")
def test_a_marked_packet_is_not_dropped(path: Path) -> None:
    path.narrow.queue("fq_codel", target_ms=1, interval_ms=2, ecn=True, toward=path.h2)
    # Who sends these understands marks (RFC 3168 section 5).
    arrived = path.flood({BULK: 200}, tos=0x02)
    row = path.row(queue="fq_codel")
    assert row.marked > 0
    assert (arrived[BULK], row.dropped) == (200, 0)


def test_a_queue_is_declared_before_the_start_too(engine: Engine) -> None:
    path = Path()
    path.narrow.classes(
        TrafficClass("voice", rate_mbit=1, dscp="EF"), TrafficClass("rest", rate_mbit=1)
    )
    with pytest.raises(NotRunning):
        path.narrow.queues  # noqa: B018 - it asks the kernel
    with Lab(path.h1, name="queues", quiet=True):
        assert path.h1.ping(path.h2, count=1)
        assert [row.traffic_class for row in path.narrow.queues if row.toward == "h2"] == [
            *("", "voice", "rest")
        ]
