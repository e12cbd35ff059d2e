"""Every machine asks every other."""

from __future__ import annotations

import re
import time

import pytest

from playground.display.tables import Table
from playground.engines.seam import Engine
from playground.errors import BadArgument, NoSuchNode
from playground.lab.lab import Lab
from playground.operations.diagnosis.all_pairs import PingAll, PingedPair
from playground.operations.network import Host, Link, Router, Switch


def pings(*missed: tuple[str, str], names: tuple[str, ...] = ("h1", "h2", "www")) -> PingAll:
    pairs = [(source, target) for source in names for target in names if source != target]
    return PingAll(
        names,
        Table(
            PingedPair(source, target, "10.0.0.1", 1, 0, None, "no reply")
            if (source, target) in missed
            else PingedPair(source, target, "10.0.0.1", 1, 1, 0.0412)
            for source, target in pairs
        ),
    )


def test_who_was_reached_shows_as_a_square() -> None:
    found = pings(("www", "h1"))
    assert str(found).splitlines() == [
        "from \\ to     h1     h2    www",
        "h1             -  0.041  0.041",
        "h2         0.041      -  0.041",
        "www            x  0.041      -",
        "5 of 6 pairs reached (x: no reply); the times are in ms",
    ]
    assert "<th>www</th>" in found._repr_html_()
    assert 'title="www to h1 (10.0.0.1): 0 of 1 no reply"' in found._repr_html_()
    assert (found.all_reached, bool(found), bool(pings())) == (False, False, True)
    assert [pair.source for pair in found.unreached] == ["www"]
    assert found.rows[0] == {
        "source": "h1",
        "target": "h2",
        "address": "10.0.0.1",
        "sent": 1,
        "received": 1,
        "rtt_ms": 0.0412,
        "problem": "",
    }


def test_of_many_each_has_a_line() -> None:
    names = tuple(f"h{number}" for number in range(1, 14))
    lines = str(pings(("h1", "h3"), names=names)).splitlines()
    assert lines[0] == "h1   reached 11 of 12, x h3"
    assert lines[1] == "h2   reached 12 of 12"
    assert len(lines) == 14


class Divided:
    """Two VLANs, a home behind NAT, and what has no link."""

    def __init__(self) -> None:
        self.switch = Switch("s", vlans=(10, 20))
        self.a, self.a2, self.b = Host("a"), Host("a2"), Host("b")
        self.lonely = Host("lonely")
        Link(self.switch, self.a, vlan=10)
        Link(self.switch, self.a2, vlan=10)
        Link(self.switch, self.b, vlan=20)


def test_whom_nobody_reaches_is_a_row_and_no_error(engine: Engine) -> None:
    net = Divided()
    with Lab(net.switch, net.lonely, name="serv-pairs", quiet=True) as lab:
        found = lab.ping_all(count=2, interval_s=0.02, timeout_s=0.3)
        assert not found.all_reached
        reached = {(pair.source, pair.target) for pair in found if pair.received == 2}
        assert reached == {("a", "a2"), ("a2", "a")}
        assert found["a", "a2"].rtt_ms is not None
        assert "unreachable" in found["a", "b"].problem.lower()
        assert found["a", "lonely"].problem == "lonely has no address"
        # One way for a node and for its address.
        for target in (net.b, net.b.name, str(net.b.address)):
            ping = net.a.ping(target, count=1, timeout_s=0.2)
            assert (ping.received, bool(ping.problem)) == (0, True)
        assert "does not know the name 'b'" in net.a.ping(net.b).problem
        assert not net.a.traceroute(net.b).reached
        assert lab.ping_all("a", net.a2).all_reached
        net.a2.firewall.drop(source=net.a)
        found = lab.ping_all("a", "a2", timeout_s=0.2)
        assert (found["a", "a2"].sent, found["a", "a2"].problem) == (1, "no reply")
        with pytest.raises(NoSuchNode):
            lab.ping_all("nobody")
        with pytest.raises(BadArgument, match="count"):
            lab.ping_all(count=0)


def test_whom_others_ask_is_a_column_of_its_own() -> None:
    rows = [PingedPair(name, "r", "10.0.0.1", 1, name != "h2", 0.05) for name in ("h1", "h2")]
    found = PingAll(("h1", "h2"), Table(rows), ("r",))
    assert str(found).splitlines()[:2] == ["from \\ to      r", "h1         0.050"]
    assert "<th>r</th>" in found._repr_html_()
    many = tuple(f"h{number}" for number in range(20))
    asked = Table(PingedPair(name, "r", "10.0.0.1", 1, 1, 0.05) for name in many)
    assert str(PingAll(many, asked, ("r",))).splitlines()[0] == "h0   reached 1 of 1"


def test_all_pairs_of_sixty_hosts_are_asked_in_seconds() -> None:
    switch, far, router = Switch("lan"), Switch("far"), Router("r")
    Link(switch, router)
    Link(far, router)
    for number in range(60):
        Link(switch if number % 2 else far, Host(f"h{number}"))
    with Lab(switch, name="serv-sixty", engine="namespaces", quiet=True, ipv6=True) as lab:
        for version in (4, 6):
            begin = time.monotonic()
            found = lab.ping_all(version=version)
            took_s = time.monotonic() - begin
            assert found.all_reached, found
            assert len(found.pairs) == 60 * 59
            # 2 s on a busy machine; one after the other, a program a pair, more than a minute.
            assert took_s < 20
        # And one asked by all: each is a row.
        found = lab.ping_all(to=router)
        assert (found.all_reached, len(found.pairs), found.targets) == (True, 60, ("r",))
        found = lab.ping_all("h1", "h2", to=["h2", "r"])
        assert [(pair.source, pair.target) for pair in found] == [
            *(("h1", "h2"), ("h1", "r"), ("h2", "r")),
        ]
        with pytest.raises(BadArgument, match="to=7 is no node"):
            lab.ping_all(to=7)  # type: ignore[arg-type]
        # Neighbours that were not known before are not known now.
        neighbours = lab.node("h1").run("cat /proc/net/arp").stdout
        assert len(re.findall("eth0", neighbours)) < 10
