"""The round trip under load: a full buffer adds to it, a short one does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from playground.engines.namespaces.engine import NamespacesEngine
from playground.engines.seam import Engine
from playground.errors import BadArgument, NotReady
from playground.lab.lab import Lab
from playground.operations.measurements.rtt_under_load import RttUnderLoad
from playground.operations.network import Host, Link, Router
from playground.operations.nodes.ping import Ping


class Home:
    """laptop - modem - server, of which the modem's uplink is narrow."""

    lab: Lab

    def __init__(self) -> None:
        self.laptop, self.modem, self.server = Host("laptop"), Router("modem"), Host("server")
        Link(self.laptop, self.modem)
        self.uplink = Link(self.modem, self.server)
        self.uplink.impair(rate_mbit=4)

    def measure(self, **how: Any) -> RttUnderLoad:
        return self.lab.rtt_under_load("laptop", "server", seconds=1, streams=2, **how)


@pytest.fixture(scope="module")
def home(namespaces_engine: NamespacesEngine, keep_lab: Callable[[str], None]) -> Iterator[Home]:
    home = Home()
    with Lab(home.laptop, quiet=True, engine=namespaces_engine) as home.lab:
        keep_lab(home.lab.id)
        yield home


def test_a_long_queue_adds_to_the_round_trip_and_a_short_one_does_not(home: Home) -> None:
    long = home.measure(direction="up")
    home.uplink.queue("pfifo", limit_packets=5)
    short = home.measure(direction="up")
    assert long.added_ms is not None and short.added_ms is not None
    # Five frames of 1514 bytes wait 15 ms at 4 Mbit/s, and thousands of ms are possible.
    assert short.added_ms < 60
    assert long.added_ms > 2 * short.added_ms
    # The link carries headers too, and on a busy machine takes its time.
    assert 0 < long.up_mbit < 4.5
    assert long.down_mbit == 0


@pytest.mark.second_kernel("fq_codel")
def test_a_queue_that_drops_what_waits_long_keeps_the_round_trip_short(home: Home) -> None:
    home.uplink.queue("pfifo", limit_packets=200)
    long = home.measure(direction="up")
    home.uplink.queue("fq_codel")
    managed = home.measure(direction="up")
    assert long.added_ms is not None and managed.added_ms is not None
    assert managed.added_ms < long.added_ms / 2


def test_the_way_back_is_loaded_too(home: Home) -> None:
    found = home.measure(direction="down")
    assert found.up_mbit == 0 < found.down_mbit
    idle, loaded = found.table()
    assert (idle.phase, loaded.phase) == ("idle", "loaded")
    assert (loaded.sent, loaded.down_mbit) == (10, found.down_mbit)


def test_where_no_tcp_passes_it_is_said(home: Home) -> None:
    home.server.firewall.drop(protocol="tcp")
    try:
        with pytest.raises(NotReady, match="does TCP pass in both directions"):
            home.measure()
    finally:
        home.server.firewall.clear()
    # Nothing that was started goes on.
    assert not any("threading" in one.command for one in home.server.processes())


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ({"seconds": 0}, "from 1 to 600"),
        ({"streams": 0}, "from 1 to 64"),
        ({"direction": "left"}, 'use "up", "down" or "both"'),
    ],
)
def test_what_cannot_be_is_refused(home: Home, how: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadArgument, match=sentence):
        home.lab.rtt_under_load(home.laptop, home.server, **how)


def test_both_ways_at_once(engine: Engine) -> None:
    home = Home()
    with Lab(home.laptop, name="queues-rtt", quiet=True) as home.lab:
        found = home.measure()
    assert found.loaded_ms and found.up_mbit and found.down_mbit


def test_without_replies_there_is_no_difference() -> None:
    silent = Ping("www", 3, 0)
    found = RttUnderLoad("h1", "www", silent, silent, 0, 0, 1)
    assert (found.idle_ms, found.added_ms) == (None, None)
    assert [row.worst_ms for row in found.table()] == [None, None]
    assert repr(found).startswith("RttUnderLoad('h1', 'www', idle_ms=None")


def test_it_is_drawn() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    from playground.operations.nodes.ping import parse_ping

    line = "64 bytes from 10.0.0.1: icmp_seq={} ttl=64 time={} ms\n"
    text = "".join(line.format(n, n) for n in (1, 3))
    seen = parse_ping("www", text + "3 packets transmitted, 2 received", interval_s=0.1)
    ax = RttUnderLoad("h1", "www", seen, seen, 1, 2, 1).plot()
    labels = ax.get_legend_handles_labels()[1]
    assert labels == ["idle", "lost", "under load (1 Mbit/s up, 2 down)", "lost"]
