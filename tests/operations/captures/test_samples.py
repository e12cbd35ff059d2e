"""Samples of links and of TCP's state, taken while a block runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest

from playground import Host, Lab, Link, Router
from playground.engines.seam import Engine
from playground.errors import BadArgument, NotRunning, PlaygroundError
from playground.operations.captures.samples import (
    LinkSample,
    Samples,
    TcpSample,
    link_samples,
    tcp_sample,
)

# Takes what comes on port 5201, and says so.
_SINK = """
import socket
server = socket.create_server(("", 5201))
print("listening", flush=True)
while True:
    line, _ = server.accept()
    while line.recv(1 << 16):
        pass
    line.close()
"""

_SOURCE = """
import socket, sys
with socket.create_connection((sys.argv[1], 5201)) as line:
    line.sendall(bytes(int(sys.argv[2])))
    line.shutdown(socket.SHUT_WR)
    line.recv(1)
"""


def look(time_s: float, sent: int, queue: int = 0) -> dict[str, Any]:
    interface = {
        "time_s": time_s,
        "tx_bytes": sent,
        "tx_packets": sent // 1000,
        "dropped": 2 * sent,
    }
    waiting = {"queue_packets": queue, "queue_bytes": 1500 * queue}
    idle = interface | {"tx_bytes": 0, "tx_packets": 0, "dropped": 0}
    return {
        "time_s": time_s,
        "interfaces": [interface | waiting, idle | dict.fromkeys(waiting, 0)],
        "connections": [],
    }


def test_what_one_end_sends_goes_toward_the_other() -> None:
    rows = link_samples(100.0, look(100.5, 1000), look(101.0, 126_000, queue=3), ("a", "b"))
    assert rows == [
        LinkSample(1.0, "a", 0.0, 0, 0, 0, 0),
        LinkSample(1.0, "b", 2.0, 125, 250_000, 3, 4500),
    ]
    # The first look has nothing before it.
    assert [row.mbit_per_s for row in link_samples(1, look(1, 9), look(1, 9), ("a", "b"))] == [0, 0]


def test_a_connection_is_told_in_words() -> None:
    row = {
        "state": 1,
        "source": "10.0.1.2",
        "source_port": 40000,
        "destination": "::ffff:10.0.2.2",
        "destination_port": 80,
        "snd_cwnd": 10,
        "snd_ssthresh": 0x7FFFFFFF,
        "unacked": 9,
        "sacked": 3,
        "lost": 2,
        "retrans": 1,
        "rtt_us": 1500,
        "total_retrans": 4,
        "acked_bytes": 1000,
        "snd_mss": 1448,
    }
    assert tcp_sample(0.5, row) == TcpSample(
        0.5, "10.0.1.2:40000 → 10.0.2.2:80", "established", 10, None, 5, 1.5, 4, 1000, 1448
    )
    six = tcp_sample(0, row | {"source": "fd00::1", "snd_ssthresh": 7, "state": 4})
    assert six.connection.startswith("[fd00::1]:40000 →")
    assert (six.slow_start_threshold, six.state) == (7, "fin-wait-1")


def test_what_goes_wrong_meanwhile_is_raised_at_the_end() -> None:
    answers: Iterator[list[int]] = iter([[1], [2]])
    with pytest.raises(StopIteration), Samples(lambda: next(answers), 0.005) as samples:
        while samples._thread.is_alive():
            samples._thread.join(1)
    assert samples._rows == [1, 2]


def test_what_was_sampled_once_is_not_sampled_again() -> None:
    samples = Samples(lambda: [1], 3600)
    with samples:
        pass
    with pytest.raises(PlaygroundError, match="watch anew"), samples:
        pass
    assert len(samples) == 2


@pytest.mark.parametrize("interval_s", [0, 0.001, -1, True, "1", 1e9])
def test_an_interval_that_cannot_be_is_refused(interval_s: Any) -> None:
    with pytest.raises(BadArgument, match=r"give a number of seconds, 0\.005 or more"):
        Samples(list, interval_s)


class Line:
    """Two hosts with a router between them, and a link that is the slower one."""

    def __init__(self) -> None:
        self.h1, self.r1, self.h2 = Host("h1"), Router("r1"), Host("h2")
        self.fast, self.slow = Link(self.h1, self.r1), Link(self.r1, self.h2)
        self.slow.impair(rate_mbit=20, queue_packets=40)


def test_nothing_is_sampled_before_the_start() -> None:
    line = Line()
    with pytest.raises(NotRunning):
        line.fast.watch()
    with pytest.raises(NotRunning):
        line.h1.watch_tcp()


@pytest.fixture(scope="module")
def line(engine: Engine, keep_lab: Callable[[str], None]) -> Iterator[Line]:
    line = Line()
    with Lab(line.h1, engine=engine, name="samples", quiet=True) as lab:
        keep_lab(lab.id)
        sink = line.h2.start(["python3", "-c", _SINK])
        assert sink.stdout.readline() == "listening"
        yield line


def test_a_slow_link_has_a_queue_and_tcp_a_window(line: Line) -> None:
    megabyte = str(1_000_000)
    with line.slow.watch(0.02) as passed, line.h1.watch_tcp(5201, interval_s=0.02) as windows:
        line.h1.run(["python3", "-c", _SOURCE, "h2", megabyte])
    to_h2 = [row for row in passed.table() if row.toward == "h2"]
    # Frames of 1514 bytes carry 1448 of TCP.
    sent = sum(new.mbit_per_s * (new.time_s - old.time_s) for old, new in pairwise(to_h2))
    assert 7.5 < sent < 12
    assert sum(row.packets for row in to_h2) > 690
    assert max(row.queue_packets for row in to_h2) > 1
    assert to_h2[-1].queue_packets == 0
    rows = windows.rows
    [connection] = {row["connection"] for row in rows}
    assert connection.endswith(":5201") and connection.startswith("10.0.1.")
    assert all(row["congestion_window"] > 0 and row["segment_bytes"] == 1448 for row in rows)
    assert max(row["acked_bytes"] for row in rows) > 100_000
    assert rows == sorted(rows, key=lambda row: row["time_s"])


def test_other_ports_are_left_out(line: Line) -> None:
    with line.h1.watch_tcp(9, interval_s=0.02) as windows:
        line.h1.run(["python3", "-c", _SOURCE, "h2", "100000"])
    assert windows.rows == []
    assert repr(windows) == "(no rows)"
    with pytest.raises(BadArgument, match="port=0 is none"):
        line.h1.watch_tcp(0)
